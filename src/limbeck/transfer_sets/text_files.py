"""Columns of Parquet, CSV and JSON lines files: the texts mapped from the cache, the rest read.

The texts are copied once, file by file and piece by piece, into an Arrow file of the cache, so that
memory holds only what is being read of them. A text that is missing, or is not UTF-8, is named by
its row, counted from 0 over the files of a split.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from limbeck.cache import cached
from limbeck.errors import DataError, nearest
from limbeck.fingerprint import digest, file_digest
from limbeck.transfer_sets.class_names import class_label_names
from limbeck.transfer_sets.text_column import TextColumn, missing, strings

__all__ = ["SUFFIXES", "Rows", "read_rows"]

PIECE = 4096
"""Rows that are read at a time."""

BLOCK_BYTES = 1 << 25
"""Of a CSV file, read at a time; the longest row must fit."""


@dataclass(frozen=True)
class Rows:
    """What was read of a split.

    Attributes:
        texts: The texts.
        labels: As the files have them; None in every row where there are none.
        groups: The columns of groups.
        class_names: In the order of the label numbers, where the files say them.
    """

    texts: TextColumn
    labels: Sequence[Any]
    groups: Mapping[str, Sequence[Any]]
    class_names: Sequence[str] | None


def read_rows(
    files: Sequence[Path], title: str, text: str, label: str | None, groups: Sequence[str]
) -> Rows:
    """The texts of a split, and other columns of it.

    Args:
        files: Of one split, in order.
        title: What an error calls the split.
        text: The column of texts.
        label: The column of labels; None if there is none.
        groups: More columns.

    Raises:
        DataError: if a file cannot be read, a column is missing, or a text is missing or is none.
    """
    sources: list[Source] = [KINDS[file.suffix.lower()](file) for file in files]
    others = [*([] if label is None else [label]), *groups]
    columns: dict[str, list[Any]] = {name: [] for name in others}
    contents = []
    for source in sources:
        with readable(source.path):
            contents.append([source.path.suffix.lower(), file_digest(source.path)])
            known = source.names()
            for name in (text, *others):
                if name not in known:
                    listed = ", ".join(known) or "none"
                    raise DataError(
                        f"{source.path} has no column '{name}'; it has {listed}. "
                        f"{nearest(name, known)}"
                    )
            for name, values in source.values(others).items():
                columns[name] += values
    key = digest("text column", text, contents)
    path = cached(f"texts-{key[:32]}.arrow", partial(copy_texts, sources, text, title))
    with pa.memory_map(str(path)) as mapped:
        column = pa.ipc.open_file(mapped).read_all()["text"]
    texts = TextColumn(column, title)
    if not len(texts):
        raise DataError(f"{title} is empty. Give it at least one row.")
    if label is None:
        return Rows(texts, [None] * len(texts), columns, None)
    return Rows(texts, columns[label], columns, sources[0].class_names(label))


def copy_texts(sources: Sequence["Source"], text: str, title: str, file: IO[bytes]) -> None:
    """Write all texts into an Arrow file."""
    schema = pa.schema([pa.field("text", pa.large_string(), nullable=False)])
    row = 0
    with pa.ipc.new_file(file, schema) as writer:
        for source in sources:
            for piece in read_pieces(source, text):
                array = checked(piece, row, title)
                writer.write_batch(pa.record_batch([array], schema=schema))
                row += len(array)


def read_pieces(source: "Source", text: str) -> Iterator[pa.Array | list[Any]]:
    with readable(source.path):
        yield from source.pieces(text)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What is wrong with a file is told in one sentence."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(
            f"{path} cannot be read as {path.suffix[1:]} ({str(error).splitlines()[0]}). Get it "
            "again, or correct it; text must be UTF-8."
        ) from error


def checked(piece: Any, first: int, title: str) -> pa.Array:
    """These texts as Arrow holds them here, the first of them being this row."""
    if isinstance(piece, list):
        return strings(piece, title, first)
    kind = piece.type.value_type if pa.types.is_dictionary(piece.type) else piece.type
    if piece.null_count:
        raise DataError(missing(first + piece.is_null().index(True).as_py(), title))
    if str(kind).removeprefix("large_") not in ("string", "string_view", "binary"):
        raise DataError(f"{title} holds {kind} where texts belong. Name its column of texts.")
    raw = piece.cast(kind).cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string())
    except pa.ArrowInvalid as error:
        row, data = next(each for each in enumerate(raw.to_pylist()) if not is_utf8(each[1]))
        raise DataError(
            f"row {first + row} of {title} is not UTF-8: {data[:40]!r}. Save the file as UTF-8, or "
            "correct the row."
        ) from error


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Source(Protocol):
    """A file whose columns can be read."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    def names(self) -> list[str]:
        """Its columns."""
        ...

    def values(self, columns: Sequence[str]) -> dict[str, list[Any]]:
        """All values of some columns."""
        ...

    def pieces(self, text: str) -> Iterator[pa.Array | list[Any]]:
        """The texts, so many at a time."""
        ...

    def class_names(self, label: str) -> Sequence[str] | None:
        """The names of the classes, if the file says them."""
        ...


@dataclass(frozen=True)
class ParquetFile:
    path: Path

    def names(self) -> list[str]:
        return list(pq.read_schema(self.path).names)

    def values(self, columns: Sequence[str]) -> dict[str, list[Any]]:
        table = pq.read_table(self.path, columns=list(columns))
        return {name: table[name].to_pylist() for name in columns}

    def pieces(self, text: str) -> Iterator[pa.Array]:
        for batch in pq.ParquetFile(self.path).iter_batches(PIECE, columns=[text]):
            yield batch.column(0)

    def class_names(self, label: str) -> Sequence[str] | None:
        return class_label_names(pq.read_schema(self.path), label)


@dataclass(frozen=True)
class CsvFile:
    path: Path

    def names(self) -> list[str]:
        return list(self.opened().schema.names)

    def values(self, columns: Sequence[str]) -> dict[str, list[Any]]:
        if not columns:
            return {}
        options = pc.ConvertOptions(
            include_columns=list(columns), null_values=["", "NaN", "nan"], strings_can_be_null=True
        )
        table = pc.read_csv(self.path, **self.reading(), convert_options=options)
        return {name: table[name].to_pylist() for name in columns}

    def pieces(self, text: str) -> Iterator[pa.Array]:
        for batch in self.opened(text):
            yield batch.column(0)

    def class_names(self, label: str) -> Sequence[str] | None:
        return None

    def opened(self, text: str | None = None) -> pc.CSVStreamingReader:
        """The file, or its column of texts, in which only a field without quotes is missing."""
        options = pc.ConvertOptions(check_utf8=False)
        if text is not None:
            options.include_columns = [text]
            options.column_types = {text: pa.large_binary()}
            options.null_values = [""]
            options.strings_can_be_null = True
            options.quoted_strings_can_be_null = False
        return pc.open_csv(self.path, **self.reading(), convert_options=options)

    def reading(self) -> dict[str, Any]:
        return {
            "read_options": pc.ReadOptions(block_size=BLOCK_BYTES),
            "parse_options": pc.ParseOptions(newlines_in_values=True),
        }


@dataclass(frozen=True)
class JsonLinesFile:
    path: Path

    def names(self) -> list[str]:
        return list(next(self.records(), {}))

    def values(self, columns: Sequence[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in columns}
        for record in self.records():
            for name in columns:
                found[name].append(record.get(name))
        return found

    def pieces(self, text: str) -> Iterator[list[Any]]:
        piece = []
        for record in self.records():
            piece.append(record.get(text))
            if len(piece) == PIECE:
                yield piece
                piece = []
        yield piece

    def class_names(self, label: str) -> Sequence[str] | None:
        return None

    def records(self) -> Iterator[dict[str, Any]]:
        """The objects, one of each line that is not blank."""
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line.decode("utf-8-sig"))
                except ValueError as error:
                    raise DataError(
                        f"line {number} of {self.path} is no JSON ({error}). Give JSON lines in "
                        "UTF-8: one object in each line."
                    ) from error
                if not isinstance(record, dict):
                    raise DataError(
                        f"line {number} of {self.path} is {type(record).__name__}, not an object "
                        '{...}. Give JSON lines: one object in each line, such as {"text": "...", '
                        '"label": 1}.'
                    )
                yield record


KINDS: dict[str, type[ParquetFile] | type[CsvFile] | type[JsonLinesFile]] = {
    ".parquet": ParquetFile,
    ".csv": CsvFile,
    ".jsonl": JsonLinesFile,
    ".json": JsonLinesFile,
}
SUFFIXES = tuple(KINDS)
