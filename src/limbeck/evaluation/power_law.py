"""How a risk falls with the number of examples: a power law down to a floor.

    risk(n) = a n^(-b) + c,   a >= 0,  0.05 <= b <= 2,  c >= 0

Fitted by weighted least squares: for each b of a grid, a and c follow in closed form. A bootstrap
draws seeds and held-out examples anew, fits again, and reads the interval off the fits. Of S seeds
it draws S - 1, and the tails it cuts off are those of Student's t for Welch's degrees of freedom,
as in `limbeck.evaluation.significance`: with few seeds the plain percentiles are too narrow.

Cortes, Jackel, Solla, Vapnik & Denker, "Learning curves: asymptotic values and rate of
convergence", NIPS 1993 (the law); Hesterberg, "What teachers should know about the bootstrap",
2014, https://arxiv.org/abs/1411.5279 (the correction for few draws).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from limbeck import seeding
from limbeck.evaluation.significance import Interval, student_t

__all__ = ["Fits", "PowerLaw", "fitted"]

Array = np.ndarray[Any, Any]

EXPONENTS = np.geomspace(0.05, 2.0, 120)
DRAWS = 2000


@dataclass(frozen=True)
class PowerLaw:
    """risk(n) = scale n^(-exponent) + floor.

    Attributes:
        scale: >= 0; in the unit of the risk.
        exponent: From 0.05 to 2.
        floor: What the risk falls to, >= 0.
    """

    scale: float
    exponent: float
    floor: float

    def at(self, examples: float) -> float:
        """The risk with so many examples, > 0."""
        return float(self.scale * examples**-self.exponent + self.floor)


@dataclass(frozen=True)
class Fits:
    """The fit to what was measured, and those to what might have been.

    Attributes:
        law: The fit to the mean over the seeds.
        scales: Of the resampled fits, (draws,).
        exponents: The same.
        floors: The same.
        freedom: Degrees of freedom of seeds and held-out examples together, >= 1.
        confidence: Of the intervals, in (0, 1).
    """

    law: PowerLaw
    scales: Float[Array, " r"]
    exponents: Float[Array, " r"]
    floors: Float[Array, " r"]
    freedom: float
    confidence: float

    def at(self, examples: float) -> Interval:
        """The risk with so many examples."""
        return self.interval(self.law.at(examples), self.risks(examples))

    def gain(self, examples: float, more: float) -> Interval:
        """By how much the risk falls from so many examples to more."""
        drawn = self.risks(examples) - self.risks(more)
        return self.interval(self.law.at(examples) - self.law.at(more), drawn)

    def exponent(self) -> Interval:
        """The exponent b; its ends may be those of its range."""
        return self.interval(self.law.exponent, self.exponents)

    def risks(self, examples: float) -> Float[Array, " r"]:
        """What each resampled fit says."""
        return np.asarray(self.scales * examples**-self.exponents + self.floors)

    def interval(self, estimate: float, drawn: Float[Array, " r"]) -> Interval:
        """The percentiles of the resampled values, with the tails of Student's t."""
        from scipy.special import ndtr  # type: ignore[import-untyped]

        tail = float(ndtr(-student_t(self.confidence, self.freedom)))
        low, high = np.quantile(drawn, [tail, 1.0 - tail])
        return Interval(estimate, min(float(low), estimate), max(float(high), estimate),
                        self.confidence)  # fmt: skip


def fitted(
    sizes: Sequence[int], wrong: Bool[np.ndarray, "s k n"], confidence: float = 0.95
) -> Fits:
    """Fit the law to which held-out examples were wrong.

    Args:
        sizes: Numbers of training examples, ascending, (k,); at least four.
        wrong: By seed, size and held-out example; at least two seeds and two examples.
        confidence: Of the intervals, in (0, 1).

    Raises:
        ValueError: if there are fewer of these, or the shapes do not fit.
    """
    seeds, count, examples = wrong.shape
    if seeds < 2 or examples < 2 or count < 4 or count != len(sizes):
        raise ValueError(
            f"found {seeds} seeds, {examples} held-out examples, {count} sizes measured and "
            f"{len(sizes)} named; a power law with a floor needs at least 2 seeds, 2 examples and "
            "4 sizes. Train more."
        )
    by_seed = wrong.mean(axis=2)
    mean = by_seed.mean(axis=0)
    smoothed = (mean * examples + 1.0) / (examples + 2.0)
    variance = by_seed.var(axis=0, ddof=1) / seeds + smoothed * (1.0 - smoothed) / examples
    numbers = np.asarray(sizes, dtype=np.float64)
    scale, exponent, floor = least_squares(numbers, mean[None], 1.0 / variance)
    resampled = least_squares(numbers, resampled_risks(wrong), 1.0 / variance)
    law = PowerLaw(float(scale[0]), float(exponent[0]), float(floor[0]))
    return Fits(law, *resampled, freedom=freedom(wrong), confidence=confidence)


def freedom(wrong: Bool[np.ndarray, "s k n"]) -> float:
    """Welch's degrees of freedom of a mean over seeds and examples, over the sizes."""
    seeds, _, examples = wrong.shape
    of_seeds = wrong.mean(axis=2).var(axis=0, ddof=1).mean() / seeds
    of_examples = wrong.mean(axis=0).var(axis=1, ddof=1).mean() / examples
    if of_seeds + of_examples == 0:
        return float(examples - 1)
    welch = of_seeds**2 / (seeds - 1) + of_examples**2 / (examples - 1)
    return float((of_seeds + of_examples) ** 2 / welch)


def resampled_risks(wrong: Bool[np.ndarray, "s k n"]) -> Float[Array, "r k"]:
    """The risks by size that other seeds and other held-out examples might have given."""
    seeds, count, examples = wrong.shape
    flat = wrong.reshape(seeds * count, examples).astype(np.float64)
    source = seeding.generator("bootstrap", seeds, count, examples)
    risks = np.empty((DRAWS, count))
    for draw in range(DRAWS):
        rows = torch.randint(examples, (examples,), generator=source).numpy()
        times = np.bincount(rows, minlength=examples)
        chosen = torch.randint(seeds, (seeds - 1,), generator=source).numpy()
        risks[draw] = (flat @ times / examples).reshape(seeds, count)[chosen].mean(axis=0)
    return risks


def least_squares(
    sizes: Float[Array, " k"], risks: Float[Array, "r k"], weights: Float[Array, " k"]
) -> tuple[Float[Array, " r"], Float[Array, " r"], Float[Array, " r"]]:
    """Scale, exponent and floor of each row of risks."""
    shares = weights / weights.sum()
    powers = (sizes / sizes[-1]) ** -EXPONENTS[:, None]
    mean_power, mean_risk = powers @ shares, risks @ shares
    spread = (powers**2) @ shares - mean_power**2
    together = (risks * shares) @ powers.T - mean_risk[:, None] * mean_power
    scale = together / spread
    floor = mean_risk[:, None] - scale * mean_power
    # below zero on either side, the best is on the edge: no floor, or nothing but the floor
    steep = (risks * shares) @ powers.T / ((powers**2) @ shares)
    scale, floor = np.where(floor < 0, steep, scale), np.maximum(floor, 0.0)
    flat = scale <= 0
    scale, floor = np.where(flat, 0.0, scale), np.where(flat, mean_risk[:, None], floor)
    misfit = (
        (risks**2 @ shares)[:, None]
        - 2 * scale * ((risks * shares) @ powers.T)
        - 2 * floor * mean_risk[:, None]
        + scale**2 * ((powers**2) @ shares)
        + 2 * scale * floor * mean_power
        + floor**2
    )
    best = misfit.argmin(axis=1)
    rows = np.arange(len(risks))
    exponent = EXPONENTS[best]
    return scale[rows, best] * sizes[-1] ** exponent, exponent, floor[rows, best]
