"""From labels as files hold them, numbers or names, to class numbers and class names."""

import json
import math
from collections.abc import Mapping, Sequence

import pyarrow as pa
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import DataError, nearest
from limbeck.types import UNLABELLED

__all__ = ["class_label_names", "number_labels"]

Label = int | str


def number_labels(
    columns: Mapping[str, Sequence[object]], classes: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], dict[str, Int[Tensor, " n"]]]:
    """Number the labels of all splits alike.

    Labels that are text are class names; numbers are positions among the class names. Without class
    names these are the labels that occur, sorted. None, "", NaN and -1 mean unlabelled.

    Args:
        columns: The labels of each split.
        classes: Class names, or None.
        where: What an error calls the source.

    Raises:
        DataError: if a label is no class, numbers and text are mixed, or nothing names the classes.
    """
    cleaned = {
        split: [
            clean(value, f"row {row} of {split} in {where}") for row, value in enumerate(column)
        ]
        for split, column in columns.items()
    }
    present = {value for column in cleaned.values() for value in column if value is not None}
    texts = sorted(value for value in present if isinstance(value, str))
    integers = sorted(value for value in present if isinstance(value, int))
    if texts and integers:
        raise DataError(
            f"the labels in {where} mix text ('{texts[0]}') and numbers ({integers[0]}). "
            "Use one or the other."
        )
    if classes is None and not present:
        raise DataError(
            f"{where} has no labels and nothing names the classes. Give classes=[...], in the "
            "order of the teacher's outputs."
        )
    if classes is None and integers and integers[0] < 0:
        raise DataError(
            f"{where} has the label {integers[0]}. Labels are 0 or more, and -1 where there is "
            "none. Correct it, or name the classes as text."
        )
    names = tuple(map(str, classes if classes is not None else texts or integers))
    number_of: dict[Label, int] = {}
    if texts:
        number_of = {name: number for number, name in enumerate(names)}
    elif classes is not None:
        number_of = {number: number for number in range(len(names))}
    else:
        number_of = {value: number for number, value in enumerate(integers)}
    for split, column in cleaned.items():
        for row, value in enumerate(column):
            if value is not None and value not in number_of:
                raise DataError(unknown(value, names, f"row {row} of {split} in {where}"))
    numbered = {
        split: torch.tensor(
            [UNLABELLED if value is None else number_of[value] for value in column],
            dtype=torch.int64,
        )
        for split, column in cleaned.items()
    }
    return names, numbered


def class_label_names(schema: pa.Schema, label: str) -> list[str] | None:
    """The class names that the hub's own writer left in the file, if it did."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names]


def clean(value: object, place: str) -> Label | None:
    if value is None or value == "" or value == UNLABELLED or value == str(UNLABELLED):
        return None
    if isinstance(value, (int, str)):
        return str(value) if isinstance(value, bool) else value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if value.is_integer():
            return int(value)
    raise DataError(
        f"the label in {place} is {value!r}. Labels are class names or whole numbers, and empty "
        "or -1 where there is none."
    )


def unknown(value: Label, names: tuple[str, ...], place: str) -> str:
    if isinstance(value, str):
        return f"the label '{value}' in {place} is no class. {nearest(value, names)}"
    return (
        f"the label {value} in {place} is out of range: {len(names)} class names were given, for "
        f"labels 0 to {len(names) - 1} (-1: unlabelled). Name all classes, or correct the label."
    )
