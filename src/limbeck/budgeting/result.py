"""What `fit` found: every candidate with its figures, the front, the winner and the verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limbeck.artefacts import write_json
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.halving import Rung
from limbeck.budgeting.measuring import Measured
from limbeck.budgeting.softening import Surface
from limbeck.evaluation.significance import Interval
from limbeck.evaluation.verdict import Comparison
from limbeck.evaluation.wording import Verdict, size, wrapped
from limbeck.exporting import Export
from limbeck.quantizing import Quantized
from limbeck.training import Run

__all__ = ["Finalist", "Fit", "Tried"]


@dataclass(frozen=True)
class Finalist:
    """A candidate that was trained in full.

    Attributes:
        validation_accuracies: By seed, in [0, 1]; what the choice was made on.
        test_accuracy: Mean over seeds and test examples, in [0, 1].
        difference_points: To the current student from scratch on the test part, with its interval.
        twin_points: To its own from-scratch twin, likewise.
    """

    validation_accuracies: tuple[float, ...]
    test_accuracy: Interval
    difference_points: Interval
    twin_points: Interval

    @property
    def accuracy(self) -> float:
        """Mean validation accuracy."""
        return sum(self.validation_accuracies) / len(self.validation_accuracies)


@dataclass(frozen=True)
class Tried:
    """A candidate and how far it came.

    Attributes:
        name: The candidate's.
        architecture: As a recipe states it; {} for a module given as such.
        parameters: How many weights.
        measured: What its files cost.
        file: The one that keeps to the budget; None: it was never trained.
        accuracies: By rung, on the validation part: (passes, accuracy in [0, 1]).
        final: Its figures if it was trained in full.
    """

    name: str
    architecture: Mapping[str, Any]
    parameters: int
    measured: tuple[Measured, ...]
    file: Measured | None
    accuracies: tuple[tuple[int, float], ...]
    final: Finalist | None


@dataclass(frozen=True)
class Fit:
    """The best student within a budget.

    Attributes:
        budget: With the latency that it was held to.
        machine: What the latencies hold for.
        candidates: All of them; the first is the current student.
        rungs: Of the halving.
        softness: How soft the targets were and why; None where the objective was taken as it is.
        winner: The most accurate finalist on the validation part.
        front: Finalists that nothing beats in accuracy, latency and size, the fastest first.
        verdict: BEATS, TIES or LOSES: the winner against the current student from scratch.
        sentence: The verdict with its figures.
        difference_points: Winner minus current student, in percentage points.
        current_accuracy: Of the current student from scratch, on the test part, in [0, 1].
        comparison: The winner against its own from-scratch twin.
        next_steps: What less or more of the budget would bring, a sentence each.
        run: The winner's, of the first seed.
        export: The winner's ONNX file, float32.
        int8: Its INT8 twin; None where INT8 costs more than its gate.
    """

    budget: Budget
    machine: Mapping[str, Any]
    candidates: tuple[Tried, ...]
    rungs: tuple[Rung, ...]
    softness: Surface | None
    winner: str
    front: tuple[str, ...]
    verdict: Verdict
    sentence: str
    difference_points: Interval
    current_accuracy: Interval
    comparison: Comparison
    next_steps: tuple[str, ...]
    run: Run = field(repr=False)
    export: Export
    int8: Quantized | None

    @property
    def file(self) -> Path:
        """The winner's file that keeps to the budget."""
        winner = next(tried for tried in self.candidates if tried.name == self.winner)
        assert winner.file is not None
        if winner.file.precision == "int8":
            assert self.int8 is not None
            return self.int8.path
        return self.export.path

    @property
    def finalists(self) -> tuple[Tried, ...]:
        """Those that were trained in full."""
        return tuple(tried for tried in self.candidates if tried.final is not None)

    def __str__(self) -> str:
        rows = [cells(tried, self) for tried in self.candidates]
        head = ["candidate", f"p{self.budget.percentile} ms", "size", "validation", "test",
                "against current", ""]  # fmt: skip
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = ["  ".join(f"{v:<{w}}" for v, w in zip(row, widths, strict=True)).rstrip()
                 for row in [head, *rows]]  # fmt: skip
        parts = ["\n".join(lines), wrapped(f"Budget: {self.budget}."), wrapped(self.sentence)]
        if self.softness is not None:
            parts.append(wrapped(f"Objective: {self.softness.chosen}."))
        if self.int8 is not None:
            parts.append(wrapped(str(self.int8)))
        if self.next_steps:
            parts.append("\n".join(wrapped(step, bullet="  - ") for step in self.next_steps))
        return "\n\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        surface = None
        if self.softness is not None:
            cells = self.softness.accuracies.items()
            surface = {
                "default": asdict(self.softness.default),
                "chosen": asdict(self.softness.chosen),
                "accuracies": [{**asdict(p), "validation_accuracies": list(a)} for p, a in cells],
            }
        return {
            "budget": asdict(self.budget),
            "machine": dict(self.machine),
            "candidates": [asdict(tried) for tried in self.candidates],
            "rungs": [asdict(rung) for rung in self.rungs],
            "softness": surface,
            "winner": self.winner,
            "front": list(self.front),
            "verdict": self.verdict,
            "sentence": self.sentence,
            "difference_points": asdict(self.difference_points),
            "current_accuracy": asdict(self.current_accuracy),
            "next_steps": list(self.next_steps),
        }

    def save(self, path: str | Path) -> Path:
        """Write all figures as JSON.

        Raises:
            LimbeckError: if it cannot be written.
        """
        write_json(Path(path), self.as_dict())
        return Path(path)


def cells(tried: Tried, fit: Fit) -> list[str]:
    """A candidate's row of the table."""
    shown = tried.file or tried.measured[0]
    time = f"{shown.milliseconds(fit.budget):.3f}"
    int8 = " int8" if shown.precision == "int8" else ""
    start = [tried.name, time, size(shown.bytes) + int8]
    if tried.file is None:
        return [*start, "-", "-", "-", "over the budget"]
    if tried.final is None:
        epochs, accuracy = tried.accuracies[-1]
        stopped = f"stopped after {epochs} epoch{'s' * (epochs != 1)}"
        return [*start, f"{100 * accuracy:.2f}%", "-", "-", stopped]
    difference = tried.final.difference_points
    notes = ["winner"] if tried.name == fit.winner else []
    notes += ["on the front"] if tried.name in fit.front else []
    return [
        *start,
        f"{100 * tried.final.accuracy:.2f}%",
        f"{100 * tried.final.test_accuracy.estimate:.2f}%",
        f"{difference.estimate:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})",
        ", ".join(notes),
    ]
