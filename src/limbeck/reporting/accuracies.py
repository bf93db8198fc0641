"""Accuracies of several models: a line for each seed or group, on it a mark for each model."""

from collections.abc import Mapping, Sequence

from limbeck.reporting.figures import Spec, by_model, data, finished, span, vertical

__all__ = ["accuracies", "seeds"]


def seeds(
    numbers: Sequence[int],
    scratch: Sequence[float],
    distilled: Sequence[float],
    teacher: float | None,
) -> Spec:
    """Each seed's pair of accuracies, in percent, joined by a line; the teacher as a rule."""
    names = [str(n) for n in numbers]
    found = {
        "From scratch": dict(zip(names, scratch, strict=True)),
        "Distilled": dict(zip(names, distilled, strict=True)),
    }
    text = f"Accuracy of the distilled and the from-scratch student for {len(names)} seeds."
    return accuracies(found, "seed", title="Seed", least=0.05, rule=teacher, text=text)


def accuracies(
    found: Mapping[str, Mapping[str, float]],
    field: str,
    *,
    text: str,
    title: str | None = None,
    least: float,
    rule: float | None = None,
) -> Spec:
    """What several models reach in each of the same lines, joined from the lowest to the highest.

    Args:
        found: By model and line, in percent; the first model's order is that of the lines.
        field: What a line is, such as "seed".
        text: What the chart shows, for those who cannot see it.
        title: Of the vertical axis.
        least: Room left of the lowest and right of the highest, in points, if all are close.
        rule: An accuracy drawn through all lines, in percent.
    """
    import altair as alt

    names = list(next(iter(found.values())))
    rows = [
        {field: name, "model": model, "accuracy": each[name]}
        for model, each in found.items()
        for name in names
    ]
    reached = {name: [each[name] for each in found.values()] for name in names}
    lines = [{field: name, "low": min(r), "high": max(r)} for name, r in reached.items()]
    known = [value for values in reached.values() for value in values]
    domain = span(known if rule is None else [*known, rule], least=least)
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    x: Spec = {"title": "Accuracy on the test part, in %", "scale": scale}
    y = alt.Y(f"{field}:N", title=title, sort=names, axis=alt.Axis(labelLimit=180))
    colour, shape = by_model("model")
    layers = [
        alt.Chart(data(lines))
        .mark_rule(color="var(--line-strong)", strokeWidth=2)
        .encode(x=alt.X("low:Q", **x), x2="high:Q", y=y),
        alt.Chart(data(rows))
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X("accuracy:Q", **x),
            y=y,
            color=colour,
            shape=shape,
            tooltip=["model:N", f"{field}:N", alt.Tooltip("accuracy:Q", format=".2f")],
        ),
    ]
    if rule is not None:
        layers.insert(0, vertical(rule, "var(--teacher)", scale))
    height = max(72, min(26 * len(names), 624)) + 8
    return finished(alt.layer(*layers), height=height, description=text)
