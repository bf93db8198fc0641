"""Correct a student whose transfer set lacked some classes, or held them in other proportions.

Such a student knows the absent classes from the soft targets of the present ones, but believes
them to be rare. Adding one constant to their logits is often all that is missing: Hinton, Vinyals &
Dean 2015, https://arxiv.org/abs/1503.02531, section 3, raise the bias of a digit that was never
shown and get 98.6 % of its test images right. They chose the constant on the test set; `teacher=`
and `validation=` need no test set, and `teacher=` no labels.

Matching the teacher's mean class frequencies is the same as fitting those biases alone to the
teacher's soft targets at temperature 1: the gradient of the mean cross-entropy by a bias is the
student's mean probability of its class minus the teacher's.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.bias_choice import (
    Groups,
    matching_amounts,
    mean_frequencies,
    most_accurate_amounts,
    shift_of,
)
from limbeck.errors import LimbeckError, StoreError, nearest
from limbeck.evaluation.scoring import labelled_rows, score
from limbeck.store import KnowledgeStore, KnowledgeSubset
from limbeck.students import Student
from limbeck.students.shifted import shifted
from limbeck.teachers import Teacher
from limbeck.transfer_sets import TransferSet

__all__ = ["BiasCorrection", "correct_bias"]

Way = Literal["frequency", "accuracy", "given"]
CHUNK = 8192


@dataclass(frozen=True)
class BiasCorrection:
    """A corrected student, and what was done to it.

    Attributes:
        student: With the amounts in its output bias, or in a `Shifted` around its module.
        amounts: What was added to the logit of each corrected class, by name.
        by: How they were chosen: "frequency", "accuracy" or "given".
        how: The same in a sentence, with figures.
    """

    student: Student
    amounts: Mapping[str, float]
    by: Way
    how: str


def correct_bias(
    student: Student,
    classes: Sequence[str],
    *,
    teacher: Teacher | KnowledgeStore | KnowledgeSubset | None = None,
    transfer_set: TransferSet | None = None,
    validation: TransferSet | None = None,
    amount: float | Sequence[float] | None = None,
    common: bool = False,
) -> BiasCorrection:
    """Add a constant to the logits of some classes; the given student stays as it is.

    Choose in one of three ways: `teacher` and `transfer_set` match the student's mean predicted
    frequency of these classes with the teacher's, without labels; `validation` takes what is right
    most often; `amount` is taken as it is.

    Args:
        student: A trained student.
        classes: Names of the classes to correct: those that were absent, or those that were there.
        teacher: A teacher, or a store or subset about exactly this transfer set.
        transfer_set: Examples as the student will meet them, all classes among them, labelled or
            not; of several views the first.
        validation: Labelled examples, not the test part.
        amount: What to add, > 0 makes a class more frequent; one number, or one per class.
        common: Whether to choose one amount for all of the classes instead of one for each.

    Raises:
        LimbeckError: if not exactly one way is chosen, a class is unknown, none is left to compare
            with, or the student's classes are not the data's.
        StoreError: if the store is about other examples, or keeps only the top classes.

    Example:
        >>> correct_bias(student, ["3"], teacher=store, transfer_set=unlabelled)  # doctest: +SKIP
    """
    way = chosen_way(teacher, transfer_set, validation, amount)
    data = transfer_set if way == "frequency" else validation
    names = class_names(student, data)
    numbers = class_numbers(classes, names)
    groups: Groups = [numbers] if common and way != "given" else [[n] for n in numbers]
    if way == "frequency":
        assert teacher is not None
        assert transfer_set is not None
        amounts, how = by_frequency(student, teacher, transfer_set, groups)
    elif way == "accuracy":
        assert validation is not None
        amounts, how = by_accuracy(student, validation, groups)
    else:
        assert amount is not None
        amounts, how = given(amount, len(numbers)), "The amount was given."
    shift = shift_of(groups, amounts, len(names))
    added = {names[number]: float(shift[number]) for number in numbers}
    return BiasCorrection(shifted(student, shift, names), added, way, how)


def chosen_way(teacher: object, transfer_set: object, validation: object, amount: object) -> Way:
    """The one way that the arguments ask for."""
    if (teacher is None) != (transfer_set is None):
        given, missing = (
            ("transfer_set", "teacher") if teacher is None else ("teacher", "transfer_set")
        )
        raise LimbeckError(
            f"{given} is given without {missing}. The teacher's class frequencies are taken over a "
            "transfer set: give both."
        )
    asked: list[Way] = []
    asked += ["frequency"] if teacher is not None else []
    asked += ["accuracy"] if validation is not None else []
    asked += ["given"] if amount is not None else []
    if len(asked) != 1:
        raise LimbeckError(
            f"{len(asked)} ways to choose the amount are given; it takes exactly one: teacher= "
            "with transfer_set=, or validation=, or amount=."
        )
    return asked[0]


def class_names(student: Student, data: TransferSet | None) -> tuple[str, ...]:
    """The student's class names, which must be the data's."""
    if data is not None and student.classes and tuple(data.classes) != tuple(student.classes):
        raise LimbeckError(
            f"the student was trained for the classes {list(student.classes)} and {data.name} has "
            f"{list(data.classes)}. Give data with the same classes in the same order."
        )
    names = tuple(student.classes) or (() if data is None else tuple(data.classes))
    if not names:
        raise LimbeckError(
            "the student does not know its classes' names, as it was not trained by distill. Set "
            "student.classes, or choose the amount from data."
        )
    return names


def class_numbers(classes: Sequence[str], names: tuple[str, ...]) -> list[int]:
    """The positions of these classes among the names."""
    chosen = [classes] if isinstance(classes, str) else list(classes)
    for name in chosen:
        if name not in names:
            raise LimbeckError(
                f"the student has no class '{name}'. {nearest(str(name), names, what='classes')}"
            )
    if len(set(chosen)) < len(chosen) or not 0 < len(chosen) < len(names):
        raise LimbeckError(
            f"the classes to correct are {chosen}, of {len(names)}. Name each once, at least one "
            "and not all: a constant on all logits changes nothing."
        )
    return [names.index(name) for name in chosen]


def by_frequency(
    student: Student,
    teacher: Teacher | KnowledgeStore | KnowledgeSubset,
    transfer_set: TransferSet,
    groups: Groups,
) -> tuple[list[float], str]:
    """The amounts at which the student is as often of these classes as the teacher."""
    scores = score(student, transfer_set)
    frequencies = teacher_frequencies(teacher, transfer_set)
    wanted = [float(frequencies[list(group)].sum()) for group in groups]
    if not (min(wanted) > 0 and sum(wanted) < 1):
        raise LimbeckError(
            f"over {transfer_set.name} the teacher's mean frequencies of the classes to correct "
            f"are {wanted}; no finite amount matches 0 or 1. Give examples of all classes."
        )
    amounts = matching_amounts(scores, groups, wanted)
    before = sum(mean_frequencies(scores, groups))
    return amounts, (
        f"Over {len(transfer_set):,} examples the teacher's mean frequency of these classes is "
        f"{100 * sum(wanted):.2f} %, to which the student's was brought from {100 * before:.2f} %."
    )


def teacher_frequencies(
    teacher: Teacher | KnowledgeStore | KnowledgeSubset, transfer_set: TransferSet
) -> Float[Tensor, " c"]:
    """The teacher's mean probability of each class at temperature 1, float64."""
    if isinstance(teacher, Teacher):
        return score(teacher, transfer_set).double().softmax(dim=1).mean(dim=0)
    teacher.check(transfer_set)
    if teacher.temperatures is not None:
        raise StoreError(
            "the store keeps only the top classes of each example, so that the frequency of a "
            "class is not known. Annotate again without top_k."
        )
    total = torch.zeros(len(transfer_set.classes), dtype=torch.float64)
    for rows in torch.arange(len(transfer_set)).split(CHUNK):
        total += teacher.read(rows).log_probs(1.0).double().exp().sum(dim=0)
    return total / len(transfer_set)


def by_accuracy(
    student: Student, validation: TransferSet, groups: Groups
) -> tuple[list[float], str]:
    """The amounts at which the student is right most often."""
    rows = labelled_rows(validation)
    scores, labels = score(student, validation)[rows].double(), validation.labels[rows]
    amounts = most_accurate_amounts(scores, labels, groups)
    shift = shift_of(groups, amounts, scores.shape[1])
    before, after = (
        float((each.argmax(dim=1) == labels).double().mean()) for each in (scores, scores + shift)
    )
    return amounts, (
        f"On {len(rows):,} examples of {validation.name} accuracy rose the most, from "
        f"{100 * before:.2f} % to {100 * after:.2f} %."
    )


def given(amount: float | Sequence[float], count: int) -> list[float]:
    """One finite number for each class."""
    amounts = [float(amount)] * count if isinstance(amount, (int, float)) else [*map(float, amount)]
    if len(amounts) != count or not all(map(math.isfinite, amounts)):
        raise LimbeckError(
            f"amount is {amount} for {count} classes. Give one finite number, or one for each."
        )
    return amounts
