"""A sweep as a figure: a line over one axis, a coloured surface over two."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.reporting.figures import data
from limbeck.sweeping import Label, Sweep

if TYPE_CHECKING:
    import altair

__all__ = ["draw_sweep", "surface"]

ACCURACY = "validation accuracy, %"


def draw_sweep(sweep: Sweep, path: str | Path) -> Path:
    """Draw a sweep as an SVG file.

    Raises:
        OSError: if it cannot be written.
    """
    import vl_convert

    Path(path).write_text(vl_convert.vegalite_to_svg(surface(sweep).to_dict()), encoding="utf-8")
    return Path(path)


def surface(sweep: Sweep) -> "altair.LayerChart":
    """The mean validation accuracy over the first two axes of a sweep that have several values.

    Over further axes the best is shown: what the surface would be if they were chosen well.
    """
    axes = [axis for axis, values in sweep.axes.items() if len(values) > 1] or list(sweep.axes)
    if len(axes) < 2:
        return line(sweep, axes[0] if axes else "")
    return plane(sweep, axes[0], axes[1])


def line(sweep: Sweep, axis: str) -> "altair.LayerChart":
    """Mean and standard deviation over the values of one axis."""
    import altair as alt

    rows = [
        {
            "at": cell.settings.get(axis, ""),
            "mean": 100 * cell.accuracy,
            "low": 100 * (cell.accuracy - cell.deviation),
            "high": 100 * (cell.accuracy + cell.deviation),
        }
        for cell in sweep.cells
        if cell.runs
    ]
    base = alt.Chart(data(rows)).encode(x=position(alt.X, sweep, axis))
    means = base.mark_line(point=True).encode(
        y=alt.Y("mean:Q", title=ACCURACY, scale=alt.Scale(zero=False))
    )
    spread = base.mark_rule(opacity=0.6).encode(y="low:Q", y2="high:Q")
    chart: altair.LayerChart = alt.layer(spread, means).properties(width=420, height=260)
    return chart


def plane(sweep: Sweep, across: str, up: str) -> "altair.LayerChart":
    """The best mean at each place of the plane of two axes, in colour and as a number."""
    import altair as alt

    best: dict[tuple[Label, Label], float] = {}
    for cell in sweep.cells:
        if cell.runs:
            place = cell.settings[across], cell.settings[up]
            best[place] = max(best.get(place, 0.0), 100 * cell.accuracy)
    middle = (min(best.values()) + max(best.values())) / 2
    rows = [{"x": x, "y": y, "mean": mean} for (x, y), mean in best.items()]
    base = alt.Chart(data(rows)).encode(
        x=alt.X(
            "x:O", title=short(across), sort=in_order(sweep, across), axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("y:O", title=short(up), sort=in_order(sweep, up)),
    )
    tiles = base.mark_rect().encode(
        color=alt.Color("mean:Q", title=ACCURACY, scale=alt.Scale(scheme="viridis"))
    )
    dark = alt.value("white")
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text("mean:Q", format=".2f"),
        color=alt.condition(f"datum.mean > {middle}", alt.value("black"), dark),
    )
    chart: altair.LayerChart = alt.layer(tiles, numbers).properties(
        width=alt.Step(52), height=alt.Step(30)
    )
    return chart


def short(axis: str) -> str:
    """The last two words of a recipe's key: what is needed to know it."""
    return ".".join(axis.split(".")[-2:])


def in_order(sweep: Sweep, axis: str) -> Any:
    """The values of an axis in the order in which they were given."""
    return list(sweep.axes[axis])


def position(channel: Any, sweep: Sweep, axis: str) -> Any:
    """An axis of numbers, or of names in the order of the sweep."""
    import altair as alt

    values = sweep.axes.get(axis, ())
    if all(isinstance(value, (int, float)) for value in values):
        return channel("at:Q", title=short(axis), scale=alt.Scale(zero=False))
    return channel("at:O", title=short(axis), sort=in_order(sweep, axis))
