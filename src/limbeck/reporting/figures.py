# ruff: noqa: RUF001  (a true minus sign and dash, as readers see them)
"""The report's charts: built with Altair, compiled to Vega, drawn in the reader's browser.

Every colour is a CSS variable of the page, so a chart follows light, dark and print by itself.
Every chart is as wide as its box. Accuracies are in percent, differences in percentage points.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair

__all__ = ["changes", "curves", "difference", "reliability"]

Spec = dict[str, Any]

COLOURS = {
    "Distilled": "var(--distilled)",
    "From scratch": "var(--scratch)",
    "Teacher": "var(--teacher)",
    "Student": "var(--distilled)",
}
SHAPES = {
    "Distilled": "circle",
    "From scratch": "square",
    "Teacher": "triangle-up",
    "Student": "circle",
}
DASHES = {"Distilled": [1, 0], "From scratch": [6, 3], "Teacher": [2, 2], "Student": [1, 0]}
MOST_POINTS = 200
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def finished(
    chart: "altair.LayerChart | altair.FacetChart", *, height: int, description: str
) -> Spec:
    """The chart as Vega: as wide as its box, in the page's colours and type."""
    import vl_convert

    chart = chart.properties(
        width="container",
        height=height,
        description=description,
        autosize={"type": "fit-x", "contains": "padding"},
    )
    chart = chart.configure(
        background="transparent", font=FONT, padding={"left": 2, "top": 8, "right": 8, "bottom": 2}
    )
    chart = chart.configure_view(stroke=None)
    chart = chart.configure_axis(
        labelColor="var(--quiet)",
        titleColor="var(--quiet)",
        gridColor="var(--line)",
        domain=False,
        ticks=False,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
        labelPadding=6,
        titlePadding=10,
        labelFlush=False,
        labelOverlap="greedy",
        labelSeparation=8,
    )
    chart = chart.configure_text(color="var(--ink)", fontSize=12)
    specification: Spec = vl_convert.vegalite_to_vega(chart.to_dict())
    return specification


def by_model(field: str) -> tuple[Any, Any]:
    """Colour and shape of a model, the same in every chart; the page draws the legend."""
    import altair as alt

    colour = alt.Color(
        f"{field}:N", scale=alt.Scale(domain=[*COLOURS], range=[*COLOURS.values()]), legend=None
    )
    shape = alt.Shape(
        f"{field}:N", scale=alt.Scale(domain=[*SHAPES], range=[*SHAPES.values()]), legend=None
    )
    return colour, shape


def span(values: Sequence[float], *, pad: float = 0.08, least: float = 1e-9) -> list[float]:
    """The values' range, a little widened."""
    low, high = min(values), max(values)
    margin = max((high - low) * pad, least)
    return [low - margin, high + margin]


def data(rows: list[Spec]) -> Any:
    import altair as alt

    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def vertical(at: float, colour: str, scale: Any, *, dashed: bool = True) -> Any:
    """A line from top to bottom."""
    import altair as alt

    return (
        alt.Chart(data([{"at": at}]))
        .mark_rule(color=colour, strokeDash=[4, 3] if dashed else [1, 0], strokeWidth=1.5)
        .encode(x=alt.X("at:Q", scale=scale))
    )


def difference(each: Sequence[float], mean: float, low: float, high: float) -> Spec:
    """Distilled minus scratch in points: every seed as a tick, the mean with its interval."""
    import altair as alt

    low, high = max(low, -100.0), min(high, 100.0)
    domain = span([0.0, mean, low, high, *each], least=0.05)
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    x: Spec = {"title": "Distilled − from scratch, in points", "scale": scale}
    summary = data([{"mean": mean, "low": low, "high": high}])
    layers = [
        vertical(0.0, "var(--quiet)", scale),
        alt.Chart(data([{"change": value} for value in each]))
        .mark_tick(color="var(--quiet)", thickness=1.5, size=14, opacity=0.75)
        .encode(x=alt.X("change:Q", **x), y=alt.value(16)),
        alt.Chart(summary)
        .mark_rule(color="var(--distilled)", strokeWidth=5, strokeCap="round", opacity=0.45)
        .encode(x=alt.X("low:Q", **x), x2="high:Q", y=alt.value(44)),
        alt.Chart(summary)
        .mark_point(filled=True, size=120, color="var(--distilled)", opacity=1)
        .encode(x=alt.X("mean:Q", **x), y=alt.value(44)),
    ]
    text = f"Mean difference {mean:+.2f} points, interval {low:+.2f} to {high:+.2f}."
    return finished(alt.layer(*layers), height=62, description=text)


def curves(
    runs: Mapping[str, Sequence[Sequence[float]]], *, title: str, percent: bool = False
) -> Spec:
    """A quantity by epoch: the mean over the seeds, in a band from the lowest to the highest.

    Args:
        runs: For each model, one curve per seed. Where early stopping ended some sooner, the band
            and the mean are of those that still ran.
        title: Of the vertical axis.
        percent: Whether the values are shares in [0, 1], drawn in percent.
    """
    import altair as alt

    rows = []
    for model, seeds_curves in runs.items():
        longest = max((len(curve) for curve in seeds_curves), default=0)
        for epoch in thinned(longest):
            values = [c[epoch] * (100 if percent else 1) for c in seeds_curves if epoch < len(c)]
            values = [value for value in values if math.isfinite(value)]
            if values:
                row = {"low": min(values), "high": max(values), "mean": sum(values) / len(values)}
                rows.append({"model": model, "epoch": epoch + 1, **row})
    colour, _ = by_model("model")
    dash = alt.StrokeDash(
        "model:N", scale=alt.Scale(domain=[*DASHES], range=[*DASHES.values()]), legend=None
    )
    x = alt.X(
        "epoch:Q",
        title="Epoch",
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
    )
    scale = alt.Scale(zero=False, nice=True)
    base = alt.Chart(data(rows))
    band = base.mark_area(opacity=0.16, interpolate="linear").encode(
        x=x, y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q", color=colour
    )
    line = base.mark_line(strokeWidth=2, point=len(rows) <= len(runs)).encode(
        x=x, y=alt.Y("mean:Q", title=title, scale=scale), color=colour, strokeDash=dash
    )
    return finished(alt.layer(band, line), height=220, description=f"{title}, by epoch.")


def thinned(count: int) -> list[int]:
    """At most 200 of the numbers below count, evenly spread, both ends among them."""
    if count <= MOST_POINTS:
        return list(range(count))
    return [round(i * (count - 1) / (MOST_POINTS - 1)) for i in range(MOST_POINTS)]


def reliability(bins: Mapping[str, Sequence[tuple[float, float, float]]]) -> Spec:
    """How often a model is right when it is this sure; the diagonal is perfect calibration.

    Args:
        bins: For each model (mean confidence, accuracy, share of examples), each in [0, 1], of
            each non-empty bin.
    """
    import altair as alt

    rows = [
        {"model": model, "confidence": 100 * c, "accuracy": 100 * a, "share": s, "percent": 100 * s}
        for model, points in bins.items()
        for c, a, s in points
    ]
    scale = alt.Scale(domain=[0, 100], nice=False)
    x = alt.X("confidence:Q", title="Confidence, in %", scale=scale)
    y = alt.Y("accuracy:Q", title="Right, in %", scale=scale)
    colour, shape = by_model("model")
    diagonal = (
        alt.Chart(data([{"confidence": 0, "accuracy": 0}, {"confidence": 100, "accuracy": 100}]))
        .mark_line(color="var(--quiet)", strokeDash=[4, 3], strokeWidth=1)
        .encode(x=x, y=y)
    )
    base = alt.Chart(data(rows))
    line = base.mark_line(strokeWidth=1.5, opacity=0.4).encode(x=x, y=y, color=colour)
    size = alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[24, 240]), legend=None)
    points = base.mark_point(filled=True, opacity=0.9).encode(
        x=x,
        y=y,
        color=colour,
        shape=shape,
        size=size,
        tooltip=[
            "model:N",
            alt.Tooltip("confidence:Q", format=".1f"),
            alt.Tooltip("accuracy:Q", format=".1f"),
            alt.Tooltip("percent:Q", format=".1f", title="% of the examples"),
        ],
    )
    text = "Accuracy against confidence of each model, with the diagonal of perfect calibration."
    return finished(alt.layer(diagonal, line, points), height=300, description=text)


def changes(
    names: Sequence[str],
    points: Sequence[float],
    *,
    title: str,
    texts: Sequence[str],
    ends: Sequence[tuple[float, float]] = (),
    colour: str = "",
) -> Spec:
    """One bar per class or teacher, from zero, with its number at the right.

    Args:
        names: Of the rows, each once.
        points: The bars' lengths.
        title: Of the axis.
        texts: The numbers as they are written.
        ends: Each row's interval, infinite where there is none; no intervals if empty.
        colour: Of all bars; empty for one colour of gains and one of losses.
    """
    import altair as alt

    rows = [
        {"name": name, "change": value, "text": text}
        for name, value, text in zip(names, points, texts, strict=True)
    ]
    bounds: list[Spec] = [
        {"name": name, "low": max(low, -100.0), "high": min(high, 100.0)}
        for name, (low, high) in zip(names, ends, strict=bool(ends))
        if math.isfinite(low) and math.isfinite(high)
    ]
    known = [0.0, *points, *(end for row in bounds for end in (row["low"], row["high"]))]
    low, high = min(known), max(known)
    reach = (high - low) or 1.0
    right = 0.26 * reach  # for the numbers, on a phone too
    scale = alt.Scale(domain=[low - 0.02 * reach, high + right], nice=False)
    y = alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=140))
    x: Spec = {"title": title, "scale": scale, "axis": alt.Axis(tickCount=8)}
    base = alt.Chart(data(rows)).encode(y=y)
    bars = base.mark_bar(cornerRadiusEnd=2, height={"band": 0.6})
    loss = alt.condition("datum.change < 0", alt.value("var(--bad)"), alt.value("var(--good)"))
    fill = alt.value(colour) if colour else loss
    layers = [
        bars.encode(x=alt.X("change:Q", **x), color=fill),
        vertical(0.0, "var(--line-strong)", scale, dashed=False),
        base.mark_text(align="right").encode(x=alt.value("width"), text="text:N"),
    ]
    if bounds:
        whiskers = alt.Chart(data(bounds)).mark_rule(color="var(--ink)", opacity=0.7)
        layers.insert(2, whiskers.encode(x=alt.X("low:Q", **x), x2="high:Q", y=y))
    text = f"{title}, for {len(names)} rows."
    return finished(alt.layer(*layers), height=24 * len(names) + 8, description=text)
