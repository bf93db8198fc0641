"""Frozen dataclasses as JSON and back, checked: a file's values are never trusted to be what they
should be.

A field with a default is left out where it has it, so that a new field changes no old file.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["from_json", "to_json"]

Record = TypeVar("Record")


def to_json(record: Any) -> dict[str, Any]:
    """A dataclass as JSON values."""
    fields = ((field, getattr(record, field.name)) for field in dataclasses.fields(record))
    return {field.name: jsonable(value) for field, value in fields if value != default_of(field)}


def jsonable(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, Mapping):
        return {name: jsonable(item) for name, item in value.items()}
    return [jsonable(item) for item in value] if isinstance(value, (tuple, list)) else value


def default_of(field: "dataclasses.Field[Any]") -> Any:
    """What a field has if nothing is said; `MISSING` if something must be."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


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
    defaults = {field.name: default_of(field) for field in dataclasses.fields(kind)}
    needed = [n for n in hints if n in value or defaults[n] is dataclasses.MISSING]
    return kind(**{name: value_as(hints[name], value[name], name) for name in needed})
