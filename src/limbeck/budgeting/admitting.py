"""Who may take part: candidates that keep to the budget, known before any training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limbeck.budgeting.budget import Budget
from limbeck.budgeting.candidates import Candidate, as_candidates
from limbeck.budgeting.measuring import Measured, measure, within
from limbeck.errors import LimbeckError
from limbeck.job import Progress
from limbeck.students import Student
from limbeck.transfer_sets import TransferSet

__all__ = ["Admitted", "admitted"]

SLACK = 1.05
"""As long as the current student: as its own time and what such timings vary by."""


@dataclass(frozen=True)
class Admitted:
    """The candidates, measured.

    Attributes:
        budget: With the latency that they are held to.
        candidates: All of them.
        measured: By candidate, what its files cost.
        files: By candidate that keeps to the budget, the file that does.
    """

    budget: Budget
    candidates: tuple[Candidate, ...]
    measured: Mapping[str, tuple[Measured, ...]]
    files: Mapping[str, Measured]

    @property
    def current(self) -> Candidate:
        """The student that is deployed now."""
        return self.candidates[0]

    @property
    def students(self) -> dict[str, Student]:
        """The untrained students by name."""
        return {candidate.name: candidate.student for candidate in self.candidates}

    @property
    def milliseconds(self) -> dict[str, float]:
        """What the files that keep to the budget take, as it measures."""
        return {name: file.milliseconds(self.budget) for name, file in self.files.items()}


def admitted(
    students: Mapping[str, Student],
    budget: Budget | str,
    data: TransferSet,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> Admitted:
    """Measure the candidates and hold them to the budget.

    Raises:
        LimbeckError: if none keeps to it, saying which came nearest.
    """
    candidates = as_candidates(students)
    budget = Budget.parse(budget) if isinstance(budget, str) else budget
    measured = measure(candidates, budget, data, folder, progress=progress)
    current = measured[candidates[0].name][0]
    budget = budget.within(SLACK * current.milliseconds(budget))
    files = {
        name: file for name, each in measured.items() if (file := within(budget, each)) is not None
    }
    if not files:
        raise LimbeckError(none_fits(budget, measured))
    return Admitted(budget, candidates, measured, files)


def none_fits(budget: Budget, measured: Mapping[str, Sequence[Measured]]) -> str:
    """Which candidate came nearest to the budget, and what to do."""
    excess, name, file = min(
        (budget.excess(m.milliseconds(budget), m.bytes), name, m.precision)
        for name, each in measured.items()
        for m in each
    )
    nearest = next(m for m in measured[name] if m.precision == file)
    return (
        f"none of {len(measured)} candidates keeps to {budget}. The nearest is '{name}' with "
        f"{nearest.milliseconds(budget):.4g} ms and {nearest.bytes:,} bytes, {excess:.2f} times "
        "the budget. Give a larger budget or smaller candidates."
    )
