"""Frozen dataclasses as JSON and back, checked: a file's values are never trusted to be what they
should be.
"""

import dataclasses
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["from_json", "to_json"]

Record = TypeVar("Record")


def to_json(record: Any) -> dict[str, Any]:
    """A dataclass as JSON values."""
    return dataclasses.asdict(record)


def from_json(kind: type[Record], value: Any) -> Record:
    """JSON values as the dataclass they must be.

    Raises:
        TypeError, KeyError: naming the place, if they are not.
    """
    return value_as(kind, value, kind.__name__)  # type: ignore[no-any-return]


def value_as(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return record_as(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(value, list):
        return tuple(value_as(arguments[0], item, where) for item in value)
    if origin is not None and origin is not tuple and isinstance(value, dict):
        return {str(name): value_as(arguments[1], item, where) for name, item in value.items()}
    if origin in (Union, types.UnionType):
        return None if value is None else value_as(arguments[0], value, where)
    if origin is Literal and value in arguments:
        return value
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise TypeError(f"{where} is {value!r:.60}")


def record_as(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"{where} is {value!r:.60}")
    hints = get_type_hints(kind)
    return kind(**{name: value_as(hint, value[name], name) for name, hint in hints.items()})
