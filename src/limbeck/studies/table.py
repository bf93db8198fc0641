"""The table of a study: published figures, ours, and what must hold of them."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = [
    "Figure",
    "Row",
    "Wanted",
    "above",
    "at_least",
    "at_most",
    "below",
    "between",
    "measured",
    "row",
    "that",
]


@dataclass(frozen=True)
class Figure:
    """A measured number: its mean and standard deviation over n runs.

    Attributes:
        mean: In the row's unit.
        sd: Standard deviation over the runs (n - 1 in the denominator); 0 for a single run.
        n: How many runs, >= 1.
    """

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        digits = 1 if abs(self.mean) >= 100 else 2 if abs(self.mean) >= 1 else 4
        spread = f" ± {self.sd:.{digits}f}" if self.n > 1 else ""
        return f"{self.mean:.{digits}f}{spread} (n = {self.n})"


def measured(values: Sequence[float]) -> Figure:
    """The mean and standard deviation of some runs' figures.

    Raises:
        ValueError: if there are none.
    """
    if not values:
        raise ValueError("no values to take the mean of; give at least one.")
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return Figure(statistics.fmean(values), sd, len(values))


@dataclass(frozen=True)
class Row:
    """One line of a study's table.

    Attributes:
        what: What is measured, with its unit, such as "distilled student, test errors".
        published: The published figure or finding; "" where there is none.
        ours: What came out here.
        wanted: What must hold of our figure, such as "at most 78"; "" for a figure that is only
            reported.
        holds: Whether it does; None where nothing is wanted.
        why: A sentence, where it does not hold.
    """

    what: str
    published: str
    ours: Figure
    wanted: str = ""
    holds: bool | None = None
    why: str = ""


@dataclass(frozen=True)
class Wanted:
    """What must hold of a row's mean, in words and as a test."""

    words: str
    holds: Callable[[float], bool]


def at_most(limit: float) -> Wanted:
    """The mean is the limit or less."""
    return Wanted(f"at most {limit:g}", lambda mean: mean <= limit)


def at_least(limit: float) -> Wanted:
    """The mean is the limit or more."""
    return Wanted(f"at least {limit:g}", lambda mean: mean >= limit)


def below(limit: float) -> Wanted:
    """The mean is less than the limit."""
    return Wanted(f"below {limit:g}", lambda mean: mean < limit)


def above(limit: float) -> Wanted:
    """The mean is more than the limit."""
    return Wanted(f"above {limit:g}", lambda mean: mean > limit)


def between(low: float, high: float) -> Wanted:
    """The mean lies between the two, or is one of them."""
    return Wanted(f"{low:g} to {high:g}", lambda mean: low <= mean <= high)


def that(words: str, holds: bool) -> Wanted:
    """What the mean alone does not tell."""
    return Wanted(words, lambda _: holds)


def row(
    what: str,
    ours: Figure | Sequence[float] | float,
    published: object = "",
    wanted: Wanted | None = None,
    why: str = "",
) -> Row:
    """A line of the table.

    Args:
        what: What is measured, with its unit.
        ours: A figure, every run's value, or a single value.
        published: The published figure or finding.
        wanted: What must hold; None for a figure that is only reported.
        why: The reason, shown only where it does not hold; "" repeats the two figures.
    """
    if not isinstance(ours, Figure):
        ours = measured(ours if isinstance(ours, Sequence) else [ours])
    if wanted is None:
        return Row(what, str(published), ours)
    holds = wanted.holds(ours.mean)
    why = "" if holds else why or f"{ours} where {wanted.words} is wanted."
    return Row(what, str(published), ours, wanted.words, holds, why)
