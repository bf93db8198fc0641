"""Texts to predict on: read from a file, tokenised as the student's own tokenizer.json says."""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from limbeck.errors import DataError, LimbeckError, nearest

__all__ = ["MOST_TOKENS", "batches_of_tokens", "read_texts", "tokenised"]

MOST_TOKENS = 32_768
"""How many token ids a batch holds at most, unless one text alone has more."""


def read_texts(path: Path, column: str) -> list[str]:
    """The texts in a file: the lines of a .txt file, or a column of the others.

    Raises:
        DataError: if the file or the column is not there, or a text is missing.
    """
    readers = {".txt": lines, ".csv": of_csv, ".jsonl": of_json_lines, ".parquet": of_parquet}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} is no file of texts. Give one of {', '.join(readers)}.")
    if not path.is_file():
        raise DataError(f"no texts at {path}. Correct the path.")
    try:
        texts = readers[path.suffix.lower()](path, column)
    except DataError:
        raise
    except (OSError, ValueError, csv.Error) as error:  # Arrow's and Unicode's are ValueErrors
        raise DataError(
            f"{path} cannot be read ({str(error).splitlines()[0]}). Give texts in UTF-8."
        ) from error
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"row {row} of {path} is {text!r}. Give a text; it may be empty.")
    return texts


def lines(path: Path, _: str) -> list[Any]:
    """A text per line."""
    return path.read_text(encoding="utf-8").splitlines()


def of_csv(path: Path, column: str) -> list[Any]:
    """A column of a CSV file with a heading."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        check_column(column, reader.fieldnames or (), path)
        return [row[column] for row in reader]


def of_json_lines(path: Path, column: str) -> list[Any]:
    """A key of the objects in a file of JSON lines."""
    rows = [json.loads(line) for line in lines(path, column) if line.strip()]
    keys = {key for row in rows if isinstance(row, dict) for key in row}
    check_column(column, sorted(keys), path)
    return [row.get(column) if isinstance(row, dict) else row for row in rows]


def of_parquet(path: Path, column: str) -> list[Any]:
    """A column of a Parquet file."""
    import pyarrow.parquet as pq

    check_column(column, pq.read_schema(path).names, path)
    found: list[Any] = pq.read_table(path, columns=[column])[column].to_pylist()
    return found


def check_column(column: str, known: Sequence[str], path: Path) -> None:
    if column not in known:
        raise DataError(
            f"{path} has no column '{column}'. {nearest(column, known, what='columns')} Name "
            "another: --column NAME"
        )


def tokenised(texts: Sequence[str], path: Path, sha256: str) -> list[Int64[np.ndarray, " _"]]:
    """Each text's token ids, without padding.

    Raises:
        LimbeckError: if there is no tokenizer.json, it is another model's, or the tokenizers
            library is not installed.
        DataError: if a text has no token.
    """
    try:
        import tokenizers
    except ImportError:
        raise LimbeckError(
            "a student of texts needs the tokenizers library. Install it with: pip install "
            "'limbeck[text]'"
        ) from None
    if not path.is_file():
        raise LimbeckError(
            f"there is no {path}, with which the student reads texts. Copy it there; export wrote "
            "it beside the .onnx file."
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise LimbeckError(
            f"{path} is not the tokenizer that was exported with the student: its tokens would "
            "mean other words. Export the student again."
        )
    tokenizer = tokenizers.Tokenizer.from_buffer(content)
    tokenizer.no_padding()
    found = [np.array(each.ids, dtype=np.int64) for each in tokenizer.encode_batch(list(texts))]
    for row, tokens in enumerate(found):
        if not len(tokens):
            raise DataError(f"text {row} has no token: {texts[row][:40]!r}. Take it out.")
    return found


def batches_of_tokens(
    tokens: Sequence[Int64[np.ndarray, " _"]], padding: int, batch_size: int
) -> Iterator[tuple[list[int], Int64[np.ndarray, "b t"]]]:
    """Which texts, and their tokens padded to the longest of them; texts of like length together.

    Args:
        tokens: Of each text.
        padding: The id that fills a row up.
        batch_size: The most texts of a batch.
    """
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
    start = 0
    while start < len(order):
        rows = order[start : start + batch_size]
        while len(rows) > 1 and len(rows) * len(tokens[rows[-1]]) > MOST_TOKENS:
            rows.pop()
        batch = np.full((len(rows), len(tokens[rows[-1]])), padding, dtype=np.int64)
        for place, row in enumerate(rows):
            batch[place, : len(tokens[row])] = tokens[row]
        yield rows, batch
        start += len(rows)
