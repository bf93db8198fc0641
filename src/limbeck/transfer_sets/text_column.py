"""Texts in an Arrow column: compact, perhaps mapped from a file, each decoded when it is read."""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.errors import DataError

__all__ = ["TextColumn", "missing", "strings"]


class TextColumn(Sequence[str]):
    """Texts by row.

    Args:
        texts: Strings, or an Arrow column of them.
        title: What an error calls them.

    Raises:
        DataError: if a row is missing or no text; an empty text is a text.
    """

    def __init__(self, texts: Sequence[str] | pa.Array | pa.ChunkedArray, title: str) -> None:
        self.title = title
        column: Any = texts
        if not isinstance(column, (pa.Array, pa.ChunkedArray)):
            column = strings(texts, title)
        kind = column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise DataError(f"{title} holds {kind}. Give a column of text.")
        if column.null_count:
            raise DataError(missing(int(pc.index(column.is_null(), True).as_py()), title))
        if isinstance(column, pa.Array):
            column = pa.chunked_array([column])
        self.column = column

    @staticmethod
    def joined(columns: Sequence["TextColumn"], title: str) -> "TextColumn":
        """One column of the texts of several."""
        chunks = [chunk for each in columns for chunk in each.column.chunks]
        return TextColumn(pa.chunked_array(chunks), title)

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            texts: list[str] = self.column.take(np.arange(len(self))[row]).to_pylist()
            return texts
        return str(self.column[row].as_py())

    def payload(self, row: int) -> Any:
        """A text's bytes in UTF-8, not copied."""
        return self.column[row].as_buffer()

    @cached_property
    def fingerprint(self) -> str:
        """What all texts in their order hash to, however the column is cut into chunks."""
        lengths, texts = blake2b(digest_size=16), blake2b(digest_size=16)
        for chunk in self.column.chunks:
            array = chunk.cast(pa.large_string())
            _, starts, data = array.buffers()
            at = np.frombuffer(starts, np.int64)[array.offset : array.offset + len(array) + 1]
            lengths.update(np.diff(at).astype("<i8").tobytes())
            if data is not None and len(at):
                texts.update(memoryview(data)[int(at[0]) : int(at[-1])])
        return lengths.hexdigest() + texts.hexdigest()


def strings(texts: Sequence[Any], title: str, first: int = 0) -> Any:
    """An Arrow array of these strings, the first of them being this row.

    Raises:
        DataError: if one is missing or no text.
    """
    for row, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            raise DataError(missing(row, title) if text is None else not_text(row, text, title))
    try:
        return pa.array(texts, type=pa.large_string())
    except UnicodeEncodeError as error:
        row = first + list(texts).index(error.object)
        raise DataError(
            f"row {row} of {title} holds half a character (a lone surrogate). Read the text with "
            "errors='replace', or take it out."
        ) from error


def missing(row: int, title: str) -> str:
    """The sentence about a row without a text."""
    return (
        f"row {row} of {title} has no text. Fill it in or take it out; an empty text (in CSV: two "
        'quotes, "") is an example like any other.'
    )


def not_text(row: int, value: object, title: str) -> str:
    return f"row {row} of {title} is {value!r}. Give text in every row."
