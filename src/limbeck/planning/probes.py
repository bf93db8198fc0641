"""Short probes of the steps that take long: a few batches, timed, and a share of the rows, stored.

Rows are drawn by the seed, so that a probe of texts sees short and long ones. What a step takes to
begin is not what its rows take, so that speeds come from the difference of two sizes.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from limbeck import seeding
from limbeck.annotation import annotate
from limbeck.fitting import CHECKPOINT_SECONDS, Fitting, accuracy
from limbeck.job import Job
from limbeck.loop import batches, learn
from limbeck.store import KnowledgeStore
from limbeck.teachers import Teacher
from limbeck.transfer_sets import TransferSet

__all__ = ["Cost", "annotation_cost", "some", "training_seconds"]

SECONDS = 3.0
"""How long a probe lasts, if there are rows enough: the two cores of a laptop vary by some percent
within a second."""

WARM_UPDATES = 3
"""The first updates allocate what later ones find there."""

FIRST_ROWS = 256
VALIDATION_ROWS = 1024


@dataclass(frozen=True)
class Cost:
    """What something takes: at the start, and then for each row."""

    start: float
    per_row: float

    def of(self, rows: int) -> float:
        """What so many rows take."""
        return self.start + rows * self.per_row

    @staticmethod
    def through(small: tuple[int, float], large: tuple[int, float]) -> "Cost":
        """The line through two measurements of (rows, cost); from 0 where it would start below."""
        slope = (large[1] - small[1]) / (large[0] - small[0]) if large[0] > small[0] else 0.0
        if slope <= 0 or large[1] < slope * large[0]:
            return Cost(0.0, large[1] / large[0])
        return Cost(large[1] - slope * large[0], slope)


def some(examples: TransferSet, most: int) -> TransferSet:
    """So many examples, the same ones each time, in their order."""
    rows = seeding.permutation(len(examples), "plan", "rows")[:most].sort().values
    return examples.select(rows)


def annotation_cost(
    teacher: Teacher, examples: TransferSet, arguments: dict[str, Any], folder: Path
) -> tuple[Cost, Cost, KnowledgeStore, TransferSet]:
    """Seconds and bytes per example of annotating, and the largest store it was measured by.

    Args:
        teacher: Whom to ask.
        examples: The transfer set, in its views.
        arguments: As `annotate` takes them.
        folder: For the stores.
    """
    seconds, sizes, count, wanted = [], [], FIRST_ROWS, SECONDS
    annotate(teacher, some(examples, 1), folder / "warm.store", **arguments)
    while True:
        part = some(examples, count)
        path = folder / f"{len(part)}.store"
        shutil.rmtree(path, ignore_errors=True)
        begun = time.perf_counter()
        store = annotate(teacher, part, path, **arguments)
        seconds.append((len(part), time.perf_counter() - begun))
        sizes.append((len(part), float(bytes_in(path))))
        if len(part) == len(examples) or (len(seconds) > 1 and seconds[-1][1] >= wanted):
            break
        count *= 4
    first = max(0, len(seconds) - 2)
    return (
        Cost.through(seconds[first], seconds[-1]),
        Cost.through(sizes[first], sizes[-1]),
        store,
        part,
    )


def bytes_in(folder: Path) -> int:
    """How much a folder's files take."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def training_seconds(job: Job, updates: int, epochs: int, seed: int, folder: Path) -> float:
    """How long so many updates take, with checkpoints and the measurement after every epoch.

    Args:
        job: The training, on some of its rows; its validation part is whole.
        updates: Of the whole training.
        epochs: Of the whole training.
        seed: Of the run.
        folder: For a checkpoint.
    """
    with torch.random.fork_rng():
        fitting = Fitting(replace(job, checkpoint=folder), seed)
        learning = mean_seconds(job, seed, lambda batch: learn(fitting, batch)) * updates
        saving = timed(fitting.save)
        learning *= 1 + saving / CHECKPOINT_SECONDS
        if job.validation is None:
            return learning
        known = some(job.validation.labelled(), VALIDATION_ROWS)
        measuring = timed(lambda: accuracy(fitting.trained(), known)) / len(known)
    return learning + measuring * len(job.validation.labelled()) * epochs


def mean_seconds(job: Job, seed: int, step: Callable[[Any], Any]) -> float:
    """Of an update with the reading of its batch; whole reads of the store are counted."""
    ahead = 1 if job.knowledge is None else job.knowledge.ahead
    warm, count, begun = max(WARM_UPDATES, ahead), 0, time.perf_counter()
    for count, batch in enumerate(batches(job, seed), start=1):
        step(batch)
        if count == warm:
            begun = time.perf_counter()
        elapsed = time.perf_counter() - begun
        if count > warm and (count - warm) % ahead == 0 and elapsed >= SECONDS:
            break
    return (time.perf_counter() - begun) / max(1, count - warm)


def timed(action: Callable[[], Any]) -> float:
    """How many seconds it takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
