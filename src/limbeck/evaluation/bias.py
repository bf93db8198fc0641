"""Who pays for a compression: how a student's errors differ from its teacher's, class by class.

For class i, with the rates of false positives and false negatives (FPR, FNR) of the teacher o, and
those of the student m averaged over its runs first:

    dFPR_i = 100 (FPR_i^m - FPR_i^o) / FPR_i^o        in percent; dFNR_i likewise
    CEV    = (1/c) sum_i || (dFPR_i, dFNR_i) - mean ||^2        combined error variance
    SDE    = (1/c) sum_i |dFPR_i - dFNR_i| / sqrt(2)            symmetric distance error

A CEV of 0 says that all classes pay alike; an SDE of 0 that each class pays alike in both kinds of
error. Where one kind grows and the other does not, a class is given too often or too seldom. A
teacher's rate of 0 counts as one error in the denominator; `Bias.floored_classes` says for how many
classes.

Blakeney, Huish, Yan & Zong, "Simon Says: Evaluating and Mitigating Bias in Pruned Neural Networks
with Knowledge Distillation", 2021, https://arxiv.org/abs/2106.07849. Their published figures come
from code that averages the squares over both coordinates too, so that its CEV is half the paper's:
reduction "official_code". Hooker et al., "What do compressed deep neural networks forget?", 2019,
https://arxiv.org/abs/1911.05248, count the examples whose answer changes in every run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.evaluation.flips import check_answers, flips_of

__all__ = ["Bias", "ClassBias", "GroupBias", "Reduction", "bias"]

Reduction = Literal["paper", "official_code"]


@dataclass(frozen=True)
class ClassBias:
    """A class's errors, the teacher's and the student's; rates in [0, 1], means over the runs.

    Attributes:
        name: The class.
        examples: How many examples have this label.
        teacher_fpr: Share of the other classes' examples that the teacher gives this class.
        teacher_fnr: Share of this class's examples that the teacher misses.
        fpr: As `teacher_fpr`, of the student.
        fnr: As `teacher_fnr`, of the student.
        fpr_change_percent: By how much of the teacher's the rate grows.
        fnr_change_percent: Likewise.
    """

    name: str
    examples: int
    teacher_fpr: float
    teacher_fnr: float
    fpr: float
    fnr: float
    fpr_change_percent: float
    fnr_change_percent: float

    @property
    def missed_more_points(self) -> float:
        """How many more of its examples the student misses, in percentage points."""
        return 100 * (self.fnr - self.teacher_fnr)


@dataclass(frozen=True)
class GroupBias:
    """The bias within one group of examples.

    Attributes:
        column: The group column of the data.
        value: The group's value in that column.
        examples: How many examples the group has.
        cev: As `Bias.cev`, on these examples.
        sde: As `Bias.sde`, on these examples.
        flips_per_run: As `Bias.flips_per_run`, of these examples.
    """

    column: str
    value: str
    examples: int
    cev: float | None
    sde: float | None
    flips_per_run: float


@dataclass(frozen=True)
class Bias:
    """How a student's errors differ from its teacher's.

    Attributes:
        reduction: Which CEV: the paper's, or the official code's, which is half of it.
        cev: Combined error variance, in squared percent, >= 0; None where all examples have one
            class.
        sde: Symmetric distance error, in percent, >= 0; None likewise.
        floored_classes: How many classes have a teacher's rate of 0, which counts as one error.
        runs: How many trainings of the student the rates are means over.
        flips_per_run: How many examples the teacher gets right and the student wrong, on average.
        changed_in_all_runs: How many examples get another class than the teacher's in every run.
        per_class: A row for each class that has examples; empty where all have one class.
        groups: A row for each value of each group column.
    """

    reduction: Reduction
    cev: float | None
    sde: float | None
    floored_classes: int
    runs: int
    flips_per_run: float
    changed_in_all_runs: int
    per_class: tuple[ClassBias, ...]
    groups: tuple[GroupBias, ...] = ()

    @property
    def worst(self) -> ClassBias | None:
        """The class that pays most: whose share of missed examples grows by most points."""
        return max(self.per_class, key=lambda row: row.missed_more_points, default=None)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> "Bias":
        """What `dataclasses.asdict` gave, also after a way through JSON."""
        per_class = tuple(ClassBias(**row) for row in facts["per_class"])
        groups = tuple(GroupBias(**row) for row in facts["groups"])
        return cls(**{**facts, "per_class": per_class, "groups": groups})


def bias(
    teacher: Int[Tensor, " n"],
    students: Int[Tensor, "s n"],
    labels: Int[Tensor, " n"],
    classes: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    reduction: Reduction = "paper",
) -> Bias:
    """Measure who pays for a compression.

    Args:
        teacher: The class that the teacher, or the model before compression, puts first.
        students: The same of the student: a row for each run.
        labels: The true classes, as numbers.
        classes: The classes' names.
        groups: Columns of one value per example; the bias within each value is measured too.
        reduction: Which CEV.

    Raises:
        LimbeckError: if the shapes do not fit, a number is no class, or there are no examples.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
        >>> teacher = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])
        >>> bias(teacher, torch.tensor([[0, 0, 1, 1, 1, 1, 0, 0]]), labels, ["a", "b"]).cev
        0.0
    """
    check_answers(teacher, students, labels, len(classes))
    if reduction not in ("paper", "official_code"):
        raise LimbeckError(f"there is no reduction '{reduction}'. Use 'paper' or 'official_code'.")
    rows = class_rows(teacher, students, labels, classes)
    flips = flips_of(teacher, students, labels)
    return Bias(
        reduction=reduction,
        cev=combined_error_variance(rows, reduction),
        sde=symmetric_distance_error(rows),
        floored_classes=sum(not (row.teacher_fpr and row.teacher_fnr) for row in rows),
        runs=len(students),
        flips_per_run=float(flips.sum() / len(students)),
        changed_in_all_runs=int((students != teacher).all(dim=0).sum()),
        per_class=rows,
        groups=tuple(
            group_row(column, value, members, (teacher, students, labels), classes, reduction)
            for column, values in (groups or {}).items()
            for value, members in members_of(values).items()
        ),
    )


def class_rows(
    teacher: Int[Tensor, " n"],
    students: Int[Tensor, "s n"],
    labels: Int[Tensor, " n"],
    classes: Sequence[str],
) -> tuple[ClassBias, ...]:
    """The rates of the classes that have examples; none if that is only one."""
    positives = labels.bincount(minlength=len(classes)).double()
    negatives = len(labels) - positives
    before = rates(teacher.unsqueeze(0), labels, positives)
    after = rates(students, labels, positives)
    changes = [
        100 * (new - old) / old.maximum(1 / count)
        for new, old, count in zip(after, before, (negatives, positives), strict=True)
    ]
    table = torch.stack([*before, *after, *changes]).T.tolist()
    there = ((positives > 0) & (negatives > 0)).tolist()
    return tuple(
        ClassBias(name, int(count), *numbers)
        for name, count, numbers, measured in zip(
            classes, positives.tolist(), table, there, strict=True
        )
        if measured
    )


def rates(
    predicted: Int[Tensor, "s n"], labels: Int[Tensor, " n"], positives: Float[Tensor, " c"]
) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """False positives and false negatives of each class as rates, means over the runs."""
    classes, runs = len(positives), len(predicted)
    hits = labels.expand_as(predicted)[predicted == labels].bincount(minlength=classes) / runs
    given = predicted.flatten().bincount(minlength=classes) / runs
    return (given - hits).double() / (len(labels) - positives), (positives - hits) / positives


def combined_error_variance(rows: Sequence[ClassBias], reduction: Reduction) -> float | None:
    """How unequally the classes pay."""
    if not rows:
        return None
    points = changes_of(rows)
    squared = (points - points.mean(dim=0)).square().sum(dim=1).mean()
    return float(squared if reduction == "paper" else squared / 2)


def symmetric_distance_error(rows: Sequence[ClassBias]) -> float | None:
    """How far the classes lie from paying in both kinds of error alike."""
    if not rows:
        return None
    false_positives, false_negatives = changes_of(rows).unbind(dim=1)
    return float((false_positives - false_negatives).abs().mean()) / math.sqrt(2)


def changes_of(rows: Sequence[ClassBias]) -> Float[Tensor, "c 2"]:
    changes = [(row.fpr_change_percent, row.fnr_change_percent) for row in rows]
    return torch.tensor(changes, dtype=torch.float64)


def group_row(
    column: str,
    value: str,
    members: Sequence[int],
    answers: tuple[Tensor, Tensor, Tensor],
    classes: Sequence[str],
    reduction: Reduction,
) -> GroupBias:
    """The bias among the examples of one group; teacher, students and labels are of all."""
    teacher, students, labels = (each[..., list(members)] for each in answers)
    rows = class_rows(teacher, students, labels, classes)
    flips = float(flips_of(teacher, students, labels).sum() / len(students))
    cev, sde = combined_error_variance(rows, reduction), symmetric_distance_error(rows)
    return GroupBias(column, value, len(members), cev, sde, flips)


def members_of(values: Sequence[str]) -> dict[str, list[int]]:
    """Which examples have each value, in the order of the values' names."""
    members: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        members.setdefault(str(value), []).append(place)
    return dict(sorted(members.items()))
