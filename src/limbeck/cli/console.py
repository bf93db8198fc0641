"""rich consoles of a sensible width; NO_COLOR is honoured by rich itself."""

import sys
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["bar", "console"]

WIDEST = 110


def console(stream: TextIO | None = None) -> Console:
    """A console on this stream, at most 110 columns wide, and wide enough for tables in a pipe."""
    made = Console(file=stream or sys.stdout, highlight=False, soft_wrap=False)
    made.width = min(made.width, WIDEST) if made.is_terminal else WIDEST
    return made


class RateColumn(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """The speed of the last seconds, or nothing."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="progress.data.speed")


def bar() -> Progress:
    """A progress bar with count, rate and time left, on standard error, that clears itself."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=console(sys.stderr),
        transient=True,
    )
