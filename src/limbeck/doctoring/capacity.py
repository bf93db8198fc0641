"""Can the student fit even the rows it is trained on?

A student that cannot is too small, or trained too shortly, and no teacher changes that. Where the
teacher's own accuracy on these rows is known, the student is held against it, so that wrong labels
are not counted as the student's fault.
"""

import torch

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.transfer_sets import TransferSet

__all__ = ["capacity"]

FITS = 0.8
"""The share of its own training rows that a student of the right size gets right, and more."""

BEHIND = 0.1
"""How far behind the teacher on the same rows; less is what students lose anyway."""

ROWS = 500


def capacity(case: Case) -> list[Finding]:
    """A student that does not fit its training rows."""
    student, whose = case.trained, "the trained student"
    if student is None and case.twins:
        twin = case.twins[0]
        student, whose = twin.student, f"after {twin.updates:,} updates on them, the student"
    if student is None or not len(case.labelled):
        return []
    examples = case.slice.select(torch.arange(min(ROWS, len(case.slice))))
    accuracy = float(case.hits(student, examples).double().mean())
    if accuracy >= FITS or accuracy > attainable(case, examples) - BEHIND:
        return []
    return [
        Finding(
            "student",
            f"{whose} is right on {accuracy:.0%} of {len(examples)} rows that it was trained on "
            f"(it has {student.parameters_count():,} weights). Take a larger student, train "
            "longer, or use another learning rate.",
            wasted=True,
        )
    ]


def attainable(case: Case, examples: TransferSet) -> float:
    """The teacher's accuracy on these rows; 1 where it is not known."""
    if case.teacher is None:
        return 1.0
    return float(case.hits(case.teacher, examples).double().mean())
