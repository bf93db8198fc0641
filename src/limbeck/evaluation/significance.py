"""How sure a number is: intervals over seeds and test examples.

An accuracy that was measured with S seeds on N examples varies for two reasons: other seeds, and
other examples. Resampling the seeds alone moves the mean with variance a, resampling the examples
alone with variance b:

    a = variance of the S seed means / S        b = variance of the N example means / N

The interval is  mean ± t * sqrt(a + b),  t being Student's for Welch's degrees of freedom
(a + b)^2 / (a^2 / (S - 1) + b^2 / (N - 1)). It is what a bootstrap over seeds and one over examples
give, in closed form, and with the t that few seeds need: a percentile bootstrap has no such
correction and is too sure where the seeds matter most. What a single (seed, example) adds on its
own is counted in both a and b, which keeps false alarms below the stated level. Its rates of false
alarms and of finding a true difference are measured by benchmarks/verdict.py.

Owen, "The pigeonhole bootstrap", 2007, https://arxiv.org/abs/0712.1111, section 3 (the variance of
crossed resampling); Welch, Biometrika 34, 1947 (the degrees of freedom); Fieller, Journal of the
Royal Statistical Society B 16, 1954 (the interval of a ratio); Wilson, Journal of the American
Statistical Association 22, 1927 (the interval of one proportion).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["Interval", "crossed", "ratio", "variances", "wilson"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Interval:
    """A number and between which ends it lies, in the number's own unit.

    Attributes:
        estimate: The measured value.
        low: Lower end; minus infinity where nothing bounds it.
        high: Upper end; infinity where nothing bounds it.
        confidence: In how many of a hundred such measurements the truth lies within, as a share.
    """

    estimate: float
    low: float
    high: float
    confidence: float = 0.95

    def scaled(self, factor: float) -> "Interval":
        """The same in another unit; the factor is positive."""
        values = (self.estimate * factor, self.low * factor, self.high * factor)
        return Interval(*values, self.confidence)

    def within(self, least: float, most: float) -> "Interval":
        """The same with ends that do not leave the possible values."""
        low, high = max(self.low, least), min(self.high, most)
        return Interval(self.estimate, low, high, self.confidence)


def crossed(values: Float[Array, "s n"], confidence: float = 0.95) -> Interval:
    """The mean over seeds and examples, and its interval.

    Args:
        values: One number for each seed and example, such as 1 where a model was right and 0 where
            not, or the difference of two models with the same seed.
        confidence: In (0, 1).

    Raises:
        ValueError: if there are fewer than two seeds or examples.
    """
    check(values, confidence)
    mean, half = half_width(values.mean(axis=1), values.mean(axis=0), confidence)
    return Interval(mean, mean - half, mean + half, confidence)


def ratio(
    above: Float[Array, "s n"], below: Float[Array, "s n"], confidence: float = 0.95
) -> Interval | None:
    """The ratio of two means, and its interval; None unless the lower mean is surely positive.

    Every ratio g is in the interval for which the mean of above - g * below is not surely unlike 0
    by `crossed`. So it contains 0 exactly if the interval of `above` does.
    """
    check(below, confidence)
    if crossed(below, confidence).low <= 0:
        return None
    rows = above.mean(axis=1), below.mean(axis=1)
    columns = above.mean(axis=0), below.mean(axis=0)

    def excess(g: float) -> float:
        """Positive outside the interval."""
        mean, half = half_width(rows[0] - g * rows[1], columns[0] - g * columns[1], confidence)
        return abs(mean) - half

    estimate = float(above.mean() / below.mean())
    low, high = end(excess, estimate, -1.0), end(excess, estimate, 1.0)
    return Interval(estimate, low, high, confidence)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """The share of successes, and Wilson's score interval, which stays within [0, 1].

    Raises:
        ValueError: if there are no trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share; at least one trial is needed.")
    z = student_t(confidence, math.inf)
    share = successes / trials
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    half = z / (1 + z**2 / trials) * spread
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == trials else min(1.0, middle + half)
    return Interval(share, low, high, confidence)


def half_width(
    seed_means: Float[Array, " s"], example_means: Float[Array, " n"], confidence: float
) -> tuple[float, float]:
    """The grand mean and half the width of its interval."""
    seeds, examples = len(seed_means), len(example_means)
    by_seed, by_example = variances(seed_means, example_means)
    variance = by_seed + by_example
    mean = float(example_means.mean())
    if variance == 0.0:
        return mean, 0.0
    freedom = variance**2 / (by_seed**2 / (seeds - 1) + by_example**2 / (examples - 1))
    return mean, student_t(confidence, freedom) * math.sqrt(variance)


def variances(
    seed_means: Float[Array, " s"], example_means: Float[Array, " n"]
) -> tuple[float, float]:
    """What resampling the seeds, and what resampling the examples, adds to the mean's variance."""
    by_seed = float(seed_means.var(ddof=1)) / len(seed_means)
    return by_seed, float(example_means.var(ddof=1)) / len(example_means)


def end(excess: Callable[[float], float], inside: float, direction: float) -> float:
    """Where the interval around a value inside ends; infinity if it does not within 1e6."""
    step = 0.01
    outside = inside + direction * step
    while excess(outside) <= 0:
        inside, step = outside, 2 * step
        outside = inside + direction * step
        if step > 1e6:
            return direction * math.inf
    for _ in range(60):
        middle = (inside + outside) / 2
        if excess(middle) <= 0:
            inside = middle
        else:
            outside = middle
    return outside


def student_t(confidence: float, freedom: float) -> float:
    """The two-sided quantile of Student's t; the normal one's for infinite freedom."""
    from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped]

    share = (1 + confidence) / 2
    return float(ndtri(share) if math.isinf(freedom) else stdtrit(freedom, share))


def check(values: Float[Array, "s n"], confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it is between 0 and 1, such as 0.95.")
    if values.ndim != 2 or min(values.shape) < 2:
        raise ValueError(
            f"the values have shape {values.shape} (seeds, examples); an interval needs at least "
            "two of each."
        )
