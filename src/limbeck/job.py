"""What is to be trained and how: everything that determines a run, but its seed."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from limbeck.objectives import Objective
from limbeck.optimization import AdamW, Cosine, Optimizer, Schedule
from limbeck.store import KnowledgeSource
from limbeck.students import Student
from limbeck.transfer_sets import TransferSet

__all__ = ["History", "Job", "Progress", "Training"]

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        epochs: Passes over the transfer set, >= 1.
        batch_size: Examples per update, >= 1.
        shuffle: Whether every pass has an order of its own, from the run's seed; False takes the
            rows as they stand.
        optimizer: `AdamW` or `SGD`, with its learning rate.
        schedule: `Constant`, `Cosine` or `OneCycle`, with its warm-up.
        clip: Largest norm of the gradient of all weights, > 0; None: unlimited.
        accumulate: Into how many parts a batch is cut to save memory; the numbers stay the same
            for every objective that treats examples one by one.
        average: Decay in (0, 1) of the exponential moving average of the weights, which is then
            what is evaluated and kept; None: the last weights.
        patience: Stop after so many epochs without a better validation accuracy, and keep the
            best epoch's weights; None: train to the end and keep the last.
        precision: "float32"; "bfloat16" for autocast; or "auto": bfloat16 on a device that
            multiplies in it, else float32.
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
    shuffle: bool = True

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
        if self.precision not in ("float32", "bfloat16", "auto"):
            raise ValueError(
                f"precision is {self.precision!r}; it is 'float32', 'bfloat16' or 'auto'."
            )

    def for_updates(self, updates: int, examples: int) -> "Training":
        """The same, with as many passes over so many examples as come nearest to these updates.

        Args:
            updates: How many, >= 1; at least one pass is made.
            examples: Of the transfer set, >= 1.
        """
        return replace(self, epochs=max(1, round(updates / math.ceil(examples / self.batch_size))))


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
    training: Training
    validation: TransferSet | None
    checkpoint: Path | None
    device: str | None
    updates: int
    epoch_updates: int
