"""README.md of a student, YAML first, as the hub reads it: what it is, and what was measured.

The text is rendered from what the run itself says; absolute paths of the machine are cut to their
last part.
"""

from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import yaml

from limbeck.hub.card_parts import Origins, named, plain, rendered, shared, task_of, told
from limbeck.reporting.contents import recipe_text, table
from limbeck.reporting.wording import count, percent
from limbeck.store.format import Manifest
from limbeck.students.user_function import is_reference
from limbeck.types import UNLABELLED

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.exporting import Export
    from limbeck.reporting.page import Table
    from limbeck.training import Run

__all__ = ["model_card"]


def model_card(
    run: "Run",
    origins: Origins,
    comparison: "Comparison | None",
    export: "Export | None",
    teachers: Manifest | None,
) -> str:
    """README.md of a student.

    Args:
        run: The trained student.
        origins: Where it comes from.
        comparison: The verdict; None leaves out what was measured.
        export: The ONNX file beside the card, if there is one.
        teachers: What the knowledge store says of its teachers, if there is one.
    """
    student, labels = run.student, run.transfer_set.labels
    measured = {} if comparison is None else verdict(comparison)
    predict = 'limbeck predict student.onnx --text "..."'
    return rendered(
        "model_card.md.jinja",
        **shared(origins, model_metadata(run, origins, comparison, export)),
        parameters=count(student.parameters_count()),
        classes_count=len(student.classes),
        classes=named(student.classes),
        teachers=told(origins.teachers, teachers),
        combined=combined(teachers),
        transfer_set=plain(run.transfer_set.name),
        examples=count(len(run.transfer_set)),
        labelled=count(int((labels != UNLABELLED).sum())),
        comparison=comparison,
        seed=run.seed,
        module="" if rebuildable(student.architecture) else ", module=your_model",
        onnx="" if export is None else parity(export),
        predict="limbeck predict student.onnx rows.npz"
        if student.tokenization is None
        else predict,
        objective=plain(repr(run.objective)),
        updates=count(run.job.updates),
        versions=() if comparison is None else tuple(comparison.versions.items()),
        recipe="" if comparison is None else shareable(recipe_text(comparison.recipe)),
        **measured,
    )


def rebuildable(architecture: Mapping[str, Any]) -> bool:
    """Whether limbeck can build the student without a model or a file of the user's."""
    return bool(architecture) and not is_reference(next(iter(architecture)))


def model_metadata(
    run: "Run", origins: Origins, comparison: "Comparison | None", export: "Export | None"
) -> dict[str, Any]:
    """The YAML of a model card."""
    task = task_of(run.student.tokenization is not None, run.student.input_shape)
    return {
        "license": origins.licence,
        "library_name": "limbeck",
        "pipeline_tag": task,
        "datasets": [origins.data.hub_id] if origins.data.hub_id else [],
        "base_model": [teacher.hub_id for teacher in origins.teachers if teacher.hub_id],
        "tags": ["limbeck", "knowledge-distillation", *(["onnx"] if export is not None else [])],
        "metrics": [] if comparison is None else ["accuracy", "f1"],
        "model-index": [] if comparison is None else results(comparison, origins, task),
    }


def results(comparison: "Comparison", origins: Origins, task: str) -> list[dict[str, Any]]:
    """What this very student reached, in the hub's form."""
    own = comparison.distilled[0]
    metrics = [
        {"type": "accuracy", "name": "Accuracy", "value": round(own.accuracy.estimate, 6)},
        {"type": "f1", "name": "Macro F1", "value": round(own.macro_f1, 6)},
    ]
    dataset = {"name": comparison.data, "type": origins.data.hub_id or comparison.data}
    result = {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
    return [{"name": origins.name, "results": [result]}]


def verdict(comparison: "Comparison") -> dict[str, Any]:
    """The table of the report, in Markdown."""
    found = table(comparison)
    return {
        "table": markdown(found),
        "table_note": found.note,
        "own_accuracy": percent(comparison.distilled[0].accuracy.estimate),
        "test_examples": count(comparison.examples),
    }


def markdown(found: "Table") -> str:
    lines = ["| | " + " | ".join(found.heads) + " |", "|---" + "|--:" * len(found.heads) + "|"]
    for row in found.rows:
        cells = [f"{c.value} ({c.note})" if c.note else c.value for c in row.cells]
        name = f"{row.name}, {row.note}" if row.note else row.name
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def combined(manifest: Manifest | None) -> str:
    if manifest is None or len(manifest.subject.teachers) < 2:
        return ""
    weights = ", ".join(f"{w:g}" for w in manifest.subject.weights) or "equal"
    return f"Combined by their {manifest.subject.combine} mean, weights {weights}."


def parity(export: "Export") -> str:
    return (
        f"on {count(export.examples)} real rows its logits differ from torch's by at most "
        f"{export.largest_difference:.1e}"
    )


def shareable(recipe: str) -> str:
    """A recipe with the machine's absolute paths cut to their last part."""
    if not recipe:
        return ""
    settings = without_folders(yaml.safe_load(recipe))
    dumped: str = yaml.safe_dump(settings, sort_keys=False, default_flow_style=None, width=90)
    return dumped


def without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_folders(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_folders(part) for part in value]
    if isinstance(value, str) and (value.startswith("~") or PurePath(value).is_absolute()):
        return PurePath(value).name
    return value
