"""The power law of a risk: found where it is known, honest where it is not."""

import numpy as np
import pytest
import torch

from limbeck import seeding
from limbeck.evaluation.power_law import EXPONENTS, fitted, freedom, least_squares

SIZES = [50, 100, 200, 400, 800]


def wrong(risks: list[float], *, seeds: int = 5, examples: int = 400, key: int = 0) -> np.ndarray:
    """Held-out mistakes: each example has a difficulty that all seeds and sizes share in part."""
    source = seeding.generator("mistakes", key)
    shared = torch.rand((1, 1, examples), generator=source)
    own = torch.rand((seeds, len(risks), examples), generator=source)
    chosen = torch.where(torch.rand(own.shape, generator=source) < 0.5, shared, own)
    return (chosen < torch.tensor(risks)[:, None]).numpy()


def test_a_law_without_noise_is_found():
    """Prevents a fit in the wrong variable, which still looks smooth."""
    exponent = float(EXPONENTS[70])
    sizes = np.array(SIZES, dtype=float)
    risks = 2.0 * sizes**-exponent + 0.03
    scale, found, floor = least_squares(sizes, risks[None], np.ones(5))
    assert float(found[0]) == exponent
    np.testing.assert_allclose([scale[0], floor[0]], [2.0, 0.03], rtol=1e-6)


@pytest.mark.parametrize(
    "risks",
    [[0.3, 0.2, 0.12, 0.08, 0.06], [0.1, 0.1, 0.1, 0.1, 0.11], [0.4, 0.2, 0.1, 0.05, 0.025]],
)
def test_no_other_law_fits_better(risks):
    """Against a search over all three numbers; edges (no floor, no fall) included."""
    sizes, weights = np.array(SIZES, dtype=float), np.array([1.0, 2.0, 3.0, 2.0, 5.0])
    scale, exponent, floor = (float(v[0]) for v in least_squares(sizes, np.array([risks]), weights))

    def misfit(a: float, b: float, c: float) -> float:
        return sum(
            w * (a * n**-b + c - r) ** 2 for n, r, w in zip(SIZES, risks, weights, strict=True)
        )

    best = misfit(scale, exponent, floor)
    assert scale >= 0
    assert floor >= 0
    for b in EXPONENTS[::8]:
        for a in np.linspace(0, 1, 41) * SIZES[0] ** b:
            for c in np.linspace(0, 0.2, 41):
                assert best <= misfit(a, b, c) + 1e-12


def test_intervals_hold_the_true_risk_about_as_often_as_they_say():
    """Prevents extrapolations that are surer than the data: 9 in 10 of the truths are within."""
    true = [0.8 * n**-0.5 + 0.02 for n in [*SIZES, 1600]]
    inside = 0
    for key in range(20):
        fits = fitted(SIZES, wrong(true[:-1], key=key), confidence=0.9)
        interval = fits.at(1600.0)
        assert interval.low <= interval.estimate <= interval.high
        inside += interval.low <= true[-1] <= interval.high
    assert inside >= 17


def test_freedom_is_that_of_whatever_varies():
    """Seeds that agree must not make the interval as wide as two seeds would."""
    same = np.repeat(wrong([0.3, 0.2, 0.15, 0.1], seeds=1), 3, axis=0)
    assert freedom(same) == pytest.approx(399)
    apart = np.zeros((2, 4, 50), dtype=bool)
    apart[1] = True
    assert freedom(apart) == pytest.approx(1.0)


def test_a_flat_curve_promises_no_gain_and_a_steep_one_does():
    """Prevents advice that does not depend on the data."""
    flat = fitted(SIZES, wrong([0.1] * 5))
    steep = fitted(SIZES, wrong([0.4, 0.25, 0.16, 0.1, 0.06], examples=2000))
    assert flat.gain(800.0, 1600.0).low < 0.005
    assert steep.gain(800.0, 1600.0).low > 0.005
    assert steep.gain(800.0, 1600.0).estimate < steep.at(800.0).estimate


def test_the_same_mistakes_give_the_same_interval():
    """A report must not change from one call to the next."""
    mistakes = wrong([0.3, 0.2, 0.15, 0.1, 0.1])
    assert fitted(SIZES, mistakes).at(1600.0) == fitted(SIZES, mistakes).at(1600.0)


def test_no_mistakes_at_all_are_fitted_too():
    """A student that agrees everywhere must not divide by zero."""
    fits = fitted(SIZES, np.zeros((3, 5, 20), dtype=bool))
    assert fits.at(1600.0).estimate == 0.0
    assert fits.gain(800.0, 1600.0).high == 0.0


def test_too_few_seeds_or_sizes_are_refused():
    """Three numbers through three points always fit."""
    with pytest.raises(ValueError, match="found 1 seeds, 400 held-out examples, 5 sizes"):
        fitted(SIZES, wrong([0.1] * 5, seeds=1))
    with pytest.raises(ValueError, match="at least 2 seeds, 2 examples and 4 sizes"):
        fitted(SIZES[:3], wrong([0.1] * 3))
