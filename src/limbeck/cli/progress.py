"""Progress of long steps: a bar with rate and time left, or plain lines without a terminal."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["PLAIN_SECONDS", "ConsoleProgress"]

PLAIN_SECONDS = 5.0
"""How often a plain line is written."""


class ConsoleProgress:
    """What long steps are given as `progress`; a context manager, so that the bar is cleared.

    Args:
        stream: Where to write; standard error by default.
        every: Seconds between plain lines, >= 0.
    """

    def __init__(self, stream: TextIO | None = None, *, every: float = PLAIN_SECONDS) -> None:
        self.stream = stream or sys.stderr
        self.every = every
        self.what = ""
        self.first = 0
        self.last = 0
        self.began = self.told = time.monotonic()
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> "ConsoleProgress":
        if self.stream.isatty():
            from limbeck.cli.console import bar

            self.bar = bar()
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that so much of a step is done."""
        if what != self.what or done < self.last:
            self.begin(what, done, total)
        self.last = done
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, completed=done, total=total)
            return
        now = time.monotonic()
        if now - self.told >= self.every:
            self.told = now
            print(self.line(done, total, now - self.began), file=self.stream, flush=True)

    def say(self, line: str) -> None:
        """Write a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.console.print(line, markup=False)
        else:
            print(line, file=self.stream, flush=True)

    def begin(self, what: str, done: int, total: int) -> None:
        """Start the clock of another step."""
        if self.bar is not None:
            if self.task is not None:
                self.bar.remove_task(self.task)
            self.task = self.bar.add_task(what, total=total, completed=done)
        elif what != self.what:
            self.told = time.monotonic()
        self.what, self.first = what, done
        self.began = time.monotonic()

    def line(self, done: int, total: int, seconds: float) -> str:
        """How far the step is, how fast, and when it will be done."""
        unit = units(self.what)
        text = f"{self.what}: {done:,} of {total:,} {unit}"
        rate = (done - self.first) / seconds if seconds > 0 else 0.0
        if rate <= 0:
            return text
        shown = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{text}, {shown} {unit}/s, {duration((total - done) / rate)} left"


def units(what: str) -> str:
    """What a step counts."""
    if what.startswith("train"):
        return "updates"
    return "runs" if what.startswith("compare") else "rows"


def duration(seconds: float) -> str:
    """Seconds as people read them: 6 s, 2 min 5 s, 1 h 4 min."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
