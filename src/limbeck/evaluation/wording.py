"""The verdict in plain text: one sentence, and a table that fits 100 columns."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limbeck.evaluation.accuracy import GroupScores
from limbeck.evaluation.bias import Bias
from limbeck.evaluation.significance import Interval

__all__ = [
    "COLUMNS",
    "TableRow",
    "Verdict",
    "bias_words",
    "group_words",
    "sentence",
    "table",
    "verdict_of",
    "wrapped",
]

COLUMNS = 100
"""How wide the text is at most."""

Verdict = Literal["BEATS", "TIES", "LOSES"]


@dataclass(frozen=True)
class TableRow:
    """A model in the table: the mean over its seeds.

    Attributes:
        model: "teacher", "from scratch" or "distilled".
        accuracy: In [0, 1]; of the teacher with Wilson's interval over examples, of the students
            with one over seeds and examples.
        nll_nats: Mean negative log-probability of the label, in nats.
        ece: Expected calibration error, in [0, 1].
        teacher_agreement: In [0, 1]; None for the teacher, or without one.
        parameters: How many trainable numbers; None if not known.
        bytes: Of the weights as saved; None if not known.
        p50_ms: Median latency at batch 1 in milliseconds; None if not timed.
    """

    model: str
    accuracy: Interval
    nll_nats: float
    ece: float
    teacher_agreement: float | None
    parameters: int | None
    bytes: int | None
    p50_ms: float | None


def verdict_of(difference: Interval) -> Verdict:
    """BEATS if the whole interval of the difference is above 0, LOSES if below, else TIES."""
    if difference.low > 0:
        return "BEATS"
    return "LOSES" if difference.high < 0 else "TIES"


def sentence(
    difference_points: Interval,
    distilled: float,
    scratch: float,
    *,
    data: str,
    examples: int,
    seeds: int,
) -> str:
    """The verdict with its figures; accuracies in [0, 1]."""
    verdict = verdict_of(difference_points)
    against = (
        "TIES with" if verdict == "TIES" else f"{verdict} {'to' if verdict == 'LOSES' else ''}"
    )
    d = difference_points
    return (
        f"The distilled student {against.strip()} the one from scratch on {data}: "
        f"{100 * distilled:.2f}% against {100 * scratch:.2f}%, {d.estimate:+.2f} points "
        f"({100 * d.confidence:g}% interval {d.low:+.2f} to {d.high:+.2f}; paired test over "
        f"{seeds} seeds and {examples:,} examples)."
    )


def table(rows: Sequence[TableRow]) -> str:
    """Aligned columns, a line for each model."""
    level = f"{100 * rows[0].accuracy.confidence:g}% interval"
    head = ["", "accuracy", level, "NLL", "ECE", "agrees", "parameters", "size", "p50 ms"]
    lines = [head] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def cells(row: TableRow) -> list[str]:
    agreement, latency = row.teacher_agreement, row.p50_ms
    return [
        row.model,
        f"{100 * row.accuracy.estimate:.2f}%",
        f"{100 * row.accuracy.low:.2f} - {100 * row.accuracy.high:.2f}",
        f"{row.nll_nats:.4f}",
        f"{row.ece:.4f}",
        "-" if agreement is None else f"{100 * agreement:.1f}%",
        "-" if row.parameters is None else f"{row.parameters:,}",
        "-" if row.bytes is None else size(row.bytes),
        "-" if latency is None else f"{latency:.3f}",
    ]


def size(amount: int) -> str:
    """Bytes in powers of 1000: 812 B, 9.2 kB, 4.8 MB."""
    if amount < 1000:
        return f"{amount} B"
    scaled = float(amount)
    for unit in ("kB", "MB", "GB"):
        scaled /= 1000
        if scaled < 999.95 or unit == "GB":
            break
    return f"{scaled:,.1f} {unit}"


def bias_words(distilled: Bias, scratch: Bias) -> str:
    """Who pays for the compression, and how many right answers are lost."""
    words = (
        f"Flips: the teacher is right and the distilled student wrong on "
        f"{distilled.flips_per_run:,.1f} examples per seed (from scratch "
        f"{scratch.flips_per_run:,.1f})."
    )
    worst = distilled.worst
    if distilled.cev is None or distilled.sde is None or worst is None:
        return words
    assert scratch.cev is not None
    assert scratch.sde is not None
    return (
        f"{words} Class '{worst.name}' pays most: {worst.missed_more_points:+.1f} points of its "
        f"examples missed. Bias: CEV {distilled.cev:,.0f}{times(distilled.cev, scratch.cev)}, "
        f"SDE {distilled.sde:,.1f}{times(distilled.sde, scratch.sde)}."
    )


def times(distilled: float, scratch: float) -> str:
    """The one from scratch, as a ratio if it is not 0."""
    if scratch == 0:
        return " (from scratch 0)"
    return f" ({distilled / scratch:.2f} of the one from scratch)"


def group_words(distilled: GroupScores, scratch: GroupScores) -> str:
    """The worst group of a column, with and without distilling."""
    return (
        f"Worst {distilled.column}: {distilled.value}, {100 * distilled.accuracy:.2f}% right (from "
        f"scratch: {scratch.value}, {100 * scratch.accuracy:.2f}%)."
    )


def wrapped(text: str, *, bullet: str = "") -> str:
    """A paragraph that fits the width."""
    indent = " " * len(bullet)
    return textwrap.fill(text, COLUMNS, initial_indent=bullet, subsequent_indent=indent)
