"""Texts: examples that a teacher and a student each read with a tokenizer of their own.

A set carries one tokenization, the students': its batches hold those tokens, and the texts, which
a teacher with another tokenizer reads. What identifies an example is its text, so knowledge that
was annotated with one tokenizer serves students with another.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.fingerprint import digest
from limbeck.transfer_sets.identified import Identified, Labels
from limbeck.transfer_sets.text_column import TextColumn
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.transfer_sets.tokens import Tokens
from limbeck.types import Batch, Chosen

__all__ = ["Texts"]


class Texts(Identified):
    """Texts with their tokens, which are made once and then mapped from a file of the cache.

    Args:
        texts: Strings, or an Arrow column of them; an empty text is one, a missing one is not.
        tokenization: What makes the inputs: token ids (b, t), int64, padded on the right.
        labels: Class numbers (n,), -1 where there is none; None if there are none at all.
        classes: Class names, in the order of the label numbers.
        ids: A unique name per example; None for "0", "1", ...
        groups: Columns of one string per example, by which fairness is judged.
        name: What reports call the set.

    Attributes:
        input_shape: (max_length,): the most tokens of an example.

    Raises:
        DataError: if the set is empty, a text is missing or is none, or labels, classes, ids or
            groups do not fit.
    """

    def __init__(
        self,
        texts: Sequence[str] | pa.Array | pa.ChunkedArray | TextColumn,
        tokenization: Tokenization,
        labels: Labels | None = None,
        *,
        classes: Sequence[str],
        ids: Sequence[str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        name: str = "texts",
    ) -> None:
        column = texts if isinstance(texts, TextColumn) else TextColumn(texts, name)
        super().__init__(len(column), labels, classes=classes, ids=ids, groups=groups, name=name)
        self.column = column
        self.positions = torch.arange(len(column))
        self._tokenise(tokenization)

    def _tokenise(self, tokenization: Tokenization) -> None:
        self.tokenization: Tokenization = tokenization
        self.tokens = Tokens(self.column, tokenization)
        self.input_shape = (tokenization.max_length,)

    def tokenised(self, tokenization: Tokenization) -> "Texts":
        """The same texts with another tokenization, which leaves the fingerprint as it is."""
        part = copy.copy(self)
        part._tokenise(tokenization)
        return part

    @property
    def texts(self) -> Sequence[str]:
        """The texts, each decoded when it is read."""
        return Chosen(self.column, self.positions)

    @property
    def lengths(self) -> Int[Tensor, " n"]:  # type: ignore[override]
        """How many tokens each example has, special ones included."""
        return self.tokens.lengths(self.positions)

    def batch(self, rows: Int[Tensor, " b"], view: int = 0) -> Batch:
        """These examples; there is one view."""
        positions = self.positions.index_select(0, rows)
        return Batch(
            rows,
            self.tokens.batch(positions),
            self.labels.index_select(0, rows),
            view,
            texts=Chosen(self.column, positions),
            tokenization=self.tokenization,
        )

    @property
    def fingerprint(self) -> str:
        """What ids, texts and classes hash to; tokens are not part of it."""
        if self._fingerprint is None:
            self._fingerprint = digest("texts", self.hashes(), {"classes": self.classes})
        return self._fingerprint

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """None: the texts are identified as they are."""
        return {}

    def payload(self, row: int) -> Any:
        """The text's bytes in UTF-8."""
        return self.column.payload(int(self.positions[row]))

    def take(self, rows: Int[Tensor, " s"]) -> None:
        """Keep these rows only; the column and its tokens stay shared."""
        self.positions = self.positions.index_select(0, rows)
