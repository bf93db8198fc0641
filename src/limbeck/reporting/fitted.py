"""The page of a fit: the winner's comparison, under the verdict against the current student."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from limbeck.budgeting.front import leaders
from limbeck.reporting import figures
from limbeck.reporting.contents import SIGNS, page_of
from limbeck.reporting.page import Cell, Figure, Page, Row, Section, Table, Tile
from limbeck.reporting.softness import softness
from limbeck.reporting.wording import (
    NONE,
    count,
    interval,
    milliseconds,
    number,
    percent,
    points,
    size,
)

if TYPE_CHECKING:
    import altair

    from limbeck.budgeting.result import Fit, Tried

__all__ = ["page_of_fit"]

FRONT, FINALIST, STOPPED = "on the front", "trained in full", "stopped early"


def page_of_fit(fit: "Fit") -> Page:
    """The page of the winner, with the candidates and the front first."""
    page = page_of(fit.comparison, fit.export)
    soft = softness(fit.softness)
    trained = sum(tried.file is not None for tried in fit.candidates)
    return replace(
        page,
        title=f"{fit.verdict}: {fit.winner} on {fit.comparison.data}",
        kicker=f"{fit.comparison.data} · {fit.budget} · {count(len(fit.candidates))} candidates, "
        f"{count(trained)} within the budget",
        verdict=fit.verdict,
        sign=SIGNS[fit.verdict],
        sentence=fit.sentence,
        tiles=tiles(fit),
        sections=(candidates(fit), *(() if soft is None else (soft,)), *page.sections),
        advice=(*fit.next_steps, *page.advice),
        facts=(*page.facts, *((name, str(value)) for name, value in fit.machine.items())),
    )


def tiles(fit: "Fit") -> tuple[Tile, ...]:
    """What was gained, at which time and size."""
    winner = next(tried for tried in fit.candidates if tried.name == fit.winner)
    assert winner.file is not None
    difference = fit.difference_points
    ends = interval(points(difference.low), points(difference.high))
    budget = fit.budget
    allowed = "any" if budget.milliseconds is None else milliseconds(budget.milliseconds)
    return (
        Tile(
            "Winner", fit.winner, f"{winner.file.precision}, {count(winner.parameters)} parameters"
        ),
        Tile(
            "Against the current student",
            f"{points(difference.estimate)} points",
            f"{number(100 * difference.confidence, 0)}% interval {ends}",
        ),
        Tile(
            f"Latency, p{budget.percentile}",
            milliseconds(winner.file.milliseconds(budget)),
            f"allowed: {allowed}",
        ),
        Tile("Size", size(winner.file.bytes), "the ONNX file"),
    )


def candidates(fit: "Fit") -> Section:
    """The front as a chart, and every candidate in a table."""
    note = (
        "Latency is of the exported file, under the budget's own conditions, measured before any "
        "training. Accuracy is on the validation part, on which every choice was made. Candidates "
        "that were stopped early were trained for fewer epochs: their points are no measure of "
        "what they could reach."
    )
    caption = "The line is the front: nothing else is more accurate, faster and smaller. "
    caption += "Hover over a point for the recipe that made it."
    drawn = figures.finished(front_chart(fit), height=320, description=caption)
    return Section(
        id="candidates",
        title="What the budget buys",
        note=note,
        charts=(Figure("chart-front", drawn, "", caption),),
        tables=(table(fit),),
    )


def rows_of(fit: "Fit") -> list[dict[str, Any]]:
    """A row for each point of the chart; of the front, `leaders` draw its line."""
    found: list[dict[str, Any]] = []
    for tried in fit.candidates:
        if tried.file is None:
            continue
        stopped = tried.final is None
        epochs, accuracy = tried.accuracies[-1] if tried.accuracies else (0, 0.0)
        if tried.final is not None:
            accuracy = tried.final.accuracy
        found.append(
            {
                "candidate": tried.name,
                "ms": tried.file.milliseconds(fit.budget),
                "accuracy": 100 * accuracy,
                "bytes": size(tried.file.bytes),
                "precision": tried.file.precision,
                "recipe": recipe(tried, fit),
                "training": f"{epochs} epochs" if stopped else "in full",
                "place": FRONT if tried.name in fit.front else STOPPED if stopped else FINALIST,
            }
        )
    places = {row["candidate"]: (row["ms"], row["accuracy"]) for row in found}
    first = leaders({name: place for name, place in places.items() if name in fit.front})
    return [{**row, "leads": row["candidate"] in first} for row in found]


def recipe(tried: "Tried", fit: "Fit") -> str:
    """What made the student, in a line."""
    parts = [f"{name}: {arguments}" for name, arguments in tried.architecture.items()]
    softness = fit.softness
    if softness is not None:
        parts.append(str(softness.default if tried.final is None else softness.chosen))
    else:
        parts.append(repr(fit.run.objective))
    return "; ".join(parts or [tried.name])


def front_chart(fit: "Fit") -> "altair.LayerChart | altair.FacetChart":
    """Accuracy over latency, the front as a line and the budget as a rule."""
    import altair as alt

    rows = rows_of(fit)
    title = f"Latency p{fit.budget.percentile}, in ms"
    x = alt.X("ms:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=12))
    y = alt.Y("accuracy:Q", title="Right, in %", scale=alt.Scale(zero=False, padding=12))
    places = [FRONT, FINALIST, STOPPED]
    base = alt.Chart(figures.data(rows))
    line = (
        base.transform_filter("datum.leads")  # others of the front are only smaller
        .mark_line(interpolate="step-after", color="var(--distilled)", strokeWidth=1.5)
        .encode(x=x, y=y)
    )
    colours = ["var(--distilled)", "var(--ink)", "var(--quiet)"]
    marks = base.mark_point(filled=True, size=110, opacity=0.9).encode(
        x=x,
        y=y,
        color=alt.Color("place:N", scale=alt.Scale(domain=places, range=colours), legend=None),
        shape=alt.Shape(
            "place:N",
            scale=alt.Scale(domain=places, range=["circle", "square", "triangle-up"]),
            legend=None,
        ),
        tooltip=[
            "candidate:N",
            "recipe:N",
            "training:N",
            alt.Tooltip("accuracy:Q", format=".2f", title="validation, %"),
            alt.Tooltip("ms:Q", format=".3g"),
            alt.Tooltip("bytes:N", title="size"),
            "precision:N",
            "place:N",
        ],
    )
    limit = alt.Chart(figures.data([{"ms": fit.budget.milliseconds}]))
    rule = limit.mark_rule(color="var(--bad)", strokeDash=[4, 3]).encode(x=x)
    return alt.layer(rule, line, marks)


def table(fit: "Fit") -> Table:
    """Every candidate, those over the budget too."""
    heads = (f"p{fit.budget.percentile}", "Size", "Validation", "Test", "Against current")
    rows = [Row(tried.name, standing(tried, fit), cells(tried, fit)) for tried in fit.candidates]
    note = "The first is the student that is deployed now; the others might take its place."
    return Table(note, heads, tuple(rows))


def standing(tried: "Tried", fit: "Fit") -> str:
    """How far a candidate came, in a few words."""
    if tried.file is None:
        return "over the budget, not trained"
    if tried.final is None:
        return f"stopped after {tried.accuracies[-1][0]} epochs"
    return "winner" if tried.name == fit.winner else FRONT if tried.name in fit.front else FINALIST


def cells(tried: "Tried", fit: "Fit") -> tuple[Cell, ...]:
    """A candidate's figures; the fastest file where none keeps to the budget."""
    shown = tried.file or min(tried.measured, key=lambda file: file.milliseconds(fit.budget))
    cost = (
        Cell(milliseconds(shown.milliseconds(fit.budget)), shown.precision),
        Cell(size(shown.bytes)),
    )
    if tried.final is not None:
        difference = tried.final.difference_points
        ends = interval(points(difference.low), points(difference.high))
        return (
            *cost,
            Cell(percent(tried.final.accuracy)),
            Cell(percent(tried.final.test_accuracy.estimate)),
            Cell(points(difference.estimate), ends),
        )
    reached = percent(tried.accuracies[-1][1]) if tried.accuracies else NONE
    return (*cost, Cell(reached), Cell(NONE), Cell(NONE))
