"""The page about a student that learned from labels alone: its numbers, and no verdict."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import limbeck
from limbeck.reporting import figures
from limbeck.reporting.contents import exported, recipe_text, table_of
from limbeck.reporting.groups import groups_of
from limbeck.reporting.page import Figure, Page, Section, Tile
from limbeck.reporting.sections import calibration
from limbeck.reporting.wording import count, interval, milliseconds, number, percent, size

if TYPE_CHECKING:
    from limbeck.evaluation import Evaluation
    from limbeck.exporting import Export
    from limbeck.training import Run

__all__ = ["page_of_trained"]

NAME = "Student"


def page_of_trained(
    run: "Run",
    evaluation: "Evaluation",
    export: "Export | None",
    recipe: str | Mapping[str, Any] | None,
) -> Page:
    """All that the report says of a student without a teacher and without a twin."""
    measured = {NAME: (evaluation,)}
    examples = f"{count(evaluation.examples)} test examples"
    sections = (
        training(run),
        calibration(measured),
        groups_of(measured, "Accuracy within each group of test examples"),
    )
    return Page(
        title=f"TRAINED: {evaluation.data}",
        kicker=f"{evaluation.data} · {examples} · seed {run.seed}",
        verdict="TRAINED",
        sign="●",
        sentence=f"Trained on labels alone, the student is right on "
        f"{percent(evaluation.accuracy.estimate)} of {examples}. There was no teacher and nothing "
        "to compare it with, so this is no verdict.",
        tiles=tiles(evaluation),
        table=table_of([(NAME, (evaluation,), evaluation.accuracy)], note(evaluation)),
        sections=tuple(section for section in sections if section is not None),
        advice=(),
        export=exported(export),
        recipe=recipe_text(recipe),
        facts=facts(run, evaluation),
        version=limbeck.__version__,
    )


def tiles(evaluation: "Evaluation") -> tuple[Tile, ...]:
    """The numbers under the sentence: accuracy, errors, size, speed."""
    accuracy = evaluation.accuracy
    level = f"{number(100 * accuracy.confidence, 0)}% interval"
    ends = interval(percent(accuracy.low, 1), percent(accuracy.high, 1))
    found = [
        Tile("Accuracy", percent(accuracy.estimate), f"{level} {ends}"),
        Tile("Errors", count(evaluation.errors()), f"of {count(evaluation.examples)}"),
    ]
    if evaluation.bytes is not None:
        parameters = f"{count(evaluation.parameters or 0)} parameters"
        found.append(Tile(NAME, size(evaluation.bytes), parameters))
    if (timing := evaluation.latency_at(1)) is not None:
        found.append(Tile("Latency", milliseconds(timing.p50_ms), "one example, median"))
    return tuple(found)


def note(evaluation: "Evaluation") -> str:
    """What the numbers of the table are."""
    level = number(100 * evaluation.accuracy.confidence, 0)
    text = f"One training, with a {level}% interval over test examples."
    if evaluation.unlabelled:
        text += f" {count(evaluation.unlabelled)} test examples without a label are left out."
    return text


def training(run: "Run") -> Section:
    """Loss and validation accuracy by epoch."""
    history = run.history
    loss = figures.curves({NAME: [history.loss]}, title="Training loss")
    charts = [Figure("chart-loss", loss, "Loss")]
    if history.validation_accuracy:
        accuracy = figures.curves(
            {NAME: [history.validation_accuracy]}, title="Accuracy, in %", percent=True
        )
        charts.append(Figure("chart-validation", accuracy, "Accuracy on the validation part"))
    return Section(
        id="training",
        title="Training",
        note=f"{count(history.steps[-1])} updates; the weights are those of epoch "
        f"{history.best_epoch}.",
        layout="grid",
        charts=tuple(charts),
    )


def facts(run: "Run", evaluation: "Evaluation") -> tuple[tuple[str, str], ...]:
    """What else is needed to get the same numbers again."""
    from limbeck.comparison import versions

    found = [
        ("Test data", f"{evaluation.data}, {count(evaluation.examples)} labelled examples"),
        ("Seed", str(run.seed)),
    ]
    if evaluation.latency:
        timing = evaluation.latency[0]
        machine = f"{timing.processor}, {timing.threads} thread{'s' * (timing.threads != 1)}"
        found.append(("Latency measured on", machine))
    return (*found, *versions().items())
