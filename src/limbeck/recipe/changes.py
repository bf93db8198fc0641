"""Changes to a recipe from the command line: `training.epochs=5`, `data=PATH`."""

from pathlib import Path
from typing import Any

from limbeck.recipe.annotations import parameters
from limbeck.recipe.marked import Node, Place, compose, one_line, shown
from limbeck.recipe.pieces import Piece

__all__ = ["change"]


def change(tree: Node, text: str, data: Piece) -> Node:
    """The tree with one change of the form key.key=value, the value being YAML.

    `data=PATH` or `data=HUB-ID` replaces the path of the data source.

    Raises:
        RecipeError: if the change is not of that form, or leads into a value that has no keys.
    """
    place = Place(one_line(f"{shown(text)}"), None, Path.cwd())
    key, equals, value = text.partition("=")
    keys = [part.strip() for part in key.split(".")]
    if not equals or not all(keys):
        raise place.error("this is not a change. Write it as key=value, such as training.epochs=5.")
    if keys == ["data"] and not value.lstrip().startswith("{"):
        return replaced(tree, ["data", data.name, path_parameter(data, place)], whole(value, place))
    new = compose(value, place)
    if not value.strip():
        new = Node(None, place)
    return replaced(tree, keys, new)


def path_parameter(data: Piece, place: Place) -> str:
    known = parameters(data.target) if data.target is not None else data.arguments
    if "path" not in known:
        raise place.error(
            f"this recipe's data is {data.name}, which comes with limbeck and has no path. State "
            "another source, such as data='{arrays: {path: my.npz}}'."
        )
    return "path"


def whole(value: str, place: Place) -> Node:
    """A path or hub id as it is, made absolute if something is there."""
    try:
        path = Path(value).expanduser()
        return Node(str(path.absolute()) if value and path.exists() else value, place)
    except (OSError, ValueError, RuntimeError):
        return Node(value, place)


def replaced(node: Node, keys: list[str], new: Node) -> Node:
    """The tree with the value at these keys replaced, mappings on the way made where missing."""
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if isinstance(node.value, list):
        if not key.isdecimal() or int(key) >= len(node.value):
            raise new.place.error(
                f"{shown(key)} is not in this list of {len(node.value)}; count from 0."
            )
        items = list(node.value)
        items[int(key)] = replaced(items[int(key)], rest, new)
        return Node(items, node.place)
    children: dict[str, Any] = {}
    if isinstance(node.value, dict):
        children = dict(node.value)
    elif isinstance(node.value, str):
        children = {node.value: Node({}, node.place)}
    elif node.value is not None:
        raise new.place.error(f"{shown(key)} leads into {shown(node.value)}, which has no keys.")
    children[key] = replaced(children.get(key, Node(None, new.place)), rest, new)
    return Node(children, node.place)
