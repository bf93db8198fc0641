"""A student's learning curve: what was measured, its power law, what more rows would bring."""

from dataclasses import dataclass

from limbeck.evaluation.power_law import Fits, PowerLaw
from limbeck.evaluation.significance import Interval

__all__ = ["LearningCurve", "Point"]

HELPS = 0.1
"""A fall of the risk by less than this share of it is called hardly any help."""


@dataclass(frozen=True)
class Point:
    """Students trained on so many rows.

    Attributes:
        examples: How many rows.
        risks: Of each seed, the share of held-out rows on which it disagrees with the teacher.
        accuracies: Of each seed, on the held-out rows with a label, in [0, 1]; empty without.
    """

    examples: int
    risks: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def risk(self) -> float:
        """The mean over the seeds."""
        return sum(self.risks) / len(self.risks)


@dataclass(frozen=True)
class LearningCurve:
    """How a student's disagreement with its teacher falls with the size of the transfer set.

    Attributes:
        data: Name of the transfer set.
        examples: How many rows it has, held-out ones included.
        held_out: How many were held out.
        points: One for each size, ascending.
        law: The fit, risk = scale n^(-exponent) + floor.
        exponent: The exponent with its interval.
        now: The risk that the law gives for all rows of the transfer set.
        ahead: For each multiple of the transfer set, as (multiple, risk).
        gain: By how much twice as many rows would lower the risk.
        foretold: What the law without the largest part says of that part, to compare with what was
            measured there; None where fewer than four parts are left.
        fits: What other seeds and rows might have given.
    """

    data: str
    examples: int
    held_out: int
    points: tuple[Point, ...]
    law: PowerLaw
    exponent: Interval
    now: Interval
    ahead: tuple[tuple[float, Interval], ...]
    gain: Interval
    foretold: Interval | None
    fits: Fits

    @property
    def sentence(self) -> str:
        """What a larger transfer set would bring, in a sentence or two."""
        later = ", ".join(f"with {m:g} times as many {percent(risk)}" for m, risk in self.ahead)
        return (
            f"On {self.held_out:,} held-out examples of {self.data} the student would disagree "
            f"with its teacher on {percent(self.now)} after all {self.examples:,} examples, "
            f"{later}. {self.advice}"
        )

    @property
    def advice(self) -> str:
        """Whether twice as many rows are worth their trouble."""
        if self.now.estimate == 0:
            return "It agrees already; more examples bring nothing that these could show."
        gain = self.gain.scaled(1 / self.now.estimate)
        if gain.low > HELPS:
            return "More examples would help."
        if gain.high < HELPS:
            return "More examples would hardly help: try a larger student or longer training."
        return "Whether more examples would help is not sure: use more seeds or held-out rows."


def percent(risk: Interval) -> str:
    return f"{risk.estimate:.2%} ({risk.low:.2%} to {risk.high:.2%})"
