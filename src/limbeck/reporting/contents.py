"""From a comparison to the page: the numbers, in which words, and where."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import limbeck
from limbeck.reporting.page import Cell, Page, Row, Table, Tile
from limbeck.reporting.sections import sections
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
    from limbeck.comparison import Comparison
    from limbeck.evaluation import Evaluation, Interval
    from limbeck.exporting import Export

    Model = tuple[str, Sequence[Evaluation], Interval]

__all__ = ["exported", "page_of", "recipe_text", "table_of"]

SIGNS = {"BEATS": "▲", "TIES": "=", "LOSES": "▼"}
MOST_NAMES = 20


def page_of(comparison: "Comparison", export: "Export | None") -> Page:
    """All that the report says about a comparison."""
    seeds, examples = len(comparison.seeds), count(comparison.examples)
    return Page(
        title=f"{comparison.verdict}: {comparison.data}",
        kicker=f"{comparison.data} · {examples} test examples · {seeds} seeds",
        verdict=comparison.verdict,
        sign=SIGNS[comparison.verdict],
        sentence=comparison.sentence,
        tiles=tiles(comparison),
        table=table(comparison),
        sections=sections(comparison),
        advice=comparison.advice,
        export=exported(export),
        recipe=recipe_text(comparison.recipe),
        facts=facts(comparison),
        version=limbeck.__version__,
    )


def tiles(comparison: "Comparison") -> tuple[Tile, ...]:
    """The four numbers under the verdict: gain, gap, size, speed."""
    difference, gap = comparison.difference_points, comparison.gap_recovered
    level = f"{number(100 * difference.confidence, 0)}% interval"
    student, teacher = comparison.distilled[0], comparison.teacher
    ends = interval(points(difference.low), points(difference.high))
    found = [Tile("Difference", f"{points(difference.estimate)} points", f"{level} {ends}")]
    if gap is None:
        found.append(Tile("Gap recovered", NONE, comparison.gap_note))
    else:
        ends = interval(percent(gap.low, 0), percent(gap.high, 0))
        note = f"of the way to the teacher; {level} {ends}"
        found.append(Tile("Gap recovered", percent(gap.estimate, 0), note))
    if student.bytes is not None:
        note = f"{count(student.parameters or 0)} parameters"
        if teacher is not None and teacher.bytes is not None:
            note += f"; teacher {size(teacher.bytes)}"
        found.append(Tile("Student", size(student.bytes), note))
    median = mean_of(comparison.distilled, at_batch(1, "p50_ms"))
    if median is not None:
        slower = None if teacher is None else at_batch(1, "p50_ms")(teacher)
        note = "one example, median" + (f"; teacher {milliseconds(slower)}" if slower else "")
        found.append(Tile("Latency", milliseconds(median), note))
    return tuple(found)


def table(comparison: "Comparison") -> Table:
    """A row per measure that any model has; a column per model."""
    models: list[Model] = [
        ("From scratch", comparison.scratch, comparison.scratch_accuracy),
        ("Distilled", comparison.distilled, comparison.distilled_accuracy),
    ]
    if comparison.teacher is not None:
        models.insert(0, ("Teacher", (comparison.teacher,), comparison.teacher.accuracy))
    level = number(100 * comparison.difference_points.confidence, 0)
    note = (
        f"Means over {len(comparison.seeds)} seeds, with {level}% intervals over seeds and test "
        "examples."
    )
    if comparison.teacher is not None:
        note += " The teacher's interval is over test examples."
    if comparison.unlabelled:
        note += f" {count(comparison.unlabelled)} test examples without a label are left out."
    return table_of(models, note)


def table_of(models: "Sequence[Model]", note: str) -> Table:
    """The table of any models, each with its evaluations and its accuracy."""
    first = Row("Accuracy", "", tuple(accuracy_cell(accuracy) for _, _, accuracy in models))
    groups = [evaluations for _, evaluations, _ in models]
    rows = [row(name, note, worded, of, groups) for name, note, worded, of in MEASURES]
    rows += latency_rows(groups)
    kept = [each for each in rows if any(cell.value != NONE for cell in each.cells)]
    return Table(note, tuple(name for name, _, _ in models), (first, *kept))


def accuracy_cell(accuracy: "Interval") -> Cell:
    ends = interval(percent(accuracy.low, 1), percent(accuracy.high, 1))
    return Cell(percent(accuracy.estimate), ends)


def row(
    name: str,
    note: str,
    worded: Callable[[float], str],
    of: Callable[["Evaluation"], float | None],
    models: Sequence[Sequence["Evaluation"]],
) -> Row:
    values = [mean_of(evaluations, of) for evaluations in models]
    return Row(name, note, tuple(Cell(NONE if v is None else worded(v)) for v in values))


def mean_of(
    evaluations: Sequence["Evaluation"], of: Callable[["Evaluation"], float | None]
) -> float | None:
    """The mean over the seeds of what is known."""
    values = [value for value in map(of, evaluations) if value is not None]
    return sum(values) / len(values) if values else None


def at_batch(batch: int, name: str) -> Callable[["Evaluation"], float | None]:
    """Reads a latency off an evaluation."""

    def read(evaluation: "Evaluation") -> float | None:
        timing = evaluation.latency_at(batch)
        value: float | None = getattr(timing, name, None)
        return value

    return read


def latency_rows(models: Sequence[Sequence["Evaluation"]]) -> list[Row]:
    """A row per batch size that was timed: the median, the 95th percentile in small print."""
    timed = {t.batch for evaluations in models for e in evaluations for t in e.latency}
    rows = []
    for batch in sorted(timed):
        cells = []
        for evaluations in models:
            median = mean_of(evaluations, at_batch(batch, "p50_ms"))
            slow = mean_of(evaluations, at_batch(batch, "p95_ms"))
            if median is None or slow is None:
                cells.append(Cell(NONE))
            else:
                cells.append(Cell(milliseconds(median), milliseconds(slow)))
        name = f"Latency, {count(batch)} example{'s' * (batch != 1)}"
        rows.append(Row(name, "median, 95th percentile", tuple(cells)))
    return rows


def whole(value: float) -> str:
    return count(round(value))


Measure = tuple[str, str, Callable[[float], str], Callable[["Evaluation"], float | None]]
MEASURES: tuple[Measure, ...] = (
    ("Agreement with the teacher", "", percent, lambda e: e.teacher_agreement),
    ("Macro precision", "", percent, lambda e: e.macro_precision),
    ("Macro recall", "", percent, lambda e: e.macro_recall),
    ("Macro F1", "", percent, lambda e: e.macro_f1),
    ("NLL", "in nats, lower is better", lambda v: number(v, 4), lambda e: e.nll_nats),
    ("Calibration error", "ECE, lower is better", percent, lambda e: e.ece),
    ("Brier score", "0 to 2, lower is better", lambda v: number(v, 4), lambda e: e.brier),
    ("Parameters", "", whole, lambda e: e.parameters),
    ("Size", "weights as saved", lambda v: size(round(v)), lambda e: e.bytes),
)


def exported(export: "Export | None") -> tuple[tuple[str, str], ...]:
    """The parity of the exported file, as name and value."""
    if export is None:
        return ()
    names = ", ".join(export.classes[:MOST_NAMES])
    more = len(export.classes) - MOST_NAMES
    return (
        ("File", f"{export.path.name}, {size(export.bytes)}"),
        ("Input", input_of(export)),
        ("Compared on", f"{count(export.examples)} real rows"),
        ("Largest difference of a logit", f"{export.largest_difference:.1e}"),
        ("Same top class", percent(export.agreement)),
        ("Classes", names + (f" and {count(more)} more" if more > 0 else "")),
    )


def input_of(export: "Export") -> str:
    """What the exported file is given."""
    axes = ", ".join(str(axis) for axis in export.input_shape)
    if export.tokenizer is None:
        return f"float32 (batch, {axes})"
    return f"int64 (batch, tokens), up to {axes} tokens from {export.tokenizer.name}"


def recipe_text(recipe: str | Mapping[str, Any] | None) -> str:
    """The recipe as YAML; empty if the comparison was not made from one."""
    if recipe is None or isinstance(recipe, str):
        return recipe or ""
    import yaml

    return str(yaml.safe_dump(plain(recipe), sort_keys=False, allow_unicode=True))


def plain(value: Any) -> Any:
    """Mappings, sequences and the rest as YAML knows them."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def facts(comparison: "Comparison") -> tuple[tuple[str, str], ...]:
    """What else is needed to get the same numbers again."""
    found = [
        ("Test data", f"{comparison.data}, {count(comparison.examples)} labelled examples"),
        ("Seeds", ", ".join(str(seed) for seed in comparison.seeds)),
    ]
    timing = next(iter(comparison.distilled[0].latency), None)
    if timing is not None:
        machine = f"{timing.processor}, {timing.threads} thread{'s' * (timing.threads != 1)}"
        found.append(("Latency measured on", machine))
    return (*found, *comparison.versions.items())
