"""Is the test part large enough to show the difference that is hoped for?

Two students that are paired on n test rows differ by a mean whose 95% interval is at least

    1.96 sqrt(d / n)

to either side, d being the share of rows on which one is right and the other wrong. It is measured
between two twins of different seeds; those of a distilled and a plain student differ no less.
McNemar, Psychometrika 12, 1947.
"""

import math

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.doctoring.teacher_quality import lead
from limbeck.evaluation.significance import student_t
from limbeck.types import UNLABELLED

__all__ = ["resolution"]

HOPED_SHARE = 0.5
"""The share of the twin's errors that distilling may remove, where the teacher is not known yet."""


def resolution(case: Case) -> list[Finding]:
    """A test part from which no verdict can come."""
    test = case.experiment.data().test
    count = 0 if test is None else int((test.labels != UNLABELLED).sum())
    if count < 2:
        return [
            Finding(
                "test set",
                f"the data has {count} labelled test rows, so nothing can be measured. Keep some "
                "apart (test: 0.2), or give a test part.",
                wasted=True,
            )
        ]
    hoped, half = hoped_difference(case), resolvable(case, count)
    if hoped is None or half is None or hoped <= 0 or half <= hoped:
        return []
    needed = math.ceil(count * (half / hoped) ** 2)
    return [
        Finding(
            "test set",
            f"{count:,} test rows resolve differences of {100 * half:.1f} points, and at most "
            f"{100 * hoped:.1f} can be hoped for. Use about {needed:,} rows or more.",
            wasted=True,
        )
    ]


def resolvable(case: Case, count: int) -> float | None:
    """Half of the 95% interval of a difference on so many test rows; None if it is not known."""
    if case.comparison is not None:
        interval = case.comparison.difference_points
        return (interval.high - interval.low) / 200
    if case.twin_hits is None:
        return None
    first, second = case.twin_hits
    differ = (float((first != second).sum()) + 1) / (len(first) + 2)
    return student_t(0.95, math.inf) * math.sqrt(differ / count)


def hoped_difference(case: Case) -> float | None:
    """The most that the student may gain: the upper end of the teacher's lead, as a share."""
    found = lead(case)
    if found is not None:
        return found[0].high
    if case.twin_hits is None:
        return None
    return HOPED_SHARE * (1 - float(case.twin_hits.double().mean()))
