"""Before the finals: the rungs of the halving, and the search for how soft the targets are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from limbeck.budgeting.admitting import Admitted
from limbeck.budgeting.halving import Rung, halve
from limbeck.budgeting.softening import (
    Softness,
    Surface,
    places,
    searched,
    softness_of,
    temperature_of,
)
from limbeck.evaluation.scoring import score
from limbeck.job import Job, Progress, Training
from limbeck.objectives import Objective
from limbeck.store import KnowledgeStore
from limbeck.students import Student
from limbeck.sweeping import Label, sweep_jobs
from limbeck.teachers import Teacher
from limbeck.training import job_of
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

__all__ = ["RUNG_SEEDS", "Task", "default_softness", "finalists_of", "halved", "surface_of"]

RUNG_SEEDS = 2
"""With how many seeds a candidate is tried before the finals."""

SEARCHED = 2
"""How many students are trained at each softness: the best finalists, or seeds of the only one."""


@dataclass(frozen=True)
class Task:
    """What every student of a fit is trained on."""

    knowledge: KnowledgeStore
    transfer_set: TransferSet
    validation: TransferSet
    training: Training
    folder: Path
    progress: Progress | None

    def job(self, student: Student, objective: Objective, epochs: int | None = None) -> Job:
        """A training of this student, in full or of so many passes."""
        training = self.training if epochs is None else replace(self.training, epochs=epochs)
        return job_of(
            student,
            self.knowledge,
            self.transfer_set,
            objective,
            training,
            validation=self.validation,
            checkpoint=self.folder / "checkpoints",
        )


def default_softness(objective: Objective, teacher: Teacher, task: Task) -> Softness | None:
    """The softness that needs no search; None for an objective of other terms."""
    stated = softness_of(objective)
    if stated is None:
        return None
    temperature = temperature_of(score(teacher, task.validation, progress=task.progress))
    held = task.knowledge.temperatures
    if held is not None:
        temperature = min(held, key=lambda each: abs(each - temperature))
    return replace(stated, temperature=temperature)


def halved(
    chosen: Admitted, task: Task, objective: Objective, seeds: Sequence[int], finalists: int
) -> tuple[Rung, ...]:
    """Train the candidates that keep to the budget, until few are left."""
    students = chosen.students

    def train(names: Sequence[str], epochs: int) -> dict[str, float]:
        jobs = [({"student": n}, task.job(students[n], objective, epochs)) for n in names]
        found = sweep_jobs(jobs, seeds, progress=task.progress)
        assert found.best  # raises where all have failed
        return {
            str(cell.settings["student"]): 0.0 if cell.failures else cell.accuracy
            for cell in found.cells
        }

    return halve(chosen.milliseconds, finalists, task.training.epochs, train)


def finalists_of(chosen: Admitted, rungs: Sequence[Rung]) -> tuple[str, ...]:
    """Who is left, and the current student wherever it keeps to the budget."""
    left = rungs[-1].kept if rungs else tuple(chosen.files)
    current = chosen.current.name
    return left if current in left or current not in chosen.files else (*left, current)


def surface_of(
    chosen: Admitted,
    names: Sequence[str],
    default: Softness,
    objective: Objective,
    task: Task,
    seeds: Sequence[int],
    *,
    search: bool,
) -> Surface:
    """Search around the default softness, with the best finalists, trained in full."""
    if not search:
        return Surface(default, default, {})
    students, best = chosen.students, names[:SEARCHED]
    few = seeds[: SEARCHED // len(best)]
    stated = softness_of(objective)
    assert stated is not None
    labelled = bool((task.transfer_set.labels != UNLABELLED).any())

    def train(found: Sequence[Softness]) -> dict[Softness, tuple[float, ...]]:
        jobs: list[tuple[dict[str, Label], Job]] = [
            ({"student": name, "place": number}, task.job(students[name], place.objective()))
            for name in best
            for number, place in enumerate(found)
        ]
        cells = sweep_jobs(jobs, few, progress=task.progress).cells
        accuracies: dict[Softness, tuple[float, ...]] = dict.fromkeys(found, ())
        for cell in cells:
            values = (0.0,) * len(few) if cell.failures else cell.accuracies
            accuracies[found[int(cell.settings["place"])]] += values
        return accuracies

    where = places(default, stated, task.knowledge.temperatures, labelled=labelled)
    return searched(default, where, train)
