"""Errors that end a command with one sentence and exit code 2, and the warnings.

The grammar of every message: what was found, what is needed, what to do; and the consequence where
it would have been silent.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "DataError",
    "LimbeckError",
    "NoKnowledgeWarning",
    "RecipeError",
    "StoreError",
    "StoreMismatch",
    "TeacherError",
    "nearest",
]


class LimbeckError(ValueError):
    """A user's mistake, or a fault of the disk or the data, told in one sentence."""


class RecipeError(LimbeckError):
    """The recipe does not say what limbeck can run; names the file and the line."""


class DataError(LimbeckError):
    """The transfer set cannot be read or does not fit: missing files, labels, NaN inputs."""


class TeacherError(LimbeckError):
    """A teacher cannot be loaded or answers nonsense."""


class StoreError(LimbeckError):
    """A knowledge store is missing, incomplete or damaged."""


class StoreMismatch(StoreError):
    """A knowledge store that is about other data, another teacher or other views."""


class NoKnowledgeWarning(UserWarning):
    """The teacher's answers teach nothing that the labels would not."""


def nearest(word: str, known: Iterable[str], *, what: str = "") -> str:
    """The end of an error about an unknown name: the closest known one, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    listed = ", ".join(names) or "none"
    return f"Known{' ' + what if what else ''}: {listed}."
