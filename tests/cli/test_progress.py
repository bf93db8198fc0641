"""Progress on a terminal and without one."""

import io

import pytest

from limbeck.cli import progress as module
from limbeck.cli.progress import ConsoleProgress, duration


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in seconds, as a list of one."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_there_is_a_plain_line_every_few_seconds(clock: list[float]) -> None:
    """A log file with sixty thousand lines, or with none for an hour."""
    stream = io.StringIO()
    with ConsoleProgress(stream, every=5.0) as progress:
        for done in range(0, 60_001, 1000):
            progress("annotate", done, 60_000)
            clock[0] += 0.5
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[0] == "annotate: 10,000 of 60,000 rows, 2,000 rows/s, 25 s left"


def test_a_resumed_step_does_not_count_what_was_there_before(clock: list[float]) -> None:
    """A resumed run that promises to end in a second."""
    stream = io.StringIO()
    progress = ConsoleProgress(stream, every=5.0)
    progress("train", 5000, 6000)
    clock[0] += 10
    progress("train", 5100, 6000)
    assert stream.getvalue() == "train: 5,100 of 6,000 updates, 10 updates/s, 1 min 30 s left\n"


def test_the_next_step_starts_its_own_clock(clock: list[float]) -> None:
    """The second student's rate mixed with the first one's."""
    stream = io.StringIO()
    progress = ConsoleProgress(stream, every=5.0)
    progress("train", 0, 100)
    clock[0] += 4
    progress("train", 100, 100)
    progress("train", 0, 100)
    clock[0] += 4
    progress("train", 8, 100)
    assert stream.getvalue() == "train: 8 of 100 updates, 2 updates/s, 46 s left\n"


def test_on_a_terminal_there_is_a_bar_that_clears_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal full of half-drawn bars."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with ConsoleProgress(terminal) as progress:
        progress("annotate", 0, 10)
        progress("annotate", 5, 10)
        progress.say("knowledge store: reused")
        progress("train", 1, 10)
        assert progress.bar is not None
        assert [task.description for task in progress.bar.tasks] == ["train"]
    assert "knowledge store: reused" in terminal.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (3840, "1 h 4 min")]
)
def test_durations_are_as_people_say_them(seconds: float, text: str) -> None:
    """`7384.21 s left`."""
    assert duration(seconds) == text
