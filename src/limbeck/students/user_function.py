"""A function or class in the user's own file, named as "path/to/file.py:function".

This is the only way code from outside limbeck is run, and only where the user wrote the name. What
goes wrong in it is told in the user's own words: their error and their line.
"""

import functools
import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from limbeck.errors import LimbeckError, nearest
from limbeck.students.student import Student

__all__ = ["call", "from_file", "is_reference", "user_function"]


def is_reference(name: str) -> bool:
    """Whether a name means something in a user's file: "model.py:build", not "mlp"."""
    return name.rpartition(":")[0].endswith(".py")


def user_function(reference: str, *, folder: str | Path = ".") -> Callable[..., Any]:
    """The function or class that a reference names. Its file is run once per content.

    Args:
        reference: "path/to/file.py:function". Names beside the file can be imported by it.
        folder: Where a relative path starts.

    Raises:
        LimbeckError: if there is no such file or function, or the file raises.
    """
    file, _, name = reference.rpartition(":")
    if not is_reference(reference) or not name:
        raise LimbeckError(
            f"'{reference}' does not name a function in a file. Write the file, a colon and the "
            "function: model.py:build"
        )
    path = (Path(folder) / Path(file).expanduser()).resolve()
    if not path.is_file():
        raise LimbeckError(
            f"there is no file {path}, which '{reference}' names. Correct the path; it starts "
            f"from {Path(folder).resolve()}."
        )
    module = loaded(path)
    found = getattr(module, name, None)
    if not callable(found):
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        what = "has no function" if found is None else "has something else than a function as"
        raise LimbeckError(f"{file} {what} '{name}'. {nearest(name, own, what='functions')}")
    function: Callable[..., Any] = found
    return function


def call(function: Callable[..., Any], arguments: Mapping[str, Any], reference: str) -> Any:
    """What a user's function returns for these arguments.

    Raises:
        LimbeckError: if it does not take them, or raises.
    """
    try:
        signature = inspect.signature(function)
        signature.bind(**arguments)
    except TypeError as error:
        parameters = ", ".join(signature.parameters) or "none"
        raise LimbeckError(
            f"{reference} cannot be called with these arguments: {error}. Its parameters: "
            f"{parameters}."
        ) from error
    except ValueError:
        pass  # a function written in C has no signature to check against
    try:
        return function(**arguments)
    except LimbeckError:
        raise
    except Exception as error:
        home = sys.modules.get(getattr(function, "__module__", ""))
        path = Path(getattr(home, "__file__", None) or ".")
        raise LimbeckError(f"{reference} raised {told(error, path)}. Correct it there.") from error


def from_file(
    function: str, arguments: Mapping[str, Any] | None = None, *, folder: str | Path = "."
) -> Student:
    """A student built by a function in the user's own file.

    Args:
        function: "path/to/file.py:function"; it returns an untrained `nn.Module` and is called
            anew for each seed.
        arguments: What it is called with, by name.
        folder: Where a relative path starts.

    Raises:
        LimbeckError: if there is no such file or function, if it raises, or if it returns no
            nn.Module.

    Example:
        student = from_file("model.py:build", {"width": 32})
    """
    arguments = dict(arguments or {})
    build = functools.partial(
        build_module, user_function(function, folder=folder), arguments, function
    )
    return Student(build, architecture={function: arguments})


def build_module(
    function: Callable[..., Any], arguments: Mapping[str, Any], reference: str
) -> nn.Module:
    """The module that a user's function returns, or a LimbeckError."""
    module = call(function, arguments, reference)
    if isinstance(module, nn.Module):
        return module
    raise LimbeckError(
        f"{reference} returned {type(module).__name__}; a student or teacher is built by a "
        "function that returns a torch.nn.Module. Return the model."
    )


def loaded(path: Path) -> ModuleType:
    """The user's file as a module; the same one as long as the file stays the same."""
    source = path.read_bytes()
    identity = hashlib.sha256(str(path).encode() + b"\0" + source).hexdigest()[:16]
    name = f"limbeck_user_file_{identity}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(source, path, "exec"), vars(module))  # no bytecode cache, which may be stale
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise LimbeckError(
            f"{path} cannot be loaded: it raised {told(error, path)}. Correct it there."
        ) from error
    finally:
        sys.path.remove(str(path.parent))
    return module


def told(error: BaseException, path: Path) -> str:
    """A user's error in one line: its type, its text, and the last line of their file in it."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{kind}: {error.msg} (line {error.lineno})"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{kind}: {text}{where}" if text else f"{kind}{where}"
