"""Angle laws, the exact risk that follows from them, and the bound."""

import math

import numpy as np
import pytest

from limbeck.theory import (
    Margin,
    Observed,
    Polynomial,
    angle,
    drawn,
    line_angles,
    nested_students,
    risk,
    risk_bound,
)

AXIS = np.eye(40)[0]
LAWS = [Polynomial(0.5), Polynomial(2.0), Margin(1.2)]


@pytest.mark.parametrize("law", LAWS)
def test_drawn_examples_have_the_angles_of_their_law(law):
    """A sampler that is off would make every curve plausible and wrong."""
    found = line_angles(AXIS, drawn(law, AXIS, (20_000,), "angles"))
    for theta in (0.2, 0.6, 1.0, 1.4):
        share = sum(float(each) >= theta for each in found) / len(found)
        assert share == pytest.approx(float(law.beyond(np.array(theta))), abs=0.015)
    shares = np.array([0.1, 0.5, 0.9])
    np.testing.assert_allclose(law.beyond(law.at(shares)), shares, atol=1e-12)


def test_drawn_examples_are_of_unit_length_on_both_sides():
    """One side only would be one class only."""
    examples = drawn(Polynomial(1.0), 3.0 * AXIS, (2, 1000), "sides")
    np.testing.assert_allclose(np.linalg.norm(examples, axis=-1), 1.0)
    assert (examples @ AXIS > 0).mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(examples, drawn(Polynomial(1.0), 3.0 * AXIS, (2, 1000), "sides"))


@pytest.mark.parametrize("law", LAWS)
def test_the_exact_risk_is_what_counting_gives(law):
    """The integral replaces test points; it must mean what they mean."""
    examples = drawn(law, AXIS, (40_000,), "count")
    for turned in (0.4, 1.1, 1.45, 2.5):
        student = math.cos(turned) * AXIS + math.sin(turned) * np.eye(40)[3]
        wrong = sum((examples @ student >= 0) != (examples @ AXIS >= 0)) / len(examples)
        assert float(risk(law, np.array(turned), 40)) == pytest.approx(wrong, abs=0.01)


def test_the_risk_is_0_with_the_teacher_and_1_against_it():
    """The ends of the range."""
    ends = risk(Polynomial(1.0), np.array([[0.0, np.pi]]), 10)
    np.testing.assert_allclose(ends, [[0.0, 1.0]], atol=1e-6)


def test_the_bound_is_the_least_over_beta():
    """Against a loop, and against the closed form of the margin case."""
    law = Polynomial(0.5)
    least = min(
        (1 - 2 * b / math.pi) ** 0.5 + (2 * b / math.pi) ** (0.5 * 10)
        for b in np.linspace(0, math.pi / 2, 2001)
    )
    assert risk_bound(law, 10) == pytest.approx(least, rel=1e-12)
    apart = Margin(1.2)
    exponential = float(apart.beyond(np.array(math.pi / 2 - 1.2))) ** 10
    assert risk_bound(apart, 10) <= exponential + 1e-3
    assert risk_bound(law, 1) == 1.0


def test_the_mean_risk_keeps_below_the_bound():
    """The theorem."""
    for law in LAWS:
        inputs = drawn(law, AXIS, (50, 20), "bound")
        found = risk(law, angle(nested_students(AXIS, inputs), AXIS), 40)
        for count in (2, 5, 20):
            values = found[:, count - 1]
            assert values.mean() - 4 * values.std() / math.sqrt(50) <= risk_bound(law, count)


def test_observed_angles_are_counted():
    """Shares of real data, ties included."""
    law = Observed(np.array([0.1, 0.5, 0.5, 1.2]))
    np.testing.assert_allclose(law.beyond(np.array([0.0, 0.5, 0.51, 1.3])), [1, 0.75, 0.25, 0])
    assert float(law.at(np.array(0.5))) == pytest.approx(0.5)
    np.testing.assert_allclose(line_angles(np.array([0.0, 1.0]), np.zeros((1, 2))), math.pi / 2)


def test_laws_outside_their_range_are_refused():
    """They would give angles beyond a right angle."""
    with pytest.raises(ValueError, match=r"power is 0.0; it must be above 0"):
        Polynomial(0.0)
    with pytest.raises(ValueError, match=r"widest is 1.6; it is an angle in radians above 0"):
        Margin(1.6)
