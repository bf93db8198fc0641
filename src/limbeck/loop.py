"""The training loop: the only one there is.

It trains teachers from labels, students from knowledge and their from-scratch twins alike. There is
no teacher in it: what the teachers said comes with the batch.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck import seeding
from limbeck.fitting import Fitting
from limbeck.job import History, Job, Progress
from limbeck.students import Student
from limbeck.types import Batch

__all__ = ["batches", "learn", "runs_of_batches", "train"]


def train(job: Job, seed: int, progress: Progress | None = None) -> tuple[Student, History]:
    """Do a job with a seed; the student as it is kept, and how it went."""
    with torch.random.fork_rng():
        fitting = Fitting(job, seed)
        complete = fitting.resume()
        for batch in batches(job, seed, start=fitting.step):
            if complete or fitting.stopped:
                break
            loss = learn(fitting, batch)
            fitting.advance(loss)
            if progress is not None:
                progress("train", fitting.step, job.updates)
        return fitting.finish(complete)


def learn(fitting: Fitting, batch: Batch) -> Tensor:
    """One update from a batch; its loss."""
    loss = torch.zeros((), device=fitting.device)
    for part in parts(fitting.mine(batch), fitting.job.training.accumulate):
        with fitting.autocast():
            outputs = fitting.student.outputs(part)
        part_loss = fitting.share(part, batch, outputs)
        fitting.accelerator.backward(part_loss)
        loss += part_loss.detach()
    fitting.update()
    return loss


def batches(job: Job, seed: int, start: int = 0) -> Iterator[Batch]:
    """Batches with their knowledge, in the order of the seed, from this update on."""
    size = job.training.batch_size
    for rows, view in runs_of_batches(job, seed, start):
        said = None if job.knowledge is None else job.knowledge.read(rows, view)
        for begin in range(0, len(rows), size):
            part = slice(begin, begin + size)
            batch = job.transfer_set.batch(rows[part], view)
            yield batch if said is None else replace(batch, knowledge=said.part(part))


def runs_of_batches(job: Job, seed: int, start: int) -> Iterator[tuple[Tensor, int]]:
    """The rows of as many batches as the knowledge is read for at once, and their view."""
    count, size = len(job.transfer_set), job.training.batch_size
    ahead = 1 if job.knowledge is None else job.knowledge.ahead
    per_pass = math.ceil(count / size)
    order = torch.empty(0, dtype=torch.int64)
    step = start
    while step < job.updates:
        passes, position = divmod(step, per_pass)
        if position == 0 or step == start:
            order = order_of_pass(job, seed, passes)
        end = min(position + ahead, per_pass, position + job.updates - step)
        view = passes if job.transfer_set.views is None else passes % job.transfer_set.views
        yield order[position * size : end * size], view
        step += end - position


def order_of_pass(job: Job, seed: int, passes: int) -> Int[Tensor, " n"]:
    """The rows in the order of one pass over the data: of texts, with batches of like lengths."""
    if not job.training.shuffle:
        return torch.arange(len(job.transfer_set))
    lengths = job.transfer_set.lengths
    if lengths is None:
        return seeding.permutation(len(job.transfer_set), seed, "order", passes)
    return seeding.sorted_permutation(lengths, job.training.batch_size, seed, "order", passes)


def parts(batch: Batch, accumulate: int) -> Iterator[Batch]:
    """A batch, cut into parts that fit into memory."""
    if accumulate == 1:
        yield batch
        return
    for rows in torch.arange(len(batch)).chunk(accumulate):
        yield batch.part(rows)
