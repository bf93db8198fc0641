"""Intervals against scipy, statsmodels' published figures and simulated truths."""

import math

import numpy as np
import pytest
from scipy import stats

from limbeck.evaluation.significance import Interval, crossed, ratio, variances, wilson


def simulated(seed: int, seeds: int = 5, examples: int = 300, **effects: float) -> np.ndarray:
    """Values with a mean, and with deviations by seed, by example and by both."""
    draws = np.random.default_rng(seed)
    return (
        effects.get("mean", 0.0)
        + effects.get("by_seed", 0.0) * draws.normal(size=(seeds, 1))
        + effects.get("by_example", 0.0) * draws.normal(size=(1, examples))
        + effects.get("rest", 0.2) * draws.normal(size=(seeds, examples))
    )


def test_wilson_is_scipys() -> None:
    """The normal approximation, which leaves [0, 1] and is too narrow near its ends."""
    for successes, trials, confidence in (
        (0, 10, 0.95),
        (7, 10, 0.9),
        (350, 360, 0.95),
        (5, 5, 0.99),
    ):
        found = wilson(successes, trials, confidence)
        expected = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert found.estimate == successes / trials


def test_wilson_refuses_a_share_of_nothing() -> None:
    """0 of 0 as an accuracy."""
    with pytest.raises(ValueError, match="at least one trial is needed"):
        wilson(0, 0)


def test_where_only_seeds_differ_the_interval_is_the_paired_t_test_over_seeds() -> None:
    """A normal quantile for five seeds, which is too sure."""
    values = np.repeat(np.array([[0.01], [0.03], [0.02], [0.05], [0.00]]), 100, axis=1)
    found = crossed(values)
    expected = stats.ttest_1samp(values[:, 0], 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_where_only_examples_differ_the_interval_is_the_t_test_over_examples() -> None:
    """Seeds taken for independent examples: an interval too narrow by the root of their number."""
    row = np.random.default_rng(0).normal(0.1, 1.0, 400)
    found = crossed(np.repeat(row[None], 8, axis=0))
    expected = stats.ttest_1samp(row, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_the_variance_is_that_of_resampling_seeds_plus_that_of_resampling_examples() -> None:
    """A closed form that is not what it claims to be; against two plain bootstraps."""
    values = simulated(1, seeds=6, examples=80, by_seed=0.3, by_example=0.5)
    draws = np.random.default_rng(0)
    by_seed = [values[draws.integers(0, 6, 6)].mean() for _ in range(4000)]
    by_example = [values[:, draws.integers(0, 80, 80)].mean() for _ in range(4000)]
    of_seeds, of_examples = variances(values.mean(axis=1), values.mean(axis=0))
    assert np.var(by_seed) == pytest.approx(of_seeds * 5 / 6, rel=0.1)  # a bootstrap lacks n - 1
    assert np.var(by_example) == pytest.approx(of_examples * 79 / 80, rel=0.1)


@pytest.mark.parametrize(
    "effects",
    [
        {"by_seed": 0.0, "by_example": 0.0},
        {"by_seed": 0.3, "by_example": 0.0},
        {"by_seed": 0.0, "by_example": 1.0},
        {"by_seed": 0.05, "by_example": 0.5},
    ],
    ids=["only both", "seeds", "examples", "all"],
)
def test_the_truth_is_within_at_least_as_often_as_stated(effects: dict[str, float]) -> None:
    """An interval that covers less than it says: false alarms. 400 draws: 93 % is 2 deviations."""
    covered = 0
    for i in range(400):
        found = crossed(simulated(i, mean=0.1, **effects))
        covered += found.low <= 0.1 <= found.high
    assert covered >= 0.93 * 400


def test_equal_models_have_an_interval_of_zero_width() -> None:
    """NaN from zero over zero where both arms are the same in everything."""
    assert crossed(np.zeros((3, 5))) == Interval(0.0, 0.0, 0.0, 0.95)


@pytest.mark.parametrize("shape", [(1, 10), (3, 1)])
def test_one_seed_or_one_example_is_refused(shape: tuple[int, int]) -> None:
    """An interval of NaN."""
    with pytest.raises(ValueError, match="an interval needs at least two of each"):
        crossed(np.zeros(shape))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    """95 in the place of 0.95 gives an interval of NaN."""
    with pytest.raises(ValueError, match="it is between 0 and 1, such as 0.95"):
        crossed(np.zeros((3, 5)), confidence)


def test_the_interval_of_a_ratio_covers_the_true_ratio() -> None:
    """Numerator and denominator taken for independent, though one student is in both."""
    covered, bounded = 0, 0
    for i in range(120):
        draws = np.random.default_rng(i)
        example = 0.3 * draws.normal(size=(1, 300))
        scratch = example + 0.02 * draws.normal(size=(5, 1)) + 0.2 * draws.normal(size=(5, 300))
        distilled = 0.06 + 0.5 * example + 0.2 * draws.normal(size=(5, 300))
        teacher = 0.15 + 0.3 * draws.normal(size=(1, 300)) + 0.0 * scratch
        found = ratio(distilled - scratch, teacher - scratch)
        if found is not None:
            bounded += 1
            covered += found.low <= 0.4 <= found.high
    assert bounded >= 116
    assert covered >= 0.93 * bounded


def test_the_ratio_is_unlike_zero_exactly_if_the_difference_is() -> None:
    """A gap recovered that is surely positive beside a verdict of TIES."""
    signs = set()
    for i in range(60):
        above = simulated(i, mean=0.02 * (i % 3), by_example=0.1)
        below = simulated(1000 + i, mean=0.3, by_example=0.1)
        difference, found = crossed(above), ratio(above, below)
        assert found is not None
        sure = difference.low > 0 or difference.high < 0
        assert sure == (found.low > 0 or found.high < 0)
        assert found.low <= found.estimate <= found.high
        signs.add(sure)
    assert signs == {True, False}


def test_there_is_no_ratio_to_a_denominator_that_may_be_zero() -> None:
    """A gap recovered of 4000 % because the teacher is no better than the student."""
    above = simulated(0, mean=0.1)
    assert ratio(above, simulated(1, mean=0.0)) is None
    assert ratio(above, simulated(1, mean=-0.3)) is None


def test_an_interval_scales_and_stays_within_what_is_possible() -> None:
    """Points that are shares, and an accuracy above 1."""
    interval = Interval(0.98, 0.95, 1.02, 0.9)
    assert interval.within(0.0, 1.0) == Interval(0.98, 0.95, 1.0, 0.9)
    assert interval.scaled(100.0).high == pytest.approx(102)
    assert math.isclose(interval.scaled(100.0).confidence, 0.9)
