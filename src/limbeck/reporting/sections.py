"""The report's sections, with their charts and tables, drawn from a comparison."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from limbeck.reporting import accuracies, figures
from limbeck.reporting.bias import bias
from limbeck.reporting.groups import groups
from limbeck.reporting.page import Figure, Section
from limbeck.reporting.wording import count, number, percent, points

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.evaluation import Evaluation

__all__ = ["calibration", "sections"]

MOST_CLASSES = 24
STUDENTS = ("Distilled", "From scratch")


def sections(comparison: "Comparison") -> tuple[Section, ...]:
    """All sections that the comparison has numbers for, in reading order."""
    found = (
        seeds(comparison),
        training(comparison),
        calibration(drawn(comparison), models(comparison)),
        classes(comparison),
        bias(comparison),
        groups(comparison),
        teachers(comparison),
    )
    return tuple(section for section in found if section is not None)


def models(comparison: "Comparison") -> tuple[str, ...]:
    return STUDENTS if comparison.teacher is None else (*STUDENTS, "Teacher")


def seeds(comparison: "Comparison") -> Section:
    """Both students of every seed, and their difference."""
    scratch = [100 * e.accuracy.estimate for e in comparison.scratch]
    distilled = [100 * e.accuracy.estimate for e in comparison.distilled]
    teacher = None if comparison.teacher is None else 100 * comparison.teacher.accuracy.estimate
    mean = comparison.difference_points
    each = [d - s for d, s in zip(distilled, scratch, strict=True)]
    level = number(100 * mean.confidence, 0)
    return Section(
        id="seeds",
        title="Accuracy, seed by seed",
        note="Both students of a seed start from the same weights and see the data in the same "
        "order, so each pair differs in what it was taught.",
        legend=models(comparison),
        layout="grid",
        charts=(
            Figure(
                "chart-seeds",
                accuracies.seeds(comparison.seeds, scratch, distilled, teacher),
                "Pairs",
            ),
            Figure(
                "chart-difference",
                figures.difference(each, mean.estimate, mean.low, mean.high),
                "Differences",
                f"A tick for each seed; below, the mean and its {level}% interval. Left of zero, "
                "distilling costs accuracy.",
            ),
        ),
    )


def training(comparison: "Comparison") -> Section | None:
    """Loss by epoch, each student's own, and the validation accuracy of both."""
    histories = {
        "Distilled": comparison.distilled_histories,
        "From scratch": comparison.scratch_histories,
    }
    charts = []
    for model, id in zip(STUDENTS, ("chart-loss-distilled", "chart-loss-scratch"), strict=True):
        curves = by_epoch(histories[model], "loss")
        if curves:
            drawn = figures.curves({model: curves}, title="Training loss")
            charts.append(Figure(id, drawn, f"Loss, {model.lower()}"))
    accuracy = {m: c for m in STUDENTS if (c := by_epoch(histories[m], "validation_accuracy"))}
    if accuracy:
        drawn = figures.curves(accuracy, title="Accuracy, in %", percent=True)
        charts.append(Figure("chart-validation", drawn, "Accuracy on the validation part"))
    if not charts:
        return None
    return Section(
        id="training",
        title="Training",
        note="Means over the seeds, in a band from the lowest to the highest. The two losses are "
        "of different objectives: compare their shapes, not their heights.",
        legend=STUDENTS,
        layout="grid",
        charts=tuple(charts),
    )


def by_epoch(histories: Sequence[Mapping[str, Any]], name: str) -> list[list[float]]:
    """The seeds' curves of a quantity, without the empty ones."""
    return [list(history[name]) for history in histories if history.get(name)]


def drawn(comparison: "Comparison") -> dict[str, Sequence["Evaluation"]]:
    """Every model's evaluations, the distilled student last, on top of the others."""
    teacher = {} if comparison.teacher is None else {"Teacher": (comparison.teacher,)}
    return {**teacher, "From scratch": comparison.scratch, "Distilled": comparison.distilled}


def calibration(
    models: Mapping[str, Sequence["Evaluation"]], legend: tuple[str, ...] = ()
) -> Section:
    """The reliability diagram, the seeds' examples taken together."""
    bins = {model: pooled(evaluations) for model, evaluations in models.items()}
    return Section(
        id="calibration",
        title="Does it know how sure it is?",
        note="On the diagonal a model is right as often as it says. Below, it is too sure of "
        "itself; above, not sure enough. Larger points stand for more examples.",
        legend=legend,
        layout="narrow",
        charts=(Figure("chart-reliability", figures.reliability(bins)),),
    )


def pooled(evaluations: Sequence["Evaluation"]) -> list[tuple[float, float, float]]:
    """Confidence, accuracy and share of examples of each bin that is not empty, over all seeds."""
    total = sum(e.examples for e in evaluations)
    found = []
    for same in zip(*(e.reliability for e in evaluations), strict=True):
        examples = sum(bin.examples for bin in same)
        if examples:
            confidence = sum(bin.examples * bin.confidence for bin in same) / examples
            accuracy = sum(bin.examples * bin.accuracy for bin in same) / examples
            found.append((confidence, accuracy, examples / total))
    return found


def classes(comparison: "Comparison") -> Section | None:
    """The change of every class; of many classes those that changed most."""
    rows = [row for row in comparison.per_class if row.examples]
    if not rows:
        return None
    level = number(100 * comparison.difference_points.confidence, 0)
    note = "Distilled minus from scratch, in points: the share of a class's examples that are "
    note += f"recognised. The lines are {level}% intervals."
    if len(rows) > MOST_CLASSES:
        ordered = sorted(rows, key=lambda row: -row.change_points.estimate)
        half = MOST_CLASSES // 2
        note += f" Shown are the {half} best and the {half} worst of {count(len(rows))} classes."
        rows = [*ordered[:half], *ordered[-half:]]
    changes = [row.change_points for row in rows]
    drawn = figures.changes(
        [row.name for row in rows],
        [change.estimate for change in changes],
        title="Change, in points",
        texts=[points(change.estimate, 1) for change in changes],
        ends=[(change.low, change.high) for change in changes],
    )
    return Section("classes", "Which classes gained", note, (Figure("chart-classes", drawn),))


def teachers(comparison: "Comparison") -> Section | None:
    """The ensemble without each of its members."""
    rows = comparison.left_out
    if not rows:
        return None
    names = [row.name for row in rows]
    note = (
        f"The ensemble without one of its teachers, on {count(rows[0].examples)} examples of the "
        "transfer set, which the teachers may have been trained on."
    )
    lost = figures.changes(
        names,
        [100 * (1 - row.agreement) for row in rows],
        title="In % of the examples",
        texts=[percent(1 - row.agreement, 1) for row in rows],
        colour="var(--teacher)",
    )
    charts = [Figure("chart-answers", lost, "Answers that change without it")]
    changes = [row.accuracy_points for row in rows if row.accuracy_points is not None]
    labelled = f"{count(rows[0].labelled)} labelled ones"
    if any(changes) and len(changes) == len(rows):
        accuracy = figures.changes(
            names,
            changes,
            title="Change, in points",
            texts=[points(change) for change in changes],
            colour="var(--teacher)",
        )
        charts.append(
            Figure("chart-without", accuracy, "Accuracy without it", f"On the {labelled}.")
        )
    elif changes:
        note += f" On the {labelled}, accuracy is the same without any of them."
    return Section(
        id="teachers",
        title="What each teacher adds",
        note=note,
        layout="grid",
        charts=tuple(charts),
    )
