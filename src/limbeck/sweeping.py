"""Sweep: students that differ in what you choose, trained together, chosen on validation.

Every combination of students, objectives and ways of training is trained with the same seeds, from
one store, together as `limbeck.together` finds fastest. The test part is not read.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from limbeck.artefacts import write_json
from limbeck.errors import LimbeckError
from limbeck.job import Job, Progress, Training
from limbeck.objectives import Objective
from limbeck.store import KnowledgeSource
from limbeck.students import Student
from limbeck.together import Plan, train_together
from limbeck.training import Run, job_of
from limbeck.transfer_sets import TransferSet

__all__ = ["Cell", "Label", "Sweep", "sweep", "sweep_jobs"]

Label = str | float | int
T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """One combination of settings, trained with every seed.

    Attributes:
        settings: What is special about it: axis -> its value there.
        runs: By seed, those that were trained to their end.
        failures: By seed, why the others were not.
    """

    settings: Mapping[str, Label]
    runs: Mapping[int, Run]
    failures: Mapping[int, str]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """The validation accuracy of each run's kept weights, in [0, 1]."""
        histories = [run.history for run in self.runs.values()]
        return tuple(h.validation_accuracy[h.best_epoch - 1] for h in histories)

    @property
    def accuracy(self) -> float:
        """Mean validation accuracy over the seeds, in [0, 1]; NaN if no run came to its end."""
        return statistics.fmean(self.accuracies) if self.runs else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds; 0 with fewer than two."""
        return statistics.stdev(self.accuracies) if len(self.runs) > 1 else 0.0

    def __str__(self) -> str:
        return ", ".join(f"{axis}={value}" for axis, value in self.settings.items())


@dataclass(frozen=True)
class Sweep:
    """All combinations of a sweep.

    Attributes:
        axes: What was varied, in order: axis -> its values.
        cells: One per combination.
        seeds: With which every one was trained.
    """

    axes: Mapping[str, tuple[Label, ...]]
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]

    @property
    def best(self) -> Cell:
        """The combination with the highest mean validation accuracy, of those without a failure.

        Raises:
            LimbeckError: if every combination has a failed run.
        """
        whole = [cell for cell in self.cells if not cell.failures]
        if not whole:
            first = next(text for cell in self.cells for text in cell.failures.values())
            raise LimbeckError(f"no combination of the sweep could be trained: {first}")
        return max(whole, key=lambda cell: cell.accuracy)

    def __str__(self) -> str:
        rows = [[*map(str, cell.settings.values()), *figures(cell)] for cell in self.cells]
        head = [*self.axes, "validation accuracy", "sd", "n"]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = ["  ".join(f"{v:<{w}}" for v, w in zip(row, widths, strict=True)).rstrip()
                 for row in [head, *rows]]  # fmt: skip
        failed = [f"{c}, seed {s}: {t}" for c in self.cells for s, t in c.failures.items()]
        return "\n".join([*lines, *failed])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {
            "axes": {axis: list(values) for axis, values in self.axes.items()},
            "seeds": list(self.seeds),
            "cells": [
                {
                    "settings": dict(cell.settings),
                    "validation_accuracies": list(cell.accuracies),
                    "failures": {str(seed): text for seed, text in cell.failures.items()},
                }
                for cell in self.cells
            ],
        }

    def save(self, path: str | Path) -> Path:
        """Write all figures as JSON.

        Raises:
            LimbeckError: if it cannot be written.
        """
        write_json(Path(path), self.as_dict())
        return Path(path)


def figures(cell: Cell) -> list[str]:
    if not cell.runs:
        return ["-", "-", "0"]
    return [f"{100 * cell.accuracy:.2f} %", f"{100 * cell.deviation:.2f}", str(len(cell.runs))]


def sweep(
    student: Student | Mapping[Label, Student],
    knowledge: KnowledgeSource | None,
    transfer_set: TransferSet,
    objective: Objective | Mapping[Label, Objective],
    training: Training | Mapping[Label, Training] | None = None,
    *,
    validation: TransferSet,
    seeds: int | Sequence[int] = 5,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    plan: Plan | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Train every combination with every seed.

    Students of one architecture that differ in initial weights, data order, temperature, weights of
    the objective or learning rate train as one stacked model where that is faster.

    Args:
        student: One, or several by label.
        knowledge: What all of them learn from; None for objectives of labels alone.
        transfer_set: The examples the knowledge is about.
        objective: One, or several by label.
        training: One, or several by label.
        validation: Labelled examples that the choice is made on.
        seeds: How many, from 0; or which.
        checkpoint: A folder for resumable state; finished runs are not repeated.
        device: "cpu", "cuda", ...; None: the best there is.
        plan: How to train them together; None: as a probe finds fastest.
        progress: Told of each update.

    Raises:
        LimbeckError: if there is nothing to train, or a combination does not fit together.

    Example:
        >>> objectives = {T: SoftTargets(temperature=T) for T in (1.0, 2.0, 4.0, 8.0)}
        >>> found = sweep(student, store, data.train, objectives, validation=data.validation)
        >>> print(found.best)
    """
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    axes = (
        labelled("student", student),
        labelled("objective", objective),
        labelled("training", Training() if training is None else training),
    )
    jobs = [
        (
            {
                axis: label
                for (axis, _), (label, _) in zip(axes, chosen, strict=True)
                if label != ""
            },
            job_of(
                chosen[0][1],  # type: ignore[arg-type]
                knowledge,
                transfer_set,
                chosen[1][1],  # type: ignore[arg-type]
                chosen[2][1],  # type: ignore[arg-type]
                validation=validation,
                checkpoint=checkpoint,
                device=device,
            ),
        )
        for chosen in itertools.product(*(values.items() for _, values in axes))
    ]
    return sweep_jobs(jobs, numbers, plan=plan, progress=progress)


def labelled(axis: str, value: T | Mapping[Label, T]) -> tuple[str, Mapping[Label, T]]:
    """Several values by label; a single one has the label ""."""
    if not isinstance(value, Mapping):
        return axis, {"": value}
    if not value:
        raise LimbeckError(f"the sweep was given no {axis}. Give at least one.")
    return axis, value


def sweep_jobs(
    jobs: Iterable[tuple[Mapping[str, Label], Job]],
    seeds: Sequence[int],
    *,
    plan: Plan | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Train each of these jobs, named by its settings, with every seed.

    Raises:
        LimbeckError: if there is no seed or no validation part, or a job does not fit.
    """
    named = list(jobs)
    if not seeds:
        raise LimbeckError("the sweep was given no seed. Give at least one.")
    if any(job.validation is None for _, job in named):
        raise LimbeckError(
            "a sweep chooses by the validation part, and the data has none. Keep one apart "
            "(validation: 0.1)."
        )
    runs = [(job, seed) for _, job in named for seed in seeds]
    outcomes = iter(train_together(runs, progress=progress, plan=plan))
    cells = []
    for settings, job in named:
        trained: dict[int, Run] = {}
        failures: dict[int, str] = {}
        for seed in seeds:
            outcome = next(outcomes)
            if isinstance(outcome, LimbeckError):
                failures[seed] = str(outcome)
            else:
                trained[seed] = Run(*outcome, seed, job)
        cells.append(Cell(settings, trained, failures))
    axes = {
        axis: tuple(dict.fromkeys(settings[axis] for settings, _ in named)) for axis in named[0][0]
    }
    return Sweep(axes, tuple(cells), tuple(seeds))
