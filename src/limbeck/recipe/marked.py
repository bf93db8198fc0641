"""YAML as a tree of plain values that know their line.

`yaml.compose` with PyYAML's SafeLoader gives nodes with marks; only mappings with string keys,
lists and plain scalars are made of them. Tags other than YAML's own scalars, duplicate keys, deep
nesting and aliases that multiply are refused, so a recipe is data and nothing else.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from limbeck.errors import RecipeError

__all__ = ["Node", "Place", "compose", "plain"]

LONGEST_TEXT = 20_000
MOST_VALUES = 5_000
DEEPEST = 30
SCALARS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "value"})
EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


@dataclass(frozen=True)
class Place:
    """Where something in a recipe was written.

    Attributes:
        source: The recipe's file as the user named it, or the change from the command line.
        line: Line number from 1; None for a change from the command line.
        folder: What relative paths written there are relative to.
    """

    source: str
    line: int | None = None
    folder: Path = Path()

    def error(self, message: str) -> RecipeError:
        """A one-line error that says where."""
        where = f"{self.source}, line {self.line}" if self.line else self.source
        return RecipeError(one_line(f"{where}: {message}"))


@dataclass(frozen=True)
class Node:
    """A value of a recipe: a mapping or a list of nodes, or a plain scalar; and its place."""

    value: Any
    place: Place = field(compare=False)


def compose(text: str, place: Place) -> Node:
    """The tree of one YAML document.

    Raises:
        RecipeError: if it is not YAML, or holds more than plain values.
    """
    if len(text) > LONGEST_TEXT:
        raise place.error(
            f"the text has {len(text):,} characters; a recipe has at most {LONGEST_TEXT:,}."
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise at(place, mark).error(
            f"this is not YAML: {error.problem or error.context}. Close brackets and quotes, and "
            "indent with spaces."
        ) from None
    except yaml.YAMLError as error:
        raise place.error(f"this is not YAML: {error}. Remove the character.") from None
    except RecursionError:
        raise place.error(f"values are nested too deeply; at most {DEEPEST} levels.") from None
    if root is None:
        return Node({}, place)
    return Reader(place).node(root, 0)


def plain(node: Node) -> Any:
    """The node's value as dicts, lists and scalars."""
    if isinstance(node.value, Mapping):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


class Reader:
    """Turns YAML's nodes into ours, counting them, so that aliases cannot multiply for ever."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.values = 0
        self.scalars = yaml.SafeLoader("")

    def node(self, node: yaml.Node, depth: int) -> Node:
        place = at(self.place, node.start_mark)
        self.values += 1
        if self.values > MOST_VALUES:
            raise place.error(f"the recipe has more than {MOST_VALUES:,} values, aliases included.")
        if depth > DEEPEST:
            raise place.error(f"values are nested more than {DEEPEST} levels deep.")
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return Node(self.mapping(node, depth), place)
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return Node([self.node(child, depth + 1) for child in node.value], place)
        if isinstance(node, yaml.ScalarNode) and tag in SCALARS:
            return Node(self.scalar(node, tag, place), place)
        raise place.error(
            f"the tag '{node.tag}' is not allowed; a recipe holds text, numbers, lists and "
            "mappings. Remove the tag."
        )

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        children: dict[str, Node] = {}
        for key_node, value_node in node.value:
            place = at(self.place, key_node.start_mark)
            key = self.node(key_node, depth + 1).value
            if not isinstance(key, str):
                raise place.error(f"the key {shown(key)} is not a word. Write it in quotes.")
            if key in children:
                raise place.error(f"the key {shown(key)} is there twice. Remove one.")
            child = self.node(value_node, depth + 1)
            children[key] = Node(child.value, place)
        return children

    def scalar(self, node: yaml.ScalarNode, tag: str, place: Place) -> Any:
        text = node.value
        if tag in ("timestamp", "value") or (tag in ("int", "float") and ":" in text):
            return text
        if tag == "str":
            is_number = node.style is None and EXPONENT.fullmatch(text)
            return float(text) if is_number else text
        try:
            return self.scalars.construct_object(node)
        except (ValueError, KeyError, OverflowError, yaml.YAMLError):
            raise place.error(f"{shown(text)} is not of the kind '{tag}' that it seems.") from None


def at(place: Place, mark: yaml.Mark | None) -> Place:
    if mark is None or place.line is None:
        return place
    return Place(place.source, mark.line + 1, place.folder)


def shown(value: Any) -> str:
    """A value as an error message quotes it: short, on one line."""
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits has no decimal text
        return "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


def one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    words = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
