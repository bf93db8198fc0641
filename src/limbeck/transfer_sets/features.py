"""Columns of a table as numbers: standardised, or one column per value."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck.errors import DataError

__all__ = ["Categorical", "Feature", "Numeric", "encode", "fit"]

MOST_VALUES = 1000
"""More different values than this are taken for names or ids, not for categories."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: minus the training part's mean, over its standard deviation."""

    name: str
    mean: float
    deviation: float

    @property
    def columns(self) -> tuple[str, ...]:
        """The name of the input it becomes."""
        return (self.name,)

    def encode(self, column: Any) -> Floats:
        """The standardised values, (n, 1)."""
        inputs: Floats = ((as_numbers(column) - self.mean) / self.deviation)[:, None]
        return inputs

    def settings(self) -> dict[str, Any]:
        """Its part of the preprocessing, as JSON values."""
        return {"name": self.name, "mean": self.mean, "deviation": self.deviation}


@dataclass(frozen=True)
class Categorical:
    """A column of categories: one input per value that the training part has, 1 or 0.

    A value that only other parts have is 0 in all of them.
    """

    name: str
    values: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the inputs it becomes."""
        return tuple(f"{self.name}={value}" for value in self.values)

    def encode(self, column: Any) -> Floats:
        """One 1 per row, (n, values)."""
        position = {value: i for i, value in enumerate(self.values)}
        found = np.array([position.get(str(value), -1) for value in column.to_pylist()])
        inputs: Floats = (found[:, None] == np.arange(len(self.values))).astype(np.float64)
        return inputs

    def settings(self) -> dict[str, Any]:
        """Its part of the preprocessing, as JSON values."""
        return {"name": self.name, "values": list(self.values)}


Feature = Numeric | Categorical


def fit(
    training: pa.Table, names: Sequence[str], categorical: Sequence[str], where: str
) -> list[Feature]:
    """How to encode these columns, learned from the training part.

    Raises:
        DataError: if a column is neither numbers nor categories.
    """
    return [fit_column(training[name], name, name in categorical, where) for name in names]


def fit_column(column: Any, name: str, as_category: bool, where: str) -> Feature:
    kind = column.type
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if is_number and not as_category:
        numbers = as_numbers(column)
        mean = math.fsum(numbers) / len(numbers)
        with np.errstate(over="ignore"):
            squares = (numbers - mean) ** 2
        deviation = math.sqrt(math.fsum(squares) / len(numbers))
        if not math.isfinite(deviation):
            raise DataError(f"the numbers of column '{name}' in {where} are too large. Rescale it.")
        return Numeric(name, mean, deviation or 1.0)
    if not (is_number or pa.types.is_boolean(kind) or is_text(kind)):
        raise DataError(
            f"column '{name}' of {where} is {kind}, neither numbers nor categories. Leave it out "
            "of features, or turn it into one of them."
        )
    values = sorted({str(value) for value in column.to_pylist()})
    if not as_category:
        check_categories(values, name, where)
    return Categorical(name, tuple(values))


def check_categories(values: list[str], name: str, where: str) -> None:
    texts = [value for value in values if not is_numeral(value)]
    if not texts:
        raise DataError(
            f"column '{name}' of {where} holds numbers written as text. Write them as numbers, or "
            f"say categorical=['{name}']."
        )
    if 2 * len(texts) <= len(values):
        raise DataError(
            f"column '{name}' of {where} mixes numbers with text such as '{texts[0]}'. Correct "
            f"these values, or say categorical=['{name}']."
        )
    if len(values) > MOST_VALUES:
        raise DataError(
            f"column '{name}' of {where} has {len(values)} different values. Leave it out of "
            f"features if it names rows; else say categorical=['{name}']."
        )


def encode(columns: pa.Table, features: Sequence[Feature]) -> "np.ndarray[Any, np.dtype[Any]]":
    """The inputs of these rows, float32, (n, d)."""
    encoded = [feature.encode(columns[feature.name]) for feature in features]
    return np.concatenate(encoded, axis=1).astype(np.float32)


def as_numbers(column: Any) -> Floats:
    numbers: Floats = column.cast(pa.float64()).to_numpy()
    return numbers


def is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_numeral(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
