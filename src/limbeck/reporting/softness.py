"""How soft the targets of a fit are: the surface over temperature and weight."""

import statistics
from typing import TYPE_CHECKING, Any

from limbeck.reporting import figures
from limbeck.reporting.page import Figure, Section
from limbeck.reporting.wording import count

if TYPE_CHECKING:
    from limbeck.budgeting.softening import Surface

__all__ = ["softness"]


def softness(surface: "Surface | None") -> Section | None:
    """The surface, where there was a search."""
    if surface is None or len(surface.accuracies) < 2:
        return None
    trained = len(surface.accuracies[surface.default])
    kept = (
        "Nothing else was better by more than its standard error, so the default was kept."
        if surface.chosen == surface.default
        else "What differs was better than the default by more than its standard error."
    )
    note = (
        f"Mean validation accuracy, in %, of {count(trained)} trainings in full at each place. "
        f"The default is {surface.default}, from the teacher's entropy; the finals took "
        f"{surface.chosen}. {kept}"
    )
    return Section("softness", "How soft the targets are", note, (chart(surface),), layout="narrow")


def chart(surface: "Surface") -> Figure:
    """Coloured tiles with their numbers, the chosen one with a frame."""
    import altair as alt

    means = {place: 100 * statistics.fmean(all) for place, all in surface.accuracies.items()}
    middle = (min(means.values()) + max(means.values())) / 2
    rows: list[dict[str, Any]] = [
        {
            "temperature": f"{place.temperature:.3g}",
            "hard": f"{100 * place.hard:.3g}%",
            "mean": mean,
            "chosen": place == surface.chosen,
            "light": mean > middle,
        }
        for place, mean in means.items()
    ]
    temperatures = [f"{T:.3g}" for T in sorted({place.temperature for place in means})]
    weights = [f"{100 * hard:.3g}%" for hard in sorted({place.hard for place in means})]
    base = alt.Chart(figures.data(rows)).encode(
        x=alt.X(
            "temperature:N", title="Temperature", sort=temperatures, axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("hard:N", title="Weight of hard labels", sort=weights),
    )
    tiles = base.mark_rect().encode(
        color=alt.Color("mean:Q", scale=alt.Scale(scheme="viridis"), legend=None)
    )
    frame = base.transform_filter("datum.chosen").mark_rect(
        fillOpacity=0, stroke="var(--bad)", strokeWidth=3
    )
    numbers = base.mark_text(fontSize=12).encode(
        text=alt.Text("mean:Q", format=".2f"),
        color=alt.condition("datum.light", alt.value("black"), alt.value("white")),
    )
    text = (
        "Validation accuracy over the temperature of the soft and the weight of the hard targets."
    )
    drawn = figures.finished(
        alt.layer(tiles, frame, numbers), height=44 * len(weights), description=text
    )
    return Figure("chart-softness", drawn, "", "The frame is what the finals were trained with.")
