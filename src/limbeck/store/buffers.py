"""A shard in memory while it is written: rows in the order of the store, however they were asked.

Columns of fixed shape are filled in place. Of columns of varying length each row is kept by itself
until all are there; then they are laid end to end.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.store.encoding import typed
from limbeck.store.files import Column, Columns
from limbeck.store.format import FloatType
from limbeck.store.ragged import Ragged, joined, ragged, row_shape, without_padding
from limbeck.types import Outputs

__all__ = ["Buffers", "Gathered"]

Rows = slice | Int[Tensor, " b"]


class Gathered:
    """One member's answers about some rows, put in batch by batch.

    Args:
        count: How many rows there will be.
        hidden_dtype: Of hidden features per token, which are kept in it at once.
    """

    def __init__(self, count: int, hidden_dtype: FloatType) -> None:
        self.count = count
        self.dtype = hidden_dtype
        self.whole: dict[str, Tensor] = {}
        self.rows: dict[str, list[Any]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def put(self, where: Rows, outputs: Outputs) -> None:
        """Keep a batch's answers at these places.

        Raises:
            TeacherError: if a hidden layer has another shape than in the batches before.
        """
        for name, value in {"": outputs.logits, **outputs.hidden}.items():
            if name in outputs.lengths:
                self.put_tokens(where, name, value, outputs.lengths[name])
                continue
            if name not in self.whole:
                self.whole[name] = value.new_empty((self.count, *value.shape[1:]))
            check_shape(name, tuple(self.whole[name].shape[1:]), tuple(value.shape[1:]))
            self.whole[name][where] = value

    def put_tokens(self, where: Rows, name: str, value: Tensor, counts: Tensor) -> None:
        """Keep a layer's tokens, each row's by itself."""
        self.shapes[name] = row_shape(value)
        places = range(self.count)[where] if isinstance(where, slice) else where.tolist()
        kept = self.rows.setdefault(name, [None] * self.count)
        rows = without_padding(typed(value, self.dtype), counts)
        for place, row in zip(places, rows, strict=True):
            kept[place] = row.numpy().copy()

    @property
    def logits(self) -> Tensor:
        """(rows, c), float32."""
        return self.whole[""]

    def hidden(self) -> Mapping[str, Tensor | Ragged]:
        """Features of fixed shape, float32, and those per token, in their type."""
        fixed = {name: value for name, value in self.whole.items() if name}
        return {**fixed, **{n: ragged(self.rows[n], self.shapes[n]) for n in self.rows}}


def check_shape(layer: str, before: tuple[int, ...], now: tuple[int, ...]) -> None:
    if before != now:
        raise TeacherError(
            f"layer '{layer}' of the teacher is {before} for each example of one batch and {now} "
            "for those of another. One shape is needed, or (tokens, features): name another layer, "
            "or pool this one over the text first."
        )


class Buffers:
    """The columns of a shard, filled block by block.

    Args:
        count: Rows of the shard.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.fixed: dict[str, np.ndarray[Any, Any]] = {}
        self.varying: dict[str, list[Ragged]] = {}

    def fill(self, block: slice, columns: Columns) -> None:
        """Put in the next block of rows."""
        for name, value in columns.items():
            if isinstance(value, Ragged):
                self.varying.setdefault(name, []).append(value)
                continue
            if name not in self.fixed:
                self.fixed[name] = np.empty((self.count, *value.shape[1:]), value.dtype)
            self.fixed[name][block] = value

    def columns(self) -> dict[str, Column]:
        """All of them, complete."""
        return {**self.fixed, **{name: joined(parts) for name, parts in self.varying.items()}}
