"""Is the teacher better than the student's twin, on this data, with this order of classes?

A cause is looked for first: classes in another order than the data's, or inputs that are not as
the teacher expects them. What remains is a teacher that is no better than the twin.
"""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.evaluation.significance import Interval, student_t

__all__ = ["lead", "mean_of_rows", "order_of_classes", "teacher_is_better"]

REORDERED = 0.05
"""What another order of the classes must gain in accuracy on rows that it was not found on."""

NOT_AHEAD = 0.02
"""A lead that is surely below this, and measured at none, is no lead worth a distillation."""


def teacher_is_better(case: Case) -> list[Finding]:
    """A teacher that has nothing to teach."""
    found = lead(case)
    if found is None:
        return []
    difference, where = found
    worded = (
        f"the teacher is {100 * difference.estimate:+.1f} points (95% interval "
        f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}) against the student trained "
        f"without it, on {where}. Use a better teacher, an ensemble, or a smaller student."
    )
    if difference.high < 0:
        return [Finding("teacher", worded, wasted=True)]
    if difference.estimate <= 0 and difference.high < NOT_AHEAD:
        return [Finding("teacher", worded, wasted=False)]
    return []


def lead(case: Case) -> tuple[Interval, str] | None:
    """The teacher's accuracy minus the twins', as a share, and where it was measured.

    Of a finished run it is that of the comparison; before, the twins have learned from a slice, so
    that the lead is rather too large.
    """
    if case.comparison is not None and case.comparison.teacher is not None:
        teacher, scratch = case.comparison.teacher.accuracy, case.comparison.scratch_accuracy
        ahead = teacher.estimate - scratch.estimate
        half = math.hypot(teacher.high - teacher.estimate, scratch.high - scratch.estimate)
        return Interval(
            ahead, ahead - half, ahead + half
        ), f"{case.comparison.examples:,} test rows"
    if case.teacher_scores is None or case.twin_hits is None or case.judged is None:
        return None
    right = case.teacher_scores.argmax(dim=1) == case.judged.labels
    difference = right.double() - case.twin_hits.double().mean(dim=0)
    return mean_of_rows(difference), case.judged_where


def order_of_classes(case: Case) -> list[Finding]:
    """A teacher whose columns are other classes than the data's.

    The order that fits best is found on half of the rows and tried on the other half.
    """
    if case.teacher_scores is None or case.judged is None or len(case.judged) < 4:
        return []
    labels, said = case.judged.labels, case.teacher_scores.argmax(dim=1)
    order = best_order(said[::2], labels[::2], len(case.judged.classes))
    gain = mean_of_rows(gained(order[said[1::2]] == labels[1::2], said[1::2] == labels[1::2]))
    if gain.low <= 0 or gain.estimate < REORDERED:
        return []
    column = int((order != torch.arange(len(order))).nonzero()[0, 0])
    names = case.judged.classes
    return [
        Finding(
            "order of classes",
            f"the teacher's columns are in another order than the data's classes: reordered, it "
            f"is right on {100 * gain.estimate:.0f} points more of {case.judged_where} (its column "
            f"'{names[column]}' is the class '{names[int(order[column])]}'). Name its classes in "
            "its own order (classes: [...]).",
            wasted=True,
        )
    ]


def best_order(
    said: Int[Tensor, " n"], labels: Int[Tensor, " n"], classes: int
) -> Int[Tensor, " c"]:
    """For each column the class it stands for, so that most rows are right."""
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    counts = torch.zeros(classes, classes)
    counts.index_put_((said, labels), torch.ones(len(said)), accumulate=True)
    counts += 0.5 * torch.eye(classes)  # a column that is never said stays where it is
    return torch.from_numpy(linear_sum_assignment(counts.numpy(), maximize=True)[1]).long()


def gained(now: Bool[Tensor, " n"], before: Bool[Tensor, " n"]) -> Float[Tensor, " n"]:
    """What each row gained: 1, 0 or -1."""
    return now.double() - before.double()


def mean_of_rows(values: Float[Tensor, " n"]) -> Interval:
    """The mean and its 95% interval over the rows."""
    count, mean = len(values), float(values.mean())
    deviation = float(np.std(values.numpy(), ddof=1)) if count > 1 else math.inf
    half = student_t(0.95, max(1, count - 1)) * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)
