"""Where rows are: shard and position, by arithmetic, sorted by shard so that each is read once."""

import numpy as np
import torch
from jaxtyping import Int64

__all__ = ["Places"]


class Places:
    """The shards and positions of some rows.

    Args:
        rows: Row numbers of the store, (b,).
        shard_rows: Rows of every shard but the last.

    Attributes:
        positions: Each row's position in its shard, ordered by shard.
        groups: (shard, begin, end): which of the positions are in a shard.
        back: Where each row's value ends up in that order, to bring the values back.
    """

    def __init__(self, rows: Int64[np.ndarray, " b"], shard_rows: int) -> None:
        shards = rows // shard_rows
        if not rows.size or shards.max() == 0:
            self.positions = rows
            self.groups = [(0, 0, len(rows))] if rows.size else []
            self.back = torch.arange(len(rows))
            return
        order = np.argsort(shards, kind="stable")
        ordered = shards[order]
        self.positions = (rows - shards * shard_rows)[order]
        bounds = np.flatnonzero(np.diff(ordered, prepend=-1, append=-1)).tolist()
        numbers = ordered[bounds[:-1]].tolist()
        self.groups = list(zip(numbers, bounds[:-1], bounds[1:], strict=True))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        self.back = torch.from_numpy(back)
