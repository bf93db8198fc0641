"""One model measured on one labelled test set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError, nearest
from limbeck.evaluation.accuracy import (
    ClassScores,
    GroupScores,
    correct,
    macro,
    per_class,
    per_group,
    worst_groups,
)
from limbeck.evaluation.calibration import (
    Bin,
    brier,
    expected_calibration_error,
    nll_nats,
    reliability,
)
from limbeck.evaluation.fidelity import agreement
from limbeck.evaluation.latency import LATENCY_BATCH, Latency
from limbeck.evaluation.latency import latency as time_passes
from limbeck.evaluation.scoring import Progress, labelled_rows, score
from limbeck.evaluation.significance import Interval, wilson
from limbeck.evaluation.size import parameters_and_bytes
from limbeck.students import Student
from limbeck.teachers import Teacher
from limbeck.transfer_sets import TransferSet

__all__ = ["Evaluation", "evaluate", "groups_of", "measured", "measures"]


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth on a test set.

    Attributes:
        model: "student", or the teacher's name.
        data: The test set's name.
        examples: How many labelled examples it was measured on.
        unlabelled: How many more had no label and were left out.
        accuracy: Share of right answers, in [0, 1], with Wilson's interval.
        macro_precision: Unweighted mean over the classes, in [0, 1].
        macro_recall: Likewise.
        macro_f1: Likewise.
        nll_nats: Mean negative log-probability of the label, in nats.
        ece: Expected calibration error, in [0, 1].
        brier: Sum over the classes of squared errors of the probabilities, in [0, 2].
        teacher_agreement: Share of the examples on which the teacher puts the same class first;
            None without a teacher.
        per_class: A row for each class.
        groups: A row for each value of each group column.
        reliability: Confidence and accuracy by bin of confidence.
        parameters: How many trainable numbers the model has; None if not known.
        bytes: Of its weights as saved; None if not known.
        latency: At batch 1 and at a larger batch; empty if not timed.
    """

    model: str
    data: str
    examples: int
    unlabelled: int
    accuracy: Interval
    macro_precision: float
    macro_recall: float
    macro_f1: float
    nll_nats: float
    ece: float
    brier: float
    teacher_agreement: float | None
    per_class: tuple[ClassScores, ...]
    groups: tuple[GroupScores, ...]
    reliability: tuple[Bin, ...]
    parameters: int | None = None
    bytes: int | None = None
    latency: tuple[Latency, ...] = ()

    def errors(self, of: str = "") -> int:
        """How many labelled examples it gets wrong; with a class, how many of that class.

        Raises:
            LimbeckError: if there is no such class; the nearest is named.
        """
        by_class = {row.name: row.errors for row in self.per_class}
        if not of:
            return sum(by_class.values())
        if of not in by_class:
            known = nearest(of, list(by_class), what="classes")
            raise LimbeckError(f"{self.data} has no class '{of}'. {known}")
        return by_class[of]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Evaluation":
        """What `as_dict` gave, also after a way through JSON.

        Raises:
            LimbeckError: if something is missing or unknown.
        """
        kinds = {
            "per_class": ClassScores,
            "groups": GroupScores,
            "reliability": Bin,
            "latency": Latency,
        }
        try:
            rows = {name: tuple(kind(**row) for row in facts[name]) for name, kind in kinds.items()}
            return cls(**{**facts, **rows, "accuracy": Interval(**facts["accuracy"])})
        except (KeyError, TypeError) as error:
            raise LimbeckError(
                f"this is no evaluation that limbeck wrote ({error}). Evaluate again."
            ) from error

    def latency_at(self, batch: int) -> Latency | None:
        """The timing at this batch size, if there is one."""
        return next((timing for timing in self.latency if timing.batch == batch), None)

    def __str__(self) -> str:
        rows = [("accuracy", percent_interval(self.accuracy))]
        rows += [
            (name.replace("_", " "), f"{value:.4f}")
            for name, value in (
                ("macro_precision", self.macro_precision),
                ("macro_recall", self.macro_recall),
                ("macro_F1", self.macro_f1),
                ("NLL (nats)", self.nll_nats),
                ("ECE", self.ece),
                ("Brier (sum over classes)", self.brier),
            )
        ]
        if self.teacher_agreement is not None:
            rows.append(("agreement with the teacher", f"{100 * self.teacher_agreement:.2f}%"))
        rows += [
            (f"worst {group.column}", f"{100 * group.accuracy:.2f}% ({group.value})")
            for group in worst_groups([self.groups])
        ]
        if self.parameters is not None:
            rows.append(("parameters", f"{self.parameters:,}"))
        if self.bytes is not None:
            rows.append(("bytes", f"{self.bytes:,}"))
        rows += [
            (
                f"latency at batch {timing.batch}",
                f"p50 {timing.p50_ms:.3f} ms, p95 {timing.p95_ms:.3f} ms "
                f"({timing.runs} runs, {timing.threads} threads)",
            )
            for timing in self.latency
        ]
        left_out = f", {self.unlabelled:,} without a label left out" if self.unlabelled else ""
        head = f"{self.model} on {self.data} ({self.examples:,} examples{left_out})"
        return "\n".join([head, *(f"  {name:<28}{value}" for name, value in rows)])


def evaluate(
    model: Teacher | Student,
    transfer_set: TransferSet,
    *,
    teacher_scores: Float[Tensor, "n c"] | None = None,
    latency: bool = True,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on the labelled examples of a transfer set.

    Args:
        model: A teacher or a student.
        transfer_set: A test part, or a validation part while choices are still to be made.
        teacher_scores: What `score(teacher, transfer_set)` gave, for the agreement.
        latency: Whether to time it, at batch 1 and 64.
        confidence: Of the accuracy's interval, in (0, 1).
        progress: Told of each pass.

    Raises:
        DataError: if the transfer set is empty or has no labels.
        LimbeckError: if the model's classes are not the data's, or it answers NaN.
    """
    rows = labelled_rows(transfer_set)
    scores = score(model, transfer_set, progress=progress)
    evaluation = measures(
        scores[rows],
        transfer_set,
        rows,
        model=model.name if isinstance(model, Teacher) else "student",
        teacher_scores=None if teacher_scores is None else teacher_scores[rows],
        confidence=confidence,
    )
    return measured(evaluation, model, transfer_set, latency=latency)


def measures(
    scores: Float[Tensor, "n c"],
    transfer_set: TransferSet,
    rows: Int[Tensor, " n"],
    *,
    model: str,
    teacher_scores: Float[Tensor, "n c"] | None = None,
    confidence: float = 0.95,
) -> Evaluation:
    """All that follows from the log-probabilities of these labelled rows."""
    labels = transfer_set.labels[rows]
    hits = correct(scores, labels)
    classes = per_class(scores.argmax(dim=1), labels, transfer_set.classes)
    bins = reliability(scores, labels)
    groups = groups_of(transfer_set, rows)
    precision, recall, f1 = macro(classes)
    return Evaluation(
        model=model,
        data=transfer_set.name,
        examples=len(rows),
        unlabelled=len(transfer_set) - len(rows),
        accuracy=wilson(int(hits.sum()), len(rows), confidence),
        macro_precision=precision,
        macro_recall=recall,
        macro_f1=f1,
        nll_nats=nll_nats(scores, labels),
        ece=expected_calibration_error(bins),
        brier=brier(scores, labels),
        teacher_agreement=None if teacher_scores is None else agreement(scores, teacher_scores),
        per_class=classes,
        groups=tuple(
            row
            for column, values in groups.items()
            for row in per_group(scores, labels, column, values)
        ),
        reliability=bins,
    )


def groups_of(transfer_set: TransferSet, rows: Int[Tensor, " n"]) -> dict[str, list[str]]:
    """The group columns of these rows."""
    return {
        column: [values[row] for row in rows.tolist()]
        for column, values in transfer_set.groups.items()
    }


def measured(
    evaluation: Evaluation,
    model: Teacher | Student,
    transfer_set: TransferSet,
    *,
    latency: bool = True,
) -> Evaluation:
    """The same with the model's size and, if wanted, its latency."""
    count, size = parameters_and_bytes(model)
    timings: tuple[Latency, ...] = ()
    if latency:
        batches = (1, LATENCY_BATCH)
        timings = tuple(time_passes(model, transfer_set, batch=batch) for batch in batches)
    return replace(evaluation, parameters=count, bytes=size, latency=timings)


def percent_interval(interval: Interval) -> str:
    """An accuracy as people read it: 93.10% (91.86-94.16%)."""
    return (
        f"{100 * interval.estimate:.2f}% ({100 * interval.low:.2f}-{100 * interval.high:.2f}%, "
        f"{100 * interval.confidence:g}% interval)"
    )
