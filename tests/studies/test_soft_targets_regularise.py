import pytest

from limbeck.studies.soft_targets_regularise import reached, rows

PAPER = {
    "fraction": 0.03,
    "rows": 20,
    "hard train": 67.3,
    "hard test": 44.5,
    "soft train": 65.4,
    "soft test": 57.0,
}


def test_the_published_table_gives_the_published_shares():
    """Another definition of what is recovered than the paper's 87 % and gaps of 22.8 and 8.4."""
    whole, share, hard, soft, where = rows("d", 58.9, [PAPER])
    assert whole.ours.mean == 58.9
    assert share.ours.mean == pytest.approx(100 * 12.5 / 14.4)
    assert share.published == "86.8"
    assert hard.ours.mean == pytest.approx(22.8)
    assert soft.ours.mean == pytest.approx(8.4)
    assert soft.holds is True
    assert where.holds is True
    assert where.ours.mean == 20


def test_the_fewest_rows_that_recover_enough_are_given():
    """The largest number of rows, or the best share, where the question is how few are enough."""
    row = reached("d", {10: 50.0, 100: 88.0, 1000: 95.0})
    assert row.ours.mean == 100
    assert row.holds is True


def test_too_small_shares_are_said():
    """A number of rows that recovers less than the published share, without a word."""
    row = reached("d", {10: 50.0, 100: 61.0})
    assert row.holds is False
    assert row.why == "The most, 61 %, is recovered by 100 rows, given here."


def test_a_share_is_left_out_where_nothing_was_lost():
    """A division by zero where hard labels are as good on a part of the rows."""
    table = rows("d", 44.5, [PAPER])
    assert not any("recovered, %" in row.what for row in table)
    assert table[-1].holds is False


def test_a_larger_gap_of_soft_targets_is_said():
    """A row that holds although soft targets fit the training rows more closely."""
    *_, soft, _ = rows("d", 90.0, [{**PAPER, "soft train": 90.0}])
    assert soft.holds is False
    assert soft.why == "10.20 points more."
