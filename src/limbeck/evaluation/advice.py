"""What to try where distilling did not help; each piece follows from a measured figure."""

import math
from dataclasses import dataclass

import torch

from limbeck.evaluation.significance import Interval
from limbeck.objectives import Objective
from limbeck.store import KnowledgeSource
from limbeck.types import Knowledge

__all__ = ["Figures", "advise", "nearly_one_hot"]

ONE_HOT = 0.999
"""A probability from which soft targets teach no more than the label."""

MOST_ONE_HOT = 0.9
"""The share of such soft targets from which it is worth a word."""

SAMPLE = 2048
"""On how many examples the soft targets are looked at."""


@dataclass(frozen=True)
class Figures:
    """What the advice is drawn from.

    Attributes:
        verdict: BEATS, TIES or LOSES.
        difference_points: Distilled minus from scratch, in percentage points.
        by_seed: Variance of the difference from the seeds, in squared shares.
        by_example: Variance of the difference from the test examples, in squared shares.
        seeds: How many.
        default_seeds: How many are recommended.
        examples: How many test examples.
        teacher: The teacher's accuracy, in [0, 1]; None without a teacher.
        teacher_sure: Whether the teacher is surely better than the student from scratch.
        distilled: The distilled student's mean accuracy, in [0, 1].
        scratch: The mean accuracy of the student from scratch, in [0, 1].
        agreement_distilled: With the teacher, in [0, 1]; None without a teacher.
        agreement_scratch: Likewise.
        one_hot: Share of the soft targets, at the temperature used, that put more than 0.999 on
            one class, and that temperature; None where it does not matter or is not known.
    """

    verdict: str
    difference_points: Interval
    by_seed: float
    by_example: float
    seeds: int
    default_seeds: int
    examples: int
    teacher: float | None
    teacher_sure: bool
    distilled: float
    scratch: float
    agreement_distilled: float | None
    agreement_scratch: float | None
    one_hot: tuple[float, float] | None


def advise(figures: Figures) -> tuple[str, ...]:
    """What to try, most telling first; nothing where distilling won."""
    if figures.verdict == "BEATS":
        return ()
    found = [*about_teacher(figures), *about_fit(figures), *about_sureness(figures)]
    return tuple(found) or (
        "No single cause shows in these figures. Try another temperature (2 to 8), another weight "
        "of the hard labels, or more unlabelled examples, and choose on the validation part.",
    )


def about_teacher(figures: Figures) -> list[str]:
    """A teacher that has nothing to teach."""
    found = []
    if figures.teacher is not None and not figures.teacher_sure:
        found.append(
            f"The teacher is not surely better than the student from scratch: "
            f"{100 * figures.teacher:.2f}% against {100 * figures.scratch:.2f}%. Use a better "
            "teacher, an ensemble, or a smaller student."
        )
    elif figures.teacher is not None and figures.distilled >= figures.teacher:
        found.append(
            "The distilled student is at the teacher's level already: "
            f"{100 * figures.distilled:.2f}% against {100 * figures.teacher:.2f}%. Use a better "
            "teacher to go further."
        )
    if figures.one_hot is not None and figures.one_hot[0] >= MOST_ONE_HOT:
        share, temperature = figures.one_hot
        found.append(
            f"{100 * share:.0f}% of the soft targets put more than {ONE_HOT} on one class at "
            f"temperature {temperature:g}, so they say what hard labels say. Raise the "
            "temperature, or use examples that the teacher was not fitted on."
        )
    return found


def about_fit(figures: Figures) -> list[str]:
    """A student that did not take up what the teacher says."""
    distilled, scratch = figures.agreement_distilled, figures.agreement_scratch
    if distilled is None or scratch is None or distilled > scratch:
        return []
    return [
        f"The distilled student agrees with the teacher no more ({100 * distilled:.1f}%) than the "
        f"one from scratch does ({100 * scratch:.1f}%). Train longer, give the teacher's term more "
        "weight, or use more examples, labelled or not."
    ]


def about_sureness(figures: Figures) -> list[str]:
    """A test that was too small to be sure."""
    if figures.verdict != "TIES":
        return []
    half = (figures.difference_points.high - figures.difference_points.low) / 2
    share = figures.by_example / max(figures.by_example + figures.by_seed, 1e-300)
    found = []
    if figures.seeds < figures.default_seeds and share < 0.8:
        found.append(
            f"{figures.seeds} seeds leave an interval of {half:.2f} points to either side. Use "
            f"{figures.default_seeds} or more (seeds={figures.default_seeds})."
        )
    if share >= 0.5 and half > 0:
        effect = abs(figures.difference_points.estimate)
        needed = figures.examples * (half / effect) ** 2 if effect > 0.05 else math.inf
        size = f"About {math.ceil(needed / 100) * 100:,} examples" if needed < 1e7 else "More"
        found.append(
            f"{100 * share:.0f}% of the uncertainty comes from the {figures.examples:,} test "
            f"examples, which more seeds do not lessen. {size} would tell whether "
            f"{figures.difference_points.estimate:+.2f} points are real."
        )
    return found


def nearly_one_hot(
    knowledge: KnowledgeSource | None, objective: Objective
) -> tuple[float, float] | None:
    """The share of soft targets that are as good as one-hot, and the temperature they are used at.

    None if the objective softens nothing. An objective of several temperatures is judged by the
    highest.
    """
    settings = [
        term.settings().get("temperature") for weight, term in objective.terms if weight > 0
    ]
    temperatures = [float(t) for t in settings if isinstance(t, (int, float))]
    if knowledge is None or not temperatures or len(knowledge) == 0:
        return None
    temperature = max(temperatures)
    rows = torch.linspace(0, len(knowledge) - 1, min(len(knowledge), SAMPLE)).round().long()
    answer: Knowledge = knowledge.read(rows)
    best = answer.log_probs(temperature).max(dim=1).values.exp()
    return float((best > ONE_HOT).double().mean()), temperature
