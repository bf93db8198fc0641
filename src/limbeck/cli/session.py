"""Open a recipe's experiment with progress and messages on the terminal."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from limbeck.experiment import Experiment

__all__ = ["experiment"]


@contextmanager
def experiment(recipe: str, changes: list[str] | None) -> "Iterator[Experiment]":
    """The checked experiment of a recipe with changes; bars and warnings go to standard error."""
    from limbeck.cli.progress import ConsoleProgress
    from limbeck.experiment import Experiment
    from limbeck.recipe import Recipe

    loaded = Recipe.load(recipe).override(changes or []).check()
    with ConsoleProgress() as progress, warnings.catch_warnings():
        warnings.showwarning = warn
        yield Experiment(loaded, progress=progress, say=progress.say)


def say(line: str) -> None:
    """A line about what is being done, on standard error."""
    print(line, file=sys.stderr, flush=True)


def warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as one line, without the line of code it comes from."""
    say("warning: " + " ".join(str(message).split()))
