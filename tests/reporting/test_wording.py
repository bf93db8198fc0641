# ruff: noqa: RUF001  (a true minus sign and dash, as readers see them)
import pytest

from limbeck.reporting import wording


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234567.891, 1, "1,234,567.9"),
        (-0.25, 2, "−0.25"),
        (-0.04, 1, "0.0"),
        (-1234.0, 0, "−1,234"),
        (float("nan"), 1, "nan"),
        (float("inf"), 1, "∞"),
        (-float("inf"), 1, "−∞"),
    ],
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value, digits, text):
    """A loss of "-0.0", or a hyphen that breaks the line before its number."""
    assert wording.number(value, digits) == text


@pytest.mark.parametrize(
    ("difference", "digits", "text"),
    [
        (1.23, 1, "+1.2"),
        (-1.23, 2, "−1.23"),
        (0.0, 1, "0.0"),
        (-0.01, 1, "0.0"),
        (0.01, 1, "0.0"),
    ],
)
def test_points_are_signed_except_zero(difference, digits, text):
    """A tie that reads as a tiny gain."""
    assert wording.points(difference, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_400, "99.4 kB"),
        (99_960, "100 kB"),
        (999_400, "999 kB"),
        (999_600, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (5_000_000_000_000, "5,000 GB"),
    ],
)
def test_sizes_are_in_the_unit_a_reader_expects(value, text):
    """ "1000.0 kB", or sizes that round into the next unit."""
    assert wording.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123, "0.012 ms"),
        (0.123, "0.12 ms"),
        (9.96, "10.0 ms"),
        (12.34, "12.3 ms"),
        (321.4, "321 ms"),
    ],
)
def test_milliseconds_have_few_digits(value, text):
    """A latency told to the nanosecond."""
    assert wording.milliseconds(value) == text


def test_percent_and_intervals_say_the_unit_once():
    """ "93.1% to 95.0%" in a narrow column; a dash between signed numbers read as a minus."""
    low, high = wording.percent(0.9312, 1), wording.percent(0.95, 1)
    assert wording.interval(low, high) == "93.1–95.0%"
    assert wording.interval("−0.2", "+1.6") == "−0.2 to +1.6"
    assert wording.interval("−5%", "47%") == "−5 to 47%"
    assert wording.percent(0.99954) == "99.95%"
    assert wording.count(1234567) == "1,234,567"
