"""What `distill` returns: the student, how it got there, and the job to repeat."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.errors import LimbeckError
from limbeck.objectives import HardLabels, Objective
from limbeck.store import KnowledgeSource
from limbeck.students import Student, save
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

if TYPE_CHECKING:
    from limbeck.training import Training

__all__ = ["History", "Progress", "Run"]

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass
class History:
    """How a run went, epoch by epoch.

    Attributes:
        steps: Updates made by the end of each epoch.
        loss: Mean training loss of each epoch.
        validation_accuracy: In [0, 1]; empty without a validation part.
        best_epoch: The epoch, from 1, whose weights were kept; the last without early stopping.
        seconds: Time spent training, in this and earlier sittings.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """Everything that determines a run, but its seed."""

    student: Student
    knowledge: KnowledgeSource | None
    transfer_set: TransferSet
    objective: Objective
    training: "Training"
    validation: TransferSet | None
    checkpoint: Path | None
    device: str | None
    updates: int
    epoch_updates: int


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
    def training(self) -> "Training":
        """How the student was trained."""
        return self.job.training

    def repeat(self, seed: int, *, progress: Progress | None = None) -> "Run":
        """The same job with another seed."""
        from limbeck.training import train

        return train(self.job, seed, progress)

    def twin(self, seed: int, *, progress: Progress | None = None) -> "Run":
        """The from-scratch twin: same initial weights, number of updates and data order.

        It minimises `HardLabels()` on the rows that have a label. Where some have none, its batches
        are full of labelled rows and go over them more often: the stronger baseline.

        Raises:
            LimbeckError: if no example has a label.
        """
        from limbeck.training import train

        if not bool((self.job.transfer_set.labels != UNLABELLED).any()):
            raise LimbeckError(
                "no example of the transfer set has a label, so there is no student from scratch "
                "to compare with. Label some examples, or evaluate the student alone."
            )
        labelled = self.job.transfer_set.labelled()
        job = replace(self.job, knowledge=None, objective=HardLabels(), transfer_set=labelled)
        return train(job, seed, progress)

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
