"""The two cards: README.md of a student and of a knowledge store, YAML first, as the hub reads it.

The text is rendered from what the run itself says. Names from the user's data stand in code spans,
so that no name becomes markup; absolute paths of the machine are cut to their last part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import yaml

import limbeck
from limbeck.hub.sources import Source
from limbeck.reporting.contents import recipe_text, table
from limbeck.reporting.wording import count, percent
from limbeck.store.format import Field, Manifest
from limbeck.students.user_function import is_reference
from limbeck.types import UNLABELLED

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.exporting import Export
    from limbeck.reporting.page import Table
    from limbeck.training import Run

__all__ = ["Origins", "data_card", "model_card"]

MOST_CLASSES = 50
NOT_STATED = "not stated"
WHAT = {
    "check": "16 bits of a hash of the example's id and input",
    "indices": "the classes kept, the most probable first",
    "logits": "logits of every class",
    "values": "logits of the classes kept",
    "rest": "for each temperature T, logsumexp(logits / T) of the classes dropped",
    "hidden": "a hidden feature",
}


@dataclass(frozen=True)
class Origins:
    """What a student, or a store, comes from.

    Attributes:
        name: Of the folder on the hub.
        teachers: In the order of the ensemble.
        data: Where the examples are from.
        licence: Of what is published, as the hub writes it; "unknown" if nobody said.
    """

    name: str
    teachers: Sequence[Source]
    data: Source
    licence: str

    @property
    def sentence(self) -> str:
        """The licence in words."""
        others = [*self.teachers, self.data]
        stated = "; ".join(f"{code(s.name)}: {s.licence or NOT_STATED}" for s in others)
        if self.licence == "unknown":
            return f"Not chosen yet. What this comes from has its own licences: {stated}."
        return f"{self.licence}. What this comes from has its own licences: {stated}."


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


def data_card(manifest: Manifest, origins: Origins, task: str) -> str:
    """README.md of a knowledge store as a data set."""
    subject, lost = manifest.subject, manifest.fidelity
    metadata = {
        "license": origins.licence,
        "task_categories": [task],
        "source_datasets": [origins.data.hub_id] if origins.data.hub_id else [],
        "tags": ["limbeck", "knowledge-distillation", "soft-targets"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "shard-*.arrow"}],
            }
        ],
    }
    return rendered(
        "data_card.md.jinja",
        **shared(origins, metadata),
        teachers=told(origins.teachers, manifest),
        transfer_set=plain(subject.transfer_set.name),
        examples=count(subject.transfer_set.examples),
        views=subject.views.count,
        columns=[column(field) for field in manifest.fields],
        classes=named(subject.classes),
        summary=(
            ("KL(teacher, stored), median", f"{lost.kl_p50:.1e} nats"),
            ("KL(teacher, stored), 99th percentile", f"{lost.kl_p99:.1e} nats"),
            ("rows whose first class is the teacher's", percent(lost.argmax_agreement)),
            *(
                (f"probability of the classes kept at T = {T:g}", percent(mass))
                for T, mass in zip(subject.temperatures, lost.mass_kept, strict=False)
            ),
        ),
    )


def rebuildable(architecture: Mapping[str, Any]) -> bool:
    """Whether limbeck can build the student without a model or a file of the user's."""
    return bool(architecture) and not is_reference(next(iter(architecture)))


def shared(origins: Origins, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What both cards say."""
    kept = {name: value for name, value in metadata.items() if value not in ([], None)}
    return {
        "metadata": yaml.safe_dump(kept, sort_keys=False, allow_unicode=True),
        "name": origins.name,
        "data": linked(origins.data, "datasets/"),
        "licence_sentence": origins.sentence,
        "version": limbeck.__version__,
    }


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


def task_of(texts: bool, input_shape: Sequence[int]) -> str:
    """What the hub calls the task of a classifier of such inputs."""
    if texts:
        return "text-classification"
    return "image-classification" if len(input_shape) == 3 else "tabular-classification"


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


def told(sources: Sequence[Source], manifest: Manifest | None) -> list[dict[str, str]]:
    """The teachers: where they are from, or at least what the store calls them."""
    records = () if manifest is None else manifest.subject.teachers
    if len(sources) != len(records):
        if sources:
            return [linked(source) for source in sources]
        sources = [Source(record.name) for record in records]
    pairs = zip(sources, records, strict=True)
    return [{**linked(s), "fingerprint": record.fingerprint[:12]} for s, record in pairs]


def linked(source: Source, kind: str = "") -> dict[str, str]:
    name = code(source.name)
    link = f"[{name}](https://huggingface.co/{kind}{source.hub_id})" if source.hub_id else name
    licence = source.licence or NOT_STATED
    return {"name": source.name, "linked": link, "licence": licence, "fingerprint": ""}


def combined(manifest: Manifest | None) -> str:
    if manifest is None or len(manifest.subject.teachers) < 2:
        return ""
    weights = ", ".join(f"{w:g}" for w in manifest.subject.weights) or "equal"
    return f"Combined by their {manifest.subject.combine} mean, weights {weights}."


def column(field: Field) -> dict[str, str]:
    owner, _, rest = field.name.partition(".")
    what = WHAT.get(rest.partition(".")[0] or owner, "")
    sizes = ["tokens" if size < 0 else str(size) for size in field.shape]
    kind = f"{field.dtype} ({', '.join(sizes)})" if sizes else field.dtype
    if "tokens" in sizes:
        what += ", one item per " + ("token" if sizes.count("tokens") == 1 else "pair of tokens")
    return {"name": plain(field.name), "kind": kind, "what": what}


def parity(export: "Export") -> str:
    return (
        f"on {count(export.examples)} real rows its logits differ from torch's by at most "
        f"{export.largest_difference:.1e}"
    )


def named(classes: Sequence[str]) -> str:
    more = len(classes) - MOST_CLASSES
    listed = ", ".join(code(name) for name in classes[:MOST_CLASSES])
    return listed + (f" and {count(more)} more" if more > 0 else "")


def plain(text: str) -> str:
    """A name as it can stand in a code span, in a table too."""
    return " ".join(str(text).split()).replace("`", "'").replace("|", "\\|")


def code(text: str) -> str:
    return f"`{plain(text)}`"


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


def rendered(template: str, **values: Any) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("limbeck.hub", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
