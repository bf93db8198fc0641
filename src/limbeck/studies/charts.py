"""The figures of the studies: lines with points, and a tick for every run."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import altair

__all__ = ["lines", "ticks"]

Points = Sequence[Mapping[str, Any]]
Scale = Literal["linear", "log", "symlog"]


def lines(
    points: Points,
    x: str,
    y: str,
    *,
    colour: str = "",
    dash: str = "",
    panel: str = "",
    scales: tuple[Scale, Scale] = ("linear", "linear"),
    titles: Mapping[str, str] | None = None,
    interval: tuple[str, str] | None = None,
) -> "altair.TopLevelMixin":
    """A line for every colour and dash, in a panel each with axes of its own.

    Args:
        points: With a value for every field named here; points of one place are averaged.
        x: Field along the horizontal axis; it has a tick at each of a few whole numbers, if all
            panels have the same.
        y: Field along the vertical axis; on a logarithmic scale only positive values are drawn.
        colour: Field that colours; "": none.
        dash: Field that dashes; "": none.
        panel: Field that divides into panels, side by side; "": one.
        scales: Of x and y.
        titles: Of the axes, by field; the field's name otherwise.
        interval: Fields of the lower and the upper end of a bar at each point.
    """
    import altair as alt

    titles = titles or {}
    shown = [dict(point) for point in points if scales[1] != "log" or point[y] > 0]
    scaled = alt.Scale(type=scales[0], zero=False), alt.Scale(type=scales[1], zero=False)
    counted = sorted({point[x] for point in shown})
    places = {(point[x], point[panel] if panel else "") for point in shown}
    alike = len(places) == len(counted) * len({name for _, name in places})
    whole = alike and len(counted) <= 8 and all(float(each).is_integer() for each in counted)
    steps = alt.Axis(values=counted, format="d") if whole else alt.Undefined
    base = alt.Chart(alt.InlineData(values=shown)).encode(
        x=alt.X(f"{x}:Q", title=titles.get(x, x), scale=scaled[0], axis=steps),
        y=alt.Y(f"mean({y}):Q", title=titles.get(y, y), scale=scaled[1]),
        color=alt.Color(f"{colour}:N", sort=None, title=None) if colour else alt.Undefined,
    )
    # not mark_line(point=True), whose legend shows dots in place of dashes
    line, dots = base.mark_line(), base.mark_point(filled=True, opacity=1)
    if dash:
        field, legend = f"{dash}:N", alt.Legend(symbolStrokeColor="black", symbolSize=300)
        line = line.encode(strokeDash=alt.StrokeDash(field, sort=None, title=None, legend=legend))
        dots = dots.encode(detail=field)
    layers = [line, dots]
    if interval:
        ends = alt.Y(f"{interval[0]}:Q", title=titles.get(y, y)), alt.Y2(f"{interval[1]}:Q")
        layers.append(base.mark_rule().encode(y=ends[0], y2=ends[1]))
    chart: alt.LayerChart = alt.layer(*layers).properties(width=240, height=200)
    if not panel:
        return chart
    panels: alt.FacetChart = chart.facet(
        column=alt.Column(f"{panel}:N", sort=None, title=None)
    ).resolve_scale(x="independent", y="independent")
    return panels


def ticks(values: Mapping[str, Sequence[float]], title: str) -> "altair.TopLevelMixin":
    """A tick for every run, a line of them for each name.

    Args:
        values: Every run's value, by what was run.
        title: Of the values.
    """
    import altair as alt

    points = [{"what": what, "value": each} for what, runs in values.items() for each in runs]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=points))
        .mark_tick(thickness=2, size=18)
        .encode(
            x=alt.X("value:Q", title=title, scale=alt.Scale(zero=False)),
            y=alt.Y("what:N", title=None, sort=list(values), axis=alt.Axis(labelLimit=480)),
        )
        .properties(width=420)
    )
    return chart
