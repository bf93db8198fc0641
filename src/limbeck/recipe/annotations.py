"""What a parameter's annotation means in a recipe, and which parameters a recipe can state."""

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union

from limbeck.recipe.naming import snake_case

__all__ = ["classes_of", "described", "expressible", "is_union", "members", "parameters"]

SEQUENCES = (tuple, list, collections.abc.Sequence, collections.abc.Iterable)
MAPPINGS = (dict, collections.abc.Mapping)
KEYWORD = inspect.Parameter.KEYWORD_ONLY
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@functools.cache
def parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """The parameters of a class or function that a recipe can state, with real annotations."""
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):
        hints = {}
    found = {}
    for name, parameter in inspect.signature(target).parameters.items():
        annotation = hints.get(name, parameter.annotation)
        if parameter.kind not in VARIABLE and expressible(annotation):
            found[name] = parameter.replace(annotation=annotation)
        if parameter.kind is parameter.VAR_KEYWORD and hasattr(target, "get_params"):
            others = target().get_params()  # XGBoost's classes take most of theirs as keywords
            found |= {other: inspect.Parameter(other, KEYWORD, default=None) for other in others}
    return found


def expressible(annotation: Any) -> bool:
    """Whether a recipe can state a value of this type."""
    if annotation in (Any, object, inspect.Parameter.empty, str, int, float, bool, Path):
        return True
    origin = typing.get_origin(annotation)
    if is_union(annotation):
        return any(expressible(option) for option in members(annotation))
    if origin in SEQUENCES or origin in MAPPINGS:
        return all(expressible(inner) for inner in typing.get_args(annotation) if inner is not ...)
    return origin is Literal or bool(classes_of(annotation))


def described(annotation: Any) -> str:
    """What an error says is needed."""
    names = {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        Path: "a path",
        type(None): "null",
    }
    if annotation in names:
        return names[annotation]
    if typing.get_origin(annotation) in SEQUENCES:
        return "a list such as [1, 2]" if int in typing.get_args(annotation) else "a list"
    if typing.get_origin(annotation) is Literal:
        return " or ".join(repr(option) for option in typing.get_args(annotation))
    return "keys with values"


def is_union(annotation: Any) -> bool:
    """Whether it is of the form `int | None`."""
    return typing.get_origin(annotation) in (Union, types.UnionType)


def members(annotation: Any) -> tuple[Any, ...]:
    """A union's options, or the one type itself."""
    return typing.get_args(annotation) if is_union(annotation) else (annotation,)


def classes_of(annotation: Any) -> dict[str, type]:
    """Our own classes that a value of this type can be, by recipe name."""
    if not inspect.isclass(annotation) or not annotation.__module__.startswith("limbeck."):
        return {}
    if getattr(annotation, "_is_protocol", False):
        kinds = implementations(annotation)
    else:
        kinds = [annotation, *annotation.__subclasses__()]
    return {snake_case(kind.__name__): kind for kind in kinds if not inspect.isabstract(kind)}


def implementations(protocol: type) -> list[type]:
    """The classes beside a protocol, in its own module, that have all its attributes."""
    module = inspect.getmodule(protocol)
    wanted = [*protocol.__annotations__, *(name for name in vars(protocol) if name == "__call__")]
    return [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and kind is not protocol
        and kind.__module__ == protocol.__module__
        and all(hasattr(kind, name) for name in wanted)
    ]
