"""How a command ends when it does not end well: one sentence and an exit code."""

import errno
import os
import sys
import traceback
from pathlib import Path

import typer
from typer.exceptions import TyperException

import limbeck
from limbeck.errors import LimbeckError

__all__ = ["ending"]

INTERRUPTED = (
    "interrupted. What was done is kept; give the same command again and it goes on from there."
)
NO_MEMORY = (
    "there is not enough memory for this. Take a smaller batch_size, fewer or smaller layers, or "
    "a machine with more."
)


def ending(error: BaseException) -> int:
    """Tell the user about an exception, and give the exit code.

    Raises:
        BaseException: the exception itself, if it is neither an error nor an interruption.
    """
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        tell(INTERRUPTED, label="")
        return 130
    if isinstance(error, TyperException):
        return misuse(error)
    if isinstance(error, BrokenPipeError):
        silence()
        return 1
    if not isinstance(error, Exception):
        raise error
    sentence = explained(error)
    if sentence is None:
        traceback.print_exception(error, file=sys.stderr)
        tell("this is a fault in limbeck. Please report it, with the lines above.", label="")
        return 1
    tell(sentence)
    return 2


def explained(error: Exception) -> str | None:
    """One sentence about a mistake of the user's or a fault of disk or data; None for our bugs."""
    if isinstance(error, LimbeckError):
        return str(error)
    if isinstance(error, OSError):
        return about_files(error)
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return NO_MEMORY
    if isinstance(error, ValueError) and raised_by_limbeck(error):
        return str(error)
    return None


def about_files(error: OSError) -> str:
    name = error.filename if error.filename is not None else "the disk"
    if error.errno == errno.ENOSPC:
        return (
            f"no space is left on the disk of {Path.cwd()}. Free some, then give the same command "
            "again: it goes on from there."
        )
    if isinstance(error, FileNotFoundError):
        return f"there is no file {name}. Check the path."
    if isinstance(error, PermissionError):
        return f"{name} may not be read or written by you. Change its permissions, or the path."
    return f"{name}: {error.strerror or error}. Check the path and the disk."


def raised_by_limbeck(error: Exception) -> bool:
    """Whether the error was raised by a line of limbeck's, so that its text is for the user."""
    frames = traceback.extract_tb(error.__traceback__)
    home = Path(limbeck.__file__).parent
    return bool(frames) and home in Path(frames[-1].filename).parents


def misuse(error: TyperException) -> int:
    """A mistyped command or option: typer's sentence, which names the nearest command."""
    message = error.format_message()
    if message.startswith("Usage:"):
        print(message)
        return error.exit_code
    stop = "" if message.endswith((".", "?")) else "."
    tell(f"{message}{stop} Try: limbeck --help")
    return 2


def tell(message: str, label: str = "error: ") -> None:
    line = " ".join(message.split())
    print(f"{label}{line}", file=sys.stderr)


def silence() -> None:
    """Keep Python from complaining about the closed pipe when it flushes standard output."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
