"""The table of the specialists' study, worked out by hand."""

import pytest

from limbeck.studies.specialists import gains_of, rows


def seed(after: float, single: float) -> dict:
    return {
        "generalist": 80.0,
        "with": after,
        "all classes": 81.0,
        "single": single,
        "own targets": 80.5,
        "labels": 80.5,
        "conditional before": 82.0,
        "conditional": 83.0,
        "coverage": [[0, 100, 0.9, 0.9], [1, 100, 0.8, 0.82], [3, 50, 0.6, 0.66]],
    }


def test_the_share_that_one_net_keeps_is_of_the_gain() -> None:
    """Prevents a share of the accuracy, or of another seed's gain."""
    *_, kept = rows([seed(84.0, 82.0), seed(82.0, 82.4)])
    assert kept.ours.mean == pytest.approx(100 * 2.2 / 3)
    assert (kept.holds, kept.why) == (True, "")


def test_too_small_a_share_and_no_gain_are_said() -> None:
    """Prevents a negative share of a negative gain that looks like a success."""
    *_, kept = rows([seed(84.0, 81.0)])
    assert (kept.holds, kept.why) == (False, "Of 4.00 points 1.00 are kept.")
    table = rows([seed(79.0, 78.0)])
    assert (table[-1].holds, table[-1].why) == (False, "There is no gain to keep.")
    assert (table[1].holds, table[1].why) == (False, "Specialists change it by -1.00 points.")


def test_gain_by_coverage_is_over_the_examples_of_all_seeds() -> None:
    """Prevents a mean over seeds in which few examples count as much as many."""
    second = seed(84.0, 82.0) | {"coverage": [[1, 300, 0.6, 0.6], [4, 5, 0.0, 0.2]]}
    gains = gains_of([seed(84.0, 82.0), second])
    assert gains == {
        0: pytest.approx(0.0),
        1: pytest.approx(100 * 2 / 260),
        3: pytest.approx(10.0),
    }


def test_the_most_covered_are_compared_with_the_least() -> None:
    """Prevents a trend that nobody checks."""
    rise = rows([seed(84.0, 82.0)])[-5]
    assert rise.what == "relative gain in % where 3 know the class, above that where 0 do"
    assert rise.ours.mean == pytest.approx(10.0)
    assert rise.holds is True
