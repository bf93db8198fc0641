"""Students as a recipe states them: {"mlp": {"hidden": [16]}} or {"model.py:build": {...}}."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError, nearest
from limbeck.students.cnn import cnn
from limbeck.students.mlp import mlp
from limbeck.students.student import Student
from limbeck.students.text_cnn import text_cnn
from limbeck.students.text_gru import text_gru
from limbeck.students.text_transformer import text_transformer
from limbeck.students.transformers_classifier import transformers_classifier
from limbeck.students.user_function import from_file, is_reference, user_function

__all__ = ["from_architecture", "parameters"]


def from_architecture(architecture: Mapping[str, Any], *, folder: str | Path = ".") -> Student:
    """The student that a recipe or a saved student.json describes.

    Args:
        architecture: One name, such as mlp or "path/to/file.py:function", and its arguments.
        folder: Where the path of a user's file starts.

    Raises:
        LimbeckError: if the name or an argument is unknown, missing or out of range.

    Example:
        >>> student = from_architecture({"mlp": {"inputs": 64, "hidden": [16], "classes": 10}})
    """
    name, arguments = named(architecture)
    if is_reference(name):
        return from_file(name, arguments, folder=folder)
    known = parameters(name)
    for key in arguments:
        if key not in known:
            raise LimbeckError(
                f"{name} has no parameter '{key}'. {nearest(key, known, what='parameters')}"
            )
    missing = [key for key, required in known.items() if required and key not in arguments]
    if missing:
        raise LimbeckError(f"{name} needs {' and '.join(missing)}. Say it beside the others.")
    try:
        return builder(name)(**arguments)
    except LimbeckError:
        raise
    except ValueError as error:
        raise LimbeckError(f"{name}: {error}") from error


def parameters(name: str, *, folder: str | Path = ".") -> dict[str, bool]:
    """An architecture's parameters, and whether each must be given.

    `inputs`, `classes` and `input_shape` are what a transfer set can fill in, and one of texts
    `vocabulary`, `padding` and `max_length`.

    Args:
        name: Such as mlp or "path/to/file.py:function".
        folder: Where the path of a user's file starts.

    Raises:
        LimbeckError: if there is no such architecture, file or function.
    """
    build: Callable[..., Any]
    build = user_function(name, folder=folder) if is_reference(name) else builder(name)
    return {
        key: parameter.default is inspect.Parameter.empty
        for key, parameter in inspect.signature(build).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }


def builder(name: str) -> Callable[..., Student]:
    """The function in limbeck that builds this architecture."""
    functions = (mlp, cnn, text_cnn, text_gru, text_transformer, transformers_classifier)
    known: dict[str, Callable[..., Student]] = {each.__name__: each for each in functions}
    if name not in known:
        raise LimbeckError(
            f"there is no student '{name}'. {nearest(name, known, what='students')} Or name a "
            "function in a file of yours: model.py:build"
        )
    return known[name]


def named(architecture: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The one name in an architecture, and its arguments."""
    if not isinstance(architecture, Mapping) or len(architecture) != 1:
        raise LimbeckError(
            f"a student is one name with its arguments, such as mlp: {{hidden: [16]}}; found "
            f"{architecture!r}."
        )
    ((name, arguments),) = architecture.items()
    if arguments is None:
        arguments = {}
    if not isinstance(name, str) or not isinstance(arguments, Mapping):
        raise LimbeckError(
            f"the student {name} has {arguments!r} where its arguments belong. Write them by "
            "name: {hidden: [16]}"
        )
    return name, dict(arguments)
