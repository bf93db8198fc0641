"""A short training that ends at the first loss that is not a number."""

import math
from dataclasses import dataclass

import torch

from limbeck.fitting import Fitting
from limbeck.job import Job, Progress
from limbeck.loop import batches, learn
from limbeck.students import Student

__all__ = ["Trial", "try_out"]


@dataclass(frozen=True)
class Trial:
    """How a short training ended.

    Attributes:
        student: Trained, on the CPU, in evaluation mode; None if the loss was not finite.
        updates: How many were made.
        first: The loss before the first of them.
        loss: Before the last of them.
    """

    student: Student | None
    updates: int
    first: float
    loss: float


def try_out(job: Job, seed: int, progress: Progress | None = None) -> Trial:
    """Do a job with a seed, but stop where the loss is no longer finite.

    Args:
        job: What to train, and how.
        seed: Of weights and order.
        progress: Told of each update.

    Raises:
        LimbeckError: if student, objective, knowledge and transfer set do not fit together.
    """
    losses: list[float] = []
    with torch.random.fork_rng():
        fitting = Fitting(job, seed)
        for batch in batches(job, seed):
            told = learn(fitting, batch)
            losses.append(float(told))
            if not math.isfinite(losses[-1]):
                return Trial(None, len(losses), losses[0], losses[-1])
            fitting.advance(told)
            if progress is not None:
                progress("train a probe", fitting.step, job.updates)
        return Trial(fitting.finish(False)[0], len(losses), losses[0], losses[-1])
