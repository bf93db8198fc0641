import pytest

from limbeck.studies.hinton_ensemble import kept as rows_of


def test_the_share_of_the_gain_is_worked_out_as_published():
    """Another share than 1.9 of 2.2 points, which the paper calls more than 80 %."""
    *_, kept = rows_of("geometric", 58.9, 61.1, [60.8, 60.8], 90.0)
    assert kept.ours.mean == pytest.approx(100 * 1.9 / 2.2)
    assert kept.holds is True
    assert kept.why == ""


def test_too_small_a_share_is_said():
    """A figure below the published one that passes without a word."""
    *_, kept = rows_of("arithmetic", 90.0, 92.0, [91.0], 99.87)
    assert kept.holds is False
    assert kept.why == (
        "Of a gain of 2.00 points 50 % are kept; the ensemble gives its first choice on these "
        "images 99.9 % on average."
    )


def test_an_ensemble_without_a_gain_has_no_share_to_keep():
    """A division by zero, or a negative share that looks like a success."""
    *_, kept = rows_of("arithmetic", 90.0, 90.0, [95.0], 90.0)
    assert kept.holds is False
    assert kept.why == "The ensemble is not better than a single net (+0.00 points)."
