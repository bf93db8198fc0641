"""`fit`: a budget goes in, the most accurate student that keeps to it comes out.

Candidates are measured untrained; what misses the budget is never trained. The others go through
successive halving on one store, how soft the targets should be is searched with the last of them,
and these are trained in full with their from-scratch twins. Every choice is made on validation
rows.
A call after a kill reads what was measured and trained before.
"""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from limbeck.budgeting.admitting import admitted
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.concluding import concluded
from limbeck.budgeting.finals import played
from limbeck.budgeting.result import Fit
from limbeck.budgeting.trying import (
    RUNG_SEEDS,
    Task,
    default_softness,
    finalists_of,
    halved,
    surface_of,
)
from limbeck.comparison import DEFAULT_SEEDS
from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation.scoring import labelled_rows
from limbeck.job import Progress, Training
from limbeck.objectives import Objective, SoftTargets
from limbeck.store import KnowledgeStore
from limbeck.students import Student
from limbeck.teachers import Teacher
from limbeck.transfer_sets import TransferSet

__all__ = ["fit"]


def fit(
    students: Mapping[str, Student],
    teacher: Teacher,
    knowledge: KnowledgeStore,
    transfer_set: TransferSet,
    budget: Budget | str = "current",
    objective: Objective | None = None,
    training: Training | None = None,
    *,
    validation: TransferSet,
    test: TransferSet,
    to: str | Path,
    seed: int = 0,
    seeds: int = DEFAULT_SEEDS,
    finalists: int = 3,
    search: bool = True,
    teacher_scores: Tensor | None = None,
    progress: Progress | None = None,
    recipe: str | None = None,
) -> Fit:
    """The most accurate student within a budget.

    Args:
        students: By name; the first is the one that is deployed now, which is the one to beat.
            `budgeting.family` makes others of it.
        teacher: Whose answers on validation rows say how soft the targets should be; it is measured
            beside the winner.
        knowledge: What all of them learn from.
        transfer_set: The examples the knowledge is about.
        budget: Such as "2 ms p95, batch 1, 1 thread"; "current": as long as the first student.
        objective: What they minimise; of soft targets and hard labels, temperature and weight are
            chosen. Default: soft targets.
        training: Of the finals; rungs before them are shorter.
        validation: Labelled examples that every choice is made on.
        test: Labelled examples for the verdict alone.
        to: The folder for measurements, checkpoints, student.onnx and fit.json.
        seed: The first seed.
        seeds: How many the finals are trained with, >= 2.
        finalists: How many candidates are trained in full, >= 1; the current one besides.
        search: Whether to search around the default softness.
        teacher_scores: What `score(teacher, test)` gave, (n, c); None asks the teacher.
        progress: Told of each update.
        recipe: Kept with the result, for reports.

    Raises:
        LimbeckError: if no candidate keeps to the budget, or something does not fit.

    Example:
        >>> found = fit(family(student), teacher, store, data.train, "2 ms p50",
        ...             validation=data.validation, test=data.test, to="runs/fit")  # doctest: +SKIP
    """
    check(validation, test, seeds, finalists)
    folder, training = Path(to), training or Training()
    chosen = admitted(students, budget, validation, folder, progress=progress)
    task = Task(knowledge, transfer_set, validation, training, folder, progress)
    objective = objective or SoftTargets()
    numbers = tuple(range(seed, seed + seeds))
    default = default_softness(objective, teacher, task)
    first = objective if default is None else default.objective()
    rungs = halved(chosen, task, first, numbers[:RUNG_SEEDS], finalists)
    names = finalists_of(chosen, rungs)
    surface = None
    if default is not None:
        surface = surface_of(chosen, names, default, objective, task, numbers, search=search)
        objective = surface.chosen.objective()
    finals = played(
        {name: task.job(chosen.students[name], objective) for name in names},
        chosen.files,
        task.job(chosen.current.student, objective),
        numbers,
        validation,
        test,
        folder,
        progress=progress,
    )
    found = concluded(
        chosen, rungs, surface, finals, teacher, teacher_scores, test, folder, recipe, progress
    )
    found.save(folder / "fit.json")
    return found


def check(validation: TransferSet, test: TransferSet, seeds: int, finalists: int) -> None:
    """Refuse before any work what would be missed at the end."""
    for part in (validation, test):
        if len(labelled_rows(part)) < 2:
            raise DataError(f"{part.name} has one labelled example. Give it at least 2.")
    if seeds < 2:
        raise LimbeckError(f"seeds is {seeds}; a verdict needs at least 2. Use {DEFAULT_SEEDS}.")
    if finalists < 1:
        raise LimbeckError(f"finalists is {finalists}; at least 1 candidate is trained in full.")
