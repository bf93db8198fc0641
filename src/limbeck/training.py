"""Train a student from stored knowledge: the only training loop there is.

It trains teachers from labels, students from knowledge and their from-scratch twins alike. There is
no teacher in it: what the teachers said comes with the batch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from limbeck import seeding
from limbeck.errors import LimbeckError
from limbeck.fitting import Fitting
from limbeck.objectives import Objective
from limbeck.optimization import AdamW, Cosine, Optimizer, Schedule
from limbeck.run import Job, Progress, Run
from limbeck.store import KnowledgeSource
from limbeck.students import Student
from limbeck.transfer_sets import TransferSet
from limbeck.types import Batch

__all__ = ["Training", "batches", "distill", "train"]


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        epochs: Passes over the transfer set, >= 1.
        batch_size: Examples per update, >= 1.
        optimizer: `AdamW` or `SGD`, with its learning rate.
        schedule: `Constant`, `Cosine` or `OneCycle`, with its warm-up.
        clip: Largest norm of the gradient of all weights, > 0; None: unlimited.
        accumulate: Into how many parts a batch is cut to save memory; the numbers stay the same
            for every objective that treats examples one by one.
        average: Decay in (0, 1) of the exponential moving average of the weights, which is then
            what is evaluated and kept; None: the last weights.
        patience: Stop after so many epochs without a better validation accuracy, and keep the
            best epoch's weights; None: train to the end and keep the last.
        precision: "float32", or "bfloat16" for autocast.
        compile: Whether to compile the student with torch.compile.
        max_norm: Largest length of the weight vector into each unit of a linear layer, > 0. Hinton
            et al. 2012, https://arxiv.org/abs/1207.0580.

    Raises:
        ValueError: if a number is out of its range.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: Optimizer = AdamW()
    schedule: Schedule = Cosine()
    clip: float | None = None
    accumulate: int = 1
    average: float | None = None
    patience: int | None = None
    precision: str = "float32"
    compile: bool = False
    max_norm: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("accumulate", 1), ("patience", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} is {value}; it must be {least} or more.")
        for name in ("clip", "max_norm"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be positive, or null for none.")
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(
                f"average is {self.average}; it is a decay between 0 and 1, such as 0.999."
            )
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is {self.precision!r}; it is 'float32' or 'bfloat16'.")


def distill(
    student: Student,
    knowledge: KnowledgeSource | None,
    transfer_set: TransferSet,
    objective: Objective,
    training: Training | None = None,
    *,
    epochs: int | None = None,
    seed: int = 0,
    validation: TransferSet | None = None,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a student to agree with what teachers said, and with labels.

    Args:
        student: What to train; it is copied and stays as it is.
        knowledge: A `KnowledgeStore`, or a `LiveTeacher`; None for an objective of labels alone.
        transfer_set: The examples the knowledge is about.
        objective: What to minimise, such as 0.9 * SoftTargets(4.0) + 0.1 * HardLabels().
        training: How; the defaults of `Training` otherwise.
        epochs: Short for training.epochs.
        seed: Of initial weights, data order and dropout.
        validation: Labelled examples to measure after each epoch and to stop by.
        checkpoint: A folder for resumable state. The same call after an interruption goes on from
            there, to bit-identical weights on the CPU; after the end it returns at once.
        device: "cpu", "cuda", ...; None: the best there is.
        progress: Told of each update.

    Raises:
        StoreMismatch: if the knowledge is about other examples.
        LimbeckError: if objective, knowledge and student do not fit, or the loss diverges.
    """
    training = training or Training()
    if epochs is not None:
        training = replace(training, epochs=epochs)
    if len(transfer_set) == 0:
        raise LimbeckError("the transfer set is empty; a student needs examples to learn from.")
    epoch_updates = math.ceil(len(transfer_set) / training.batch_size)
    job = Job(
        student=student,
        knowledge=knowledge,
        transfer_set=transfer_set,
        objective=objective,
        training=training,
        validation=validation,
        checkpoint=None if checkpoint is None else Path(checkpoint),
        device=device,
        updates=training.epochs * epoch_updates,
        epoch_updates=epoch_updates,
    )
    return train(job, seed, progress)


def train(job: Job, seed: int, progress: Progress | None = None) -> Run:
    """Do a job with a seed: the loop."""
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
