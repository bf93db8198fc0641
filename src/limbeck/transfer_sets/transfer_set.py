"""Transfer sets: identified examples that a teacher scores and a student learns from.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 2, call the data that carries
the knowledge the transfer set; it may be the training set or unlabelled data.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.fingerprint import digest
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.types import UNLABELLED, Batch

__all__ = ["Splits", "TransferSet"]

NUMBERS_AT_ONCE = 2**22
"""How many numbers a layer's answers about a batch may be, so that they stay near the processor."""
NUMBERS_OF_A_PIXEL, NUMBERS_OF_A_TOKEN = 32, 512
"""About as many as a layer of a convolutional net, or of a transformer, makes of it."""


class TransferSet(ABC):
    """Identified examples, perhaps unlabelled.

    Attributes:
        name: What reports call it, such as "digits.train".
        classes: The classes' names, in the order of the label numbers.
        ids: One name per example, unique within the set.
        labels: Class numbers (n,), `UNLABELLED` (-1) where there is none.
        groups: Columns by which fairness is judged: name -> one string per example.
        input_shape: Shape of one example's input, without the batch axis.
        fingerprint: What ids, inputs, classes and preprocessing hash to; labels are not part of it.
        views: How many views each example has; 1 where there is no augmentation, None where any
            number of them can be drawn.
        lengths: Of texts, how many tokens each example has; batches are then of texts of about
            the same length.
        tokenization: Of texts, what makes the inputs.
    """

    name: str
    classes: tuple[str, ...]
    ids: Sequence[str]
    labels: Int[Tensor, " n"]
    groups: Mapping[str, Sequence[str]]
    input_shape: tuple[int, ...]
    views: int | None = 1
    lengths: Int[Tensor, " n"] | None = None
    tokenization: Tokenization | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batch(self, rows: Int[Tensor, " b"], view: int = 0) -> Batch:
        """These examples in this view. The same rows and view give the same inputs, always."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What ids, inputs, classes and preprocessing hash to."""

    @property
    def inputs_fingerprint(self) -> str:
        """What a student depends on: the fingerprint, and of texts the tokenization's."""
        if self.tokenization is None:
            return self.fingerprint
        return digest(self.fingerprint, self.tokenization.fingerprint)

    @property
    def rows_at_once(self) -> int:
        """How many examples a model is asked about at a time, outside training: 16 to 1,024.

        The larger an example the fewer: 128 images of 3 x 32 x 32, 64 texts of 128 tokens, 16
        photographs. A model that trains in small batches must not need many times the memory to be
        measured, and a batch that stays in the processor's cache is faster.
        """
        numbers = math.prod(self.input_shape)
        if self.tokenization is not None:
            numbers *= NUMBERS_OF_A_TOKEN
        elif len(self.input_shape) == 3:
            numbers = math.prod(self.input_shape[1:]) * NUMBERS_OF_A_PIXEL
        return max(16, min(1024, NUMBERS_AT_ONCE // max(1, numbers)))

    def row_batches(
        self, size: int, start: int = 0, end: int | None = None
    ) -> tuple[Int[Tensor, " b"], ...]:
        """These rows, or all, in batches: of texts from the longest to the shortest.

        Texts of a batch are padded to its longest, so batches of like lengths take less time.
        """
        rows = torch.arange(start, len(self) if end is None else end)
        if self.lengths is not None:
            rows = rows[self.lengths[rows].argsort(descending=True, stable=True)]
        batches: tuple[Tensor, ...] = rows.split(size)
        return batches

    @abstractmethod
    def checks(self) -> "np.ndarray[tuple[int], np.dtype[np.uint16]]":
        """A 16-bit hash of each example's id and input, (n,), to say which examples differ."""

    @abstractmethod
    def select(self, rows: Int[Tensor, " s"], name: str = "") -> "TransferSet":
        """These examples only, in this order, as a transfer set of their own."""

    def labelled(self) -> "TransferSet":
        """The examples that have a label; the set itself if all have one."""
        known = self.labels != UNLABELLED
        return self if bool(known.all()) else self.select(known.nonzero().flatten())


@dataclass(frozen=True)
class Splits:
    """The parts of a data set. Choices are made on validation; test is read once, at the end.

    Attributes:
        train: The transfer set.
        validation: None where the recipe makes no choice that needs one.
        test: None where the data has none; then nothing can be compared.
    """

    train: TransferSet
    validation: TransferSet | None = None
    test: TransferSet | None = None
