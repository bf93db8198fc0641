"""What sets held in memory and sets of image files share: checked labels, ids, groups and hashes.

Each example has a 128-bit hash of its id and of the bytes of its input. The fingerprint is a hash
of these hashes, of the class names and of the preprocessing; the check of an example is the first
16 bits of its own hash. So a set is read once for both, and a selection reads nothing again.
"""

import copy
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import DataError
from limbeck.fingerprint import digest
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import UNLABELLED

__all__ = ["Identified"]

HASH_BYTES = 16

Labels = Tensor | np.ndarray | Sequence[int]


class Identified(TransferSet):
    """Examples that are hashed one by one, from the bytes that hold their input.

    Args:
        count: How many examples there are.
        labels: Class numbers, `UNLABELLED` (-1) where there is none; None if there are none at all.
        classes: Class names, at least two, unique.
        ids: A unique name per example; None for "0", "1", ...
        groups: Columns of one string per example.
        name: What reports call the set.

    Raises:
        DataError: if the set is empty, or labels, classes, ids or groups do not fit it.
    """

    def __init__(
        self,
        count: int,
        labels: Labels | None,
        *,
        classes: Sequence[str],
        ids: Sequence[str] | None,
        groups: Mapping[str, Sequence[str]] | None,
        name: str,
    ) -> None:
        if count == 0:
            raise DataError(f"{name} is empty. A transfer set needs at least one example.")
        self.name = name
        self.classes = checked_classes(classes, name)
        self.ids = checked_ids(ids, count, name)
        self.labels = checked_labels(labels, count, self.classes, name)
        self.groups = checked_groups(groups or {}, count, name)
        self._hashes: np.ndarray[Any, np.dtype[np.uint8]] | None = None
        self._fingerprint: str | None = None

    @abstractmethod
    def payload(self, row: int) -> Any:
        """The bytes (or an array of them) that an example's input is made from."""

    @property
    @abstractmethod
    def preprocessing(self) -> Mapping[str, Any]:
        """How those bytes become inputs, as JSON values."""

    @abstractmethod
    def take(self, rows: Int[Tensor, " s"]) -> None:
        """Keep the inputs of these rows only."""

    def __len__(self) -> int:
        return len(self.labels)

    def hashes(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """128 bits per example, (n, 16)."""
        if self._hashes is None:
            rows = (row_hash(id, self.payload(row)) for row, id in enumerate(self.ids))
            joined = np.frombuffer(b"".join(rows), dtype=np.uint8)
            self._hashes = joined.reshape(len(self), HASH_BYTES)
        return self._hashes

    def checks(self) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
        """The first 16 bits of each example's hash, (n,)."""
        first: np.ndarray[tuple[int], np.dtype[np.uint16]] = (
            self.hashes()[:, :2].copy().view("<u2").astype(np.uint16).reshape(len(self))
        )
        return first

    @property
    def fingerprint(self) -> str:
        """What ids, inputs, classes and preprocessing hash to, in 64 hexadecimal digits."""
        if self._fingerprint is None:
            self._fingerprint = digest(
                "transfer set",
                self.hashes(),
                {
                    "classes": self.classes,
                    "input_shape": self.input_shape,
                    "preprocessing": self.preprocessing,
                },
            )
        return self._fingerprint

    def select(self, rows: Int[Tensor, " s"], name: str = "") -> "Identified":
        """These examples only, in this order, under their own ids.

        Raises:
            DataError: if there are none, or one is taken twice.
        """
        if len(rows) == 0:
            raise DataError(
                f"no example of {self.name} was selected{' for ' + name if name else ''}. "
                "A transfer set needs at least one."
            )
        positions = rows.tolist()
        part = copy.copy(self)
        part.name = name or self.name
        part.ids = checked_ids([self.ids[row] for row in positions], len(rows), part.name)
        part.labels = self.labels[rows]
        part.groups = {
            column: tuple(values[row] for row in positions)
            for column, values in self.groups.items()
        }
        part._hashes = None if self._hashes is None else self._hashes[rows.numpy()]
        part._fingerprint = None
        part.take(rows)
        return part

    def relabelled(self, labels: Int[Tensor, " n"]) -> "Identified":
        """The same examples with other labels, which leaves the fingerprint as it is."""
        part = copy.copy(self)
        part.labels = checked_labels(labels, len(self), self.classes, self.name)
        return part


def row_hash(id: str, payload: Any) -> bytes:
    encoded = id.encode()
    state = blake2b(len(encoded).to_bytes(8, "little"), digest_size=HASH_BYTES)
    state.update(encoded)
    state.update(payload)
    return state.digest()


def checked_classes(classes: Sequence[str], name: str) -> tuple[str, ...]:
    names = tuple(str(each) for each in classes)
    if len(names) < 2:
        raise DataError(
            f"{name} has {len(names)} class(es) {list(names)}; a classifier needs at least two. "
            "Label -1 counts as unlabelled: number the classes from 0."
        )
    repeated = first_repeated(names)
    if repeated is not None:
        raise DataError(f"{name} has two classes named '{repeated}'. Give each its own name.")
    return names


def checked_ids(ids: Sequence[str] | None, count: int, name: str) -> tuple[str, ...]:
    if ids is None:
        return tuple(map(str, range(count)))
    names = tuple(map(str, ids))
    if len(names) != count:
        raise DataError(f"{name} has {count} examples but {len(names)} ids. Give one id each.")
    repeated = first_repeated(names)
    if repeated is not None:
        raise DataError(
            f"the id '{repeated}' appears twice in {name}. Ids tell examples apart, so that "
            "knowledge stays with the right one: make them unique."
        )
    return names


def checked_labels(
    labels: Labels | None, count: int, classes: tuple[str, ...], name: str
) -> Int[Tensor, " n"]:
    if labels is None:
        return torch.full((count,), UNLABELLED, dtype=torch.int64)
    numbers = torch.as_tensor(labels).cpu()
    if numbers.shape != (count,):
        raise DataError(
            f"{name} has {count} examples but labels of shape {tuple(numbers.shape)}. "
            "Give one class number each, -1 where there is none."
        )
    if numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool:
        raise DataError(
            f"the labels of {name} are {str(numbers.dtype).removeprefix('torch.')}. "
            "Give class numbers as integers, -1 where there is none."
        )
    numbers = numbers.to(torch.int64)
    wrong = ((numbers < UNLABELLED) | (numbers >= len(classes))).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{name} has label {int(numbers[row])} in row {row}, but {len(classes)} classes, "
            f"numbered 0 to {len(classes) - 1} (-1: unlabelled). Correct the label, or name all "
            "classes."
        )
    return numbers


def checked_groups(
    groups: Mapping[str, Sequence[str]], count: int, name: str
) -> dict[str, tuple[str, ...]]:
    for column, values in groups.items():
        if len(values) != count:
            raise DataError(
                f"group column '{column}' of {name} has {len(values)} values for {count} "
                "examples. Give one each."
            )
    return {column: tuple(map(str, values)) for column, values in groups.items()}


def first_repeated(names: Sequence[str]) -> str | None:
    if len(set(names)) == len(names):
        return None
    return next(name for name, count in Counter(names).items() if count > 1)
