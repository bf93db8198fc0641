"""Distil: train a student to agree with what teachers said, and with labels."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from limbeck.errors import LimbeckError
from limbeck.job import History, Job, Progress, Training
from limbeck.loop import train
from limbeck.objectives import HardLabels, Objective
from limbeck.store import KnowledgeSource
from limbeck.students import Student, save
from limbeck.together import train_together
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

__all__ = ["Run", "Training", "distill", "job_of"]


@dataclass(frozen=True)
class Run:
    """A trained student and the job that made it.

    Attributes:
        student: Trained, on the CPU, in evaluation mode.
        history: Loss and validation accuracy by epoch.
        seed: Which initial weights, data order and dropout masks it had.
        job: What it was trained on and how.
    """

    student: Student
    history: History
    seed: int
    job: Job

    @property
    def knowledge(self) -> KnowledgeSource | None:
        """What the student learned from."""
        return self.job.knowledge

    @property
    def objective(self) -> Objective:
        """What the student minimised."""
        return self.job.objective

    @property
    def transfer_set(self) -> TransferSet:
        """The examples the student learned on."""
        return self.job.transfer_set

    @property
    def validation(self) -> TransferSet | None:
        """The examples that choices were made on."""
        return self.job.validation

    @property
    def training(self) -> Training:
        """How the student was trained."""
        return self.job.training

    def repeats(self, seeds: Sequence[int], *, progress: Progress | None = None) -> list["Run"]:
        """The same job with other seeds, trained together.

        Raises:
            LimbeckError: if one of them diverges.
        """
        return several(self.job, seeds, progress)

    def twins(self, seeds: Sequence[int], *, progress: Progress | None = None) -> list["Run"]:
        """The from-scratch twins: same initial weights, number of updates and data order.

        They minimise `HardLabels()` on the rows that have a label. Where some have none, their
        batches are full of labelled rows and go over them more often: the stronger baseline.

        Raises:
            LimbeckError: if no example has a label, or one of them diverges.
        """
        if not bool((self.job.transfer_set.labels != UNLABELLED).any()):
            raise LimbeckError(
                "no example of the transfer set has a label, so there is no student from scratch "
                "to compare with. Label some examples, or evaluate the student alone."
            )
        labelled = self.job.transfer_set.labelled()
        job = replace(self.job, knowledge=None, objective=HardLabels(), transfer_set=labelled)
        return several(job, seeds, progress)

    def save(self, folder: str | Path) -> Path:
        """Write the student, which `Teacher.load` and `students.load` read, and run.json.

        Raises:
            LimbeckError: if the folder cannot be written.
        """
        folder = Path(folder)
        save(self.student, folder)
        knowledge = self.job.knowledge
        facts = {
            "seed": self.seed,
            "updates": self.job.updates,
            "objective": repr(self.job.objective),
            "training": asdict(self.job.training),
            "transfer_set": self.job.transfer_set.fingerprint,
            "knowledge": None if knowledge is None else knowledge.fingerprint,
            "history": self.history.to_json(),
        }
        (folder / "run.json").write_text(json.dumps(facts, indent=2) + "\n")
        return folder


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
    job = job_of(
        student,
        knowledge,
        transfer_set,
        objective,
        training,
        validation=validation,
        checkpoint=checkpoint,
        device=device,
    )
    return Run(*train(job, seed, progress), seed, job)


def several(job: Job, seeds: Sequence[int], progress: Progress | None) -> list[Run]:
    """One job with several seeds; raises what went wrong with the first that failed."""
    runs = []
    for seed, outcome in zip(
        seeds, train_together([(job, s) for s in seeds], progress=progress), strict=True
    ):
        if isinstance(outcome, LimbeckError):
            raise outcome
        runs.append(Run(*outcome, seed, job))
    return runs


def job_of(
    student: Student,
    knowledge: KnowledgeSource | None,
    transfer_set: TransferSet,
    objective: Objective,
    training: Training,
    *,
    validation: TransferSet | None = None,
    checkpoint: str | Path | None = None,
    device: str | None = None,
) -> Job:
    """All of these, as one job.

    Raises:
        LimbeckError: if the transfer set is empty.
    """
    if len(transfer_set) == 0:
        raise LimbeckError("the transfer set is empty; a student needs examples to learn from.")
    epoch_updates = math.ceil(len(transfer_set) / training.batch_size)
    return Job(
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
