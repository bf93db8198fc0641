"""From nodes to typed values: what a parameter's annotation asks for, or one sentence.

The annotations of constructors and functions are the only list of what a recipe may say. A value
that is itself an object (an optimizer, a schedule) is written as its class's recipe name with its
arguments: `{adamw: {learning_rate: 0.003}}`.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from limbeck.errors import RecipeError, nearest
from limbeck.recipe.annotations import (
    MAPPINGS,
    SEQUENCES,
    VARIABLE,
    classes_of,
    described,
    expressible,
    is_union,
    members,
    parameters,
)
from limbeck.recipe.marked import Node, plain, shown

__all__ = ["arguments", "choose", "construct", "mapping", "read", "refuse_unknown", "single"]


def arguments(
    node: Node, target: Callable[..., Any], owner: str, *, given: Sequence[str] = ()
) -> dict[str, Any]:
    """Read a mapping as the keyword arguments of a class or function.

    Args:
        node: A mapping, or nothing.
        target: Whose parameters are the keys.
        owner: What errors call it.
        given: Parameters that come from elsewhere and need not be stated.

    Raises:
        RecipeError: for an unknown key, a missing one or a value of a wrong type.
    """
    stated = mapping(node, owner)
    known = {name: value for name, value in parameters(target).items() if name != "self"}
    refuse_unknown(stated, known, owner)
    for name, parameter in inspect.signature(target).parameters.items():
        required = parameter.default is parameter.empty and parameter.kind not in VARIABLE
        if required and name not in stated and name not in given:
            raise node.place.error(f"{owner} needs {name!r}. Add '{name}: ...' to it.")
    return {
        name: read(child, known[name].annotation, f"{owner}.{name}")
        for name, child in stated.items()
    }


def mapping(node: Node, owner: str) -> dict[str, Node]:
    """The keys of a section, none if it is empty.

    Raises:
        RecipeError: if it is not a mapping.
    """
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise node.place.error(
            f"{owner} is {shown(plain(node))}; it needs keys with values, such as "
            f"'{owner.split('.')[-1]}: {{key: value}}'."
        )
    return node.value


def refuse_unknown(stated: Mapping[str, Node], known: Mapping[str, Any], owner: str) -> None:
    """Raise at the first key that is not known, naming the nearest."""
    for key, child in stated.items():
        if key not in known:
            raise child.place.error(
                f"{owner} has no key {shown(key)}. {nearest(key, known, what='keys')}"
            )


def choose(
    node: Node, choices: Mapping[str, Callable[..., Any]], owner: str
) -> tuple[str, Callable[..., Any], Node]:
    """Read `{name: {arguments}}` or just `name`: the name, what it means, the arguments' node.

    Raises:
        RecipeError: if it is not one known name; the nearest is named.
    """
    name, rest = single(node, owner, choices)
    if name not in choices:
        raise node_place(node).error(f"{owner} has no {shown(name)}. {nearest(name, choices)}")
    return name, choices[name], rest


def single(node: Node, owner: str, choices: Mapping[str, Any]) -> tuple[str, Node]:
    """The one name of `{name: {arguments}}` or `name`, and the arguments' node."""
    if isinstance(node.value, str):
        return node.value, Node({}, node.place)
    if isinstance(node.value, dict) and len(node.value) == 1:
        return next(iter(node.value.items()))
    some = ", ".join(sorted(choices)[:8])
    if isinstance(node.value, dict) and node.value:
        found = " and ".join(list(node.value)[:3])
        raise node.place.error(f"{owner} names {found}; it needs one of them. Keep one.")
    raise node.place.error(
        f"{owner} is {shown(plain(node))}; it needs one name with its keys. Choose from: {some}."
    )


def node_place(node: Node) -> Any:
    if isinstance(node.value, dict) and node.value:
        return next(iter(node.value.values())).place
    return node.place


def read(node: Node, annotation: Any, owner: str) -> Any:
    """A node as a value of this type.

    Raises:
        RecipeError: saying what was found and what is needed.
    """
    if annotation in (Any, object, inspect.Parameter.empty):
        return plain(node)
    if is_union(annotation):
        return read_union(node, annotation, owner)
    origin = typing.get_origin(annotation)
    if origin in SEQUENCES:
        return read_sequence(node, annotation, owner)
    if origin in MAPPINGS:
        inner = typing.get_args(annotation)[1]
        return {
            key: read(child, inner, f"{owner}.{key}") for key, child in mapping(node, owner).items()
        }
    if origin is Literal:
        return read_literal(node, typing.get_args(annotation), owner)
    if choices := classes_of(annotation):
        name, target, rest = choose(node, choices, owner)
        return construct(target, arguments(rest, target, name), rest, name)
    return read_scalar(node, annotation, owner)


def read_union(node: Node, annotation: Any, owner: str) -> Any:
    if node.value is None and type(None) in members(annotation):
        return None
    options = [each for each in members(annotation) if each is not type(None) and expressible(each)]
    if {str, Path} <= set(options) and isinstance(node.value, str):
        return path_or_text(node)
    fitting = [option for option in options if fits(node, option)]
    if len(fitting) == 1:
        return read(node, fitting[0], owner)
    classes = {name: kind for option in fitting for name, kind in classes_of(option).items()}
    if classes:
        name, target, rest = choose(node, classes, owner)
        return construct(target, arguments(rest, target, name), rest, name)
    for option in (bool, int, float, str):
        if option in fitting and (type(node.value) is option or option is float):
            return read(node, option, owner)
    raise wrong(node, owner, " or ".join(described(option) for option in members(annotation)))


def fits(node: Node, option: Any) -> bool:
    """Whether a list, a mapping or a scalar is what such a value is written as."""
    if isinstance(node.value, list):
        return typing.get_origin(option) in SEQUENCES
    if isinstance(node.value, dict):
        return typing.get_origin(option) in MAPPINGS or bool(classes_of(option))
    if classes_of(option):
        return isinstance(node.value, str)
    if option in (int, float):
        return type(node.value) in (int, float)
    return option in (str, bool, Path) or typing.get_origin(option) is Literal


def read_sequence(node: Node, annotation: Any, owner: str) -> tuple[Any, ...] | list[Any]:
    inner = [option for option in typing.get_args(annotation) if option is not ...]
    pair = typing.get_origin(annotation) is tuple and ... not in typing.get_args(annotation)
    if not isinstance(node.value, list):
        raise wrong(node, owner, described(annotation))
    if pair and len(node.value) != len(inner):
        raise node.place.error(f"{owner} has {len(node.value)} values; it needs {len(inner)}.")
    types_of = inner if pair else inner[:1] * len(node.value)
    values = [
        read(child, kind, f"{owner}[{index}]")
        for index, (child, kind) in enumerate(zip(node.value, types_of, strict=True))
    ]
    return values if typing.get_origin(annotation) is list else tuple(values)


def read_literal(node: Node, options: tuple[Any, ...], owner: str) -> Any:
    value = plain(node)
    for option in options:
        if type(option) is type(value) and option == value:
            return option
    hint = nearest(value, map(str, options)) if isinstance(value, str) else ""
    raise wrong(node, owner, " or ".join(repr(option) for option in options), hint)


def read_scalar(node: Node, kind: Any, owner: str) -> Any:
    value = node.value
    if kind is float and type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise wrong(node, owner, "a number that fits into 64 bits") from None
    if kind is Path and isinstance(value, str):
        if not value or "\0" in value:
            raise wrong(node, owner, "a path")
        return node.place.folder / Path(value).expanduser()
    if kind in (str, int, float, bool) and type(value) is kind:
        return value
    raise wrong(node, owner, described(kind))


def path_or_text(node: Node) -> str | Path:
    """A path if something is there, else the text itself, such as a hub id."""
    if not node.value or "\0" in node.value:
        raise wrong(node, "the path", "a path")
    try:
        path: Path = node.place.folder / Path(node.value).expanduser()
        return path if path.exists() else node.value
    except (OSError, RuntimeError):
        return str(node.value)


def construct(target: Callable[..., Any], stated: Mapping[str, Any], node: Node, name: str) -> Any:
    """Call a class or function, naming the recipe's line where it refuses.

    Raises:
        RecipeError: if it refuses its arguments.
    """
    try:
        return target(**stated)
    except RecipeError:
        raise
    except (ValueError, TypeError, OverflowError, OSError) as error:
        first = str(error).split(" ", 1)[0].strip("'`:")
        stated_there = node.value.get(first, node) if isinstance(node.value, dict) else node
        raise stated_there.place.error(f"{name}: {error}") from error


def wrong(node: Node, owner: str, needed: str, hint: str = "") -> RecipeError:
    ending = f" {hint}" if hint else ""
    return node.place.error(f"{owner} is {shown(plain(node))}; it needs {needed}.{ending}")
