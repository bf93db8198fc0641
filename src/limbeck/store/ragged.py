"""Columns of varying length: each row has as many tokens as its text, and no padding is stored.

A row's value is (t, d), one vector per token, or attention maps (h, t, t). The items of all rows
lie end to end, tokens first: t items (d,) of a row, or t * t items (h,), one per query and key, the
key running faster. Offsets say where each row's items begin, so any row is found at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

__all__ = [
    "TOKENS",
    "Ragged",
    "joined",
    "padded",
    "ragged",
    "row_shape",
    "without_padding",
    "zero_padding",
]

TOKENS = -1
"""The size of a token axis in a shape, because it differs from row to row."""


@dataclass(frozen=True)
class Ragged:
    """A column, in memory or over a memory map.

    Attributes:
        offsets: Where each row's items begin and, last, where the last one's end, (rows + 1,).
        items: (items, ...).
        row_shape: Of one row's value: (-1, d), or (h, -1, -1) of attention maps.
    """

    offsets: Int[np.ndarray, " rows_and_one"]
    items: Shaped[np.ndarray, "items ..."]
    row_shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the shape of one row's value."""
        return (len(self), *self.row_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        return self.items.dtype

    @property
    def nbytes(self) -> int:
        """What it takes in memory or on disk."""
        return self.items.nbytes + self.offsets.nbytes

    @property
    def axes(self) -> int:
        """How many axes of a row are tokens, 1 or 2."""
        return self.row_shape.count(TOKENS)

    def counts(self, rows: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
        """How many tokens these rows have."""
        sizes = self.offsets[rows + 1] - self.offsets[rows]
        counts: Int[np.ndarray, " b"] = np.rint(sizes ** (1 / self.axes)).astype(np.int64)
        return counts

    def read(self, rows: Int[np.ndarray, " b"], out: Shaped[np.ndarray, "b ..."]) -> None:
        """Write these rows, tokens first, where they belong in an array (b, t, ...) of zeros."""
        starts = self.offsets[rows].astype(np.int64)
        sizes = self.offsets[rows + 1] - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        inside = real_tokens(self.counts(rows), out.shape[1], self.axes)
        out[inside] = self.items[np.repeat(starts, sizes) + within]

    def check(self) -> None:
        """Raise a ValueError unless the offsets lead through the items, from first to last."""
        if self.axes not in (1, 2):
            raise ValueError("a column of varying length does not say where its tokens are")
        sizes = np.diff(self.offsets)
        whole = len(self.offsets) and self.offsets[0] == 0 and self.offsets[-1] == len(self.items)
        if not whole or (sizes < 0).any():
            raise ValueError("the offsets of a column of varying length do not rise over its items")
        if (self.counts(np.arange(len(self))) ** self.axes != sizes).any():
            raise ValueError("the offsets of a column of attention maps are not those of squares")


def ragged(rows: Sequence[Shaped[np.ndarray, "..."]], row_shape: tuple[int, ...]) -> Ragged:
    """A column of these values, of which each is in the shape of a row, tokens first."""
    axes = row_shape.count(TOKENS)
    items = [row.reshape(-1, *row.shape[axes:]) for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in items])])
    return Ragged(offsets, np.concatenate(items), row_shape)


def joined(parts: Sequence[Ragged]) -> Ragged:
    """One column of the rows of several."""
    ends = np.cumsum([0, *(len(part.items) for part in parts)])
    offsets = [part.offsets[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
    items = np.concatenate([part.items for part in parts])
    return Ragged(np.concatenate([[0], *offsets]), items, parts[0].row_shape)


def padded(
    groups: Sequence[tuple[Ragged, Int[np.ndarray, " _"]]],
) -> tuple[Float[Tensor, "b ..."], Int[Tensor, " b"]]:
    """Rows of several columns, one column's after the other's, and how many tokens each has.

    Padded with zeros to the longest of them: (b, t, d) or (b, h, t, t), in the type of the store.
    """
    counts = np.concatenate([column.counts(rows) for column, rows in groups])
    first = groups[0][0]
    longest = (int(counts.max(initial=0)),) * first.axes
    out = np.zeros((len(counts), *longest, *first.items.shape[1:]), first.dtype)
    begin = 0
    for column, rows in groups:
        column.read(rows, out[begin : begin + len(rows)])
        begin += len(rows)
    found = torch.from_numpy(out)
    return (found if first.axes == 1 else found.permute(0, 3, 1, 2)), torch.from_numpy(counts)


def row_shape(value: Float[Tensor, "b ..."]) -> tuple[int, ...]:
    """The shape of one row of a per-token answer (b, t, d) or (b, h, t, t)."""
    if value.ndim == 3:
        return (TOKENS, value.shape[2])
    return (value.shape[1], TOKENS, TOKENS)


def without_padding(
    value: Float[Tensor, "b ..."], counts: Int[Tensor, " b"]
) -> list[Float[Tensor, "t ..."]]:
    """The value of each row by itself, tokens first."""
    if value.ndim == 3:
        return [row[:count] for row, count in zip(value, counts.tolist(), strict=True)]
    rows = zip(value.permute(0, 2, 3, 1), counts.tolist(), strict=True)
    return [row[:count, :count] for row, count in rows]


def zero_padding(
    value: Float[Tensor, "b ..."], counts: Int[Tensor, " b"]
) -> Float[Tensor, "b ..."]:
    """The same with zeros in place of whatever a model says about padding."""
    if value.ndim == 3:
        inside = torch.from_numpy(real_tokens(counts.numpy(), value.shape[1], 1))[..., None]
    else:
        inside = torch.from_numpy(real_tokens(counts.numpy(), value.shape[-1], 2))[:, None]
    return value.masked_fill(~inside, 0.0)


def real_tokens(
    counts: Int[np.ndarray, " b"], longest: int, axes: int
) -> Shaped[np.ndarray, "b ..."]:
    """Which places of (b, t) are tokens; of two axes, which pairs of (b, t, t) are."""
    inside = np.arange(longest) < counts[:, None]
    return inside if axes == 1 else inside[:, :, None] & inside[:, None, :]
