"""The training loop: the only one there is.

It trains teachers from labels, students from knowledge and their from-scratch twins alike. There is
no teacher in it: what the teachers said comes with the batch.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from limbeck import seeding
from limbeck.fitting import Fitting
from limbeck.job import History, Job, Progress
from limbeck.students import Student
from limbeck.types import Batch

__all__ = ["batches", "train"]


def train(job: Job, seed: int, progress: Progress | None = None) -> tuple[Student, History]:
    """Do a job with a seed; the student as it is kept, and how it went."""
    with torch.random.fork_rng():
        fitting = Fitting(job, seed)
        complete = fitting.resume()
        for batch in batches(job, seed, start=fitting.step):
            if complete or fitting.stopped:
                break
            loss = torch.zeros((), device=fitting.device)
            for part in parts(fitting.mine(batch), job.training.accumulate):
                with fitting.autocast():
                    outputs = fitting.student.outputs(part)
                part_loss = fitting.share(part, batch, outputs)
                fitting.accelerator.backward(part_loss)
                loss += part_loss.detach()
            fitting.update()
            fitting.advance(loss)
            if progress is not None:
                progress("train", fitting.step, job.updates)
        return fitting.finish(complete)


def batches(job: Job, seed: int, start: int = 0) -> Iterator[Batch]:
    """Batches with their knowledge, in the order of the seed, from this update on."""
    count, size = len(job.transfer_set), job.training.batch_size
    per_pass = math.ceil(count / size)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(start, job.updates):
        passes, position = divmod(step, per_pass)
        if position == 0 or step == start:
            order = seeding.permutation(count, seed, "order", passes)
        rows = order[position * size : (position + 1) * size]
        view = passes if job.transfer_set.views is None else passes % job.transfer_set.views
        yield with_knowledge(job, rows, view)


def with_knowledge(job: Job, rows: Tensor, view: int) -> Batch:
    batch = job.transfer_set.batch(rows, view)
    if job.knowledge is None:
        return batch
    return replace(batch, knowledge=job.knowledge.read(rows, view))


def parts(batch: Batch, accumulate: int) -> Iterator[Batch]:
    """A batch, cut into parts that fit into memory."""
    if accumulate == 1:
        yield batch
        return
    for rows in torch.arange(len(batch)).chunk(accumulate):
        yield batch.part(rows)
