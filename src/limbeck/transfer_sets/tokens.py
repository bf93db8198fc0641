"""The tokens of many texts in one memory-mapped file, without padding; made once, then reused.

    ids      int32, little-endian: all texts' tokens, one text after the other
    padding  to a multiple of 8 bytes
    offsets  int64, little-endian, n + 1: where each text's tokens begin, and where all end

The file is in the cache, named by what the texts and the tokenization hash to.
"""

from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Int, Int32, Int64
from torch import Tensor

from limbeck.cache import cached
from limbeck.errors import DataError
from limbeck.fingerprint import digest
from limbeck.transfer_sets.text_column import TextColumn
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["Tokens"]

FORMAT = 1


class Tokens:
    """The tokens of a column of texts; tokenised, or found in the cache, at their first use."""

    def __init__(self, column: TextColumn, tokenization: Tokenization) -> None:
        self.column = column
        self.tokenization = tokenization

    def make(self) -> None:
        """Tokenise the texts now, unless their tokens are in the cache.

        Raises:
            DataError: if a text has no token, or the cache cannot be written.
        """
        assert self.path.is_file()

    @cached_property
    def offsets(self) -> Int64[np.ndarray, " n_and_1"]:
        """Where each text's tokens begin, (n + 1,)."""
        count = len(self.column) + 1
        start = self.path.stat().st_size - 8 * count
        return np.memmap(self.path, "<i8", mode="r", offset=start, shape=(count,))

    @cached_property
    def ids(self) -> Int32[np.ndarray, " tokens"]:
        """All texts' tokens, one after the other."""
        return np.memmap(self.path, "<i4", mode="r", shape=(int(self.offsets[-1]),))

    @cached_property
    def path(self) -> Path:
        """The file, written now if it is not in the cache."""
        key = digest("tokens", FORMAT, self.column.fingerprint, self.tokenization.fingerprint)
        return cached(f"tokens-{key[:32]}.bin", self.write)

    def write(self, file: IO[bytes]) -> None:
        """Tokenise all texts into a file."""
        lengths: list[int] = []
        try:
            for encoded in self.tokenization.encode_all(self.column):
                file.write(np.concatenate(encoded).astype("<i4").tobytes())
                lengths += map(len, encoded)
        except DataError as error:
            raise DataError(f"{self.column.title}: {error}") from error
        file.write(b"\0" * (-file.tell() % 8))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        file.write(offsets.astype("<i8").tobytes())

    def lengths(self, positions: Int[Tensor, " s"]) -> Int[Tensor, " s"]:
        """How many tokens these texts have."""
        rows = positions.numpy()
        return torch.from_numpy(np.asarray(self.offsets[rows + 1] - self.offsets[rows]))

    def batch(self, positions: Int[Tensor, " b"]) -> Int[Tensor, "b t"]:
        """The tokens of these texts, int64, padded on the right to the longest."""
        rows = positions.numpy()
        starts = np.asarray(self.offsets[rows])
        lengths = np.asarray(self.offsets[rows + 1]) - starts
        columns = np.arange(int(lengths.max(initial=1)))
        real = columns < lengths[:, None]
        out = np.full(real.shape, self.tokenization.padding, dtype=np.int64)
        out[real] = self.ids[(starts[:, None] + columns)[real]]
        return torch.from_numpy(out)
