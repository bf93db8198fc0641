"""What every objective makes sure of before it computes: that student, teacher and labels fit.

PyTorch broadcasts (1, 10) against (8, 10) logits to a plausible loss. Nothing here does.
"""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.types import UNLABELLED, Knowledge, Outputs, TopK

__all__ = [
    "a_number",
    "dense_knowledge",
    "fitting_knowledge",
    "fitting_labels",
    "kl_divergence",
    "label_error",
    "non_negative",
    "positive",
    "precise",
    "student_logits",
]


def precise(tensor: Tensor) -> Tensor:
    """In float32 at least: half precision loses a loss's small differences; float64 stays."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def student_logits(student: Outputs) -> Float[Tensor, "b c"]:
    """The student's logits, float32 at least.

    Raises:
        LimbeckError: if they are not one row of class scores for each example.
    """
    if student.logits.ndim != 2:
        raise LimbeckError(
            f"the student's logits are {tuple(student.logits.shape)}; (examples, classes) is "
            "needed. Let the student give one score per class for each example."
        )
    return precise(student.logits)


def fitting_knowledge(student: Outputs, teacher: Knowledge | None, objective: str) -> Knowledge:
    """The teacher's knowledge, without gradient and float32 at least, once it fits the student.

    Raises:
        LimbeckError: if there is no teacher, or if it scored other classes or examples.
    """
    if teacher is None:
        raise LimbeckError(
            f"{objective} learns from a teacher's knowledge and was given none. Annotate the "
            "transfer set first, or use HardLabels, which needs labels only."
        )
    logits = teacher.logits
    if isinstance(logits, TopK):
        scored: tuple[int, ...] = (len(logits.indices), logits.classes)
        whole = logits.values.shape[1:] == logits.indices.shape
    else:
        scored = tuple(logits.shape[1:])
        whole = logits.ndim == 3
    given = tuple(student.logits.shape)
    if not whole or scored != given:
        remedy = (
            "Give the student the teacher's classes."
            if scored[-1:] != given[-1:]
            else "Give both the same examples."
        )
        raise LimbeckError(
            f"the teacher scored {scored} (examples, classes) and the student {given}. {remedy}"
        )
    if not isinstance(logits, TopK):
        return replace(teacher, logits=precise(logits.detach()))
    kept = logits.indices.shape[-1]
    if kept >= logits.classes:
        raise LimbeckError(
            f"this top-k knowledge keeps {kept} of {logits.classes} classes, so nothing is "
            "dropped; fewer must be kept. Store all classes dense, without top-k."
        )
    rest = {temperature: precise(value.detach()) for temperature, value in logits.rest.items()}
    top = replace(logits, values=precise(logits.values.detach()), rest=rest)
    return replace(teacher, logits=top)


def dense_knowledge(student: Outputs, teacher: Knowledge | None, objective: str) -> Knowledge:
    """The same, of every class.

    Raises:
        LimbeckError: as `fitting_knowledge` does, or if a top-k store dropped some classes.
    """
    knowledge = fitting_knowledge(student, teacher, objective)
    if knowledge.kept is not None:
        raise LimbeckError(
            f"{objective} needs the teacher's answer for every class, and this top-k store keeps "
            f"{knowledge.kept.shape[-1]} of {knowledge.classes}. Annotate again without top_k, or "
            "use SoftTargets."
        )
    return knowledge


def fitting_labels(
    logits: Float[Tensor, "b c"], labels: Int[Tensor, "..."]
) -> tuple[Int[Tensor, " b"], Bool[Tensor, " b"]]:
    """The labels as int64, and which rows have one.

    Raises:
        LimbeckError: if there is not one whole number for each example.
    """
    if labels.shape != logits.shape[:1]:
        raise LimbeckError(
            f"the labels are {tuple(labels.shape)} for {len(logits)} examples; one class number "
            f"each is needed, {UNLABELLED} where there is none. Give class numbers, not one-hot "
            "rows."
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise LimbeckError(
            f"the labels are {labels.dtype}; whole class numbers are needed. Give int64 labels."
        )
    return labels.long(), labels != UNLABELLED


def label_error(labels: Int[Tensor, " b"], classes: int) -> LimbeckError:
    """The error for labels that no class has, raised where PyTorch found an index outside."""
    wrong = labels[(labels != UNLABELLED) & ((labels < 0) | (labels >= classes))]
    found = sorted(set(wrong.tolist()))[:5]
    return LimbeckError(
        f"the labels hold {found}; with {classes} classes they are 0 to {classes - 1}, or "
        f"{UNLABELLED} for an example without a label. Correct the labels, or the student's "
        "classes."
    )


def kl_divergence(
    teacher_log_probs: Float[Tensor, "b c"], student_log_probs: Float[Tensor, "b c"]
) -> Float[Tensor, " b"]:
    """KL(teacher || student) of each row, in nats; a class of probability 0 adds 0."""
    probs = teacher_log_probs.exp()
    possible = teacher_log_probs.clamp(min=torch.finfo(probs.dtype).min)  # 0 times it is 0
    return (probs * (possible - student_log_probs)).sum(dim=-1)


def positive(name: str, value: float) -> float:
    """A constructor's number, once it is above 0 and finite.

    Raises:
        ValueError: if it is not.
    """
    number = a_number(name, value)
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} is {value}; it must be above 0 and finite. Try {name}=1.0.")
    return number


def non_negative(name: str, value: float) -> float:
    """A constructor's number, once it is 0 or more and finite.

    Raises:
        ValueError: if it is not.
    """
    number = a_number(name, value)
    if not 0 <= number < float("inf"):
        raise ValueError(f"{name} is {value}; it must be 0 or more and finite. Try {name}=1.0.")
    return number


def a_number(name: str, value: object) -> float:
    """A constructor's number, once it is one.

    Raises:
        ValueError: if it is text, nothing or a truth value.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is {value!r}; a number is needed. Write {name}=1.0, unquoted.")
    return float(value)
