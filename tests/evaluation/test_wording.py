"""The sentence and the table."""

import pytest

from limbeck.evaluation.significance import Interval
from limbeck.evaluation.wording import (
    COLUMNS,
    TableRow,
    sentence,
    size,
    table,
    verdict_of,
    wrapped,
)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 1.0, "BEATS"),
        (-0.5, 1.0, "TIES"),
        (-1.0, -0.01, "LOSES"),
        (0.0, 0.0, "TIES"),
        (0.0, 1.0, "TIES"),
        (-1.0, 0.0, "TIES"),
    ],
)
def test_only_an_interval_that_excludes_zero_decides(low: float, high: float, verdict: str) -> None:
    """Two equal students of which one BEATS the other."""
    assert verdict_of(Interval((low + high) / 2, low, high)) == verdict


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        (
            Interval(1.2, 0.5, 1.9),
            "BEATS the one from scratch on digits.test: 93.20% against 92.00%",
        ),
        (Interval(0.2, -0.5, 0.9), "TIES with the one from scratch on digits.test"),
        (Interval(-1.2, -1.9, -0.5, 0.9), "LOSES to the one from scratch on digits.test"),
    ],
)
def test_the_sentence_has_the_verdict_and_its_figures(interval: Interval, words: str) -> None:
    """A verdict without its interval, test and n."""
    text = sentence(interval, 0.932, 0.92, data="digits.test", examples=1234, seeds=5)
    assert words in text
    assert "paired test over 5 seeds and 1,234 examples" in text
    low, high = f"{interval.low:+.2f}", f"{interval.high:+.2f}"
    assert f"({100 * interval.confidence:g}% interval {low} to {high};" in text


def row(model: str, **settings: object) -> TableRow:
    facts = {
        "accuracy": Interval(0.9, 0.88, 0.92),
        "nll_nats": 0.3,
        "ece": 0.02,
        "teacher_agreement": 0.9,
        "parameters": 1_234_567_890,
        "bytes": 4_938_271_560,
        "p50_ms": 1234.5678,
        **settings,
    }
    return TableRow(model, **facts)


def test_the_table_is_aligned_and_fits() -> None:
    """Columns that shift with the numbers, or wrap in a terminal."""
    nothing = dict.fromkeys(("teacher_agreement", "parameters", "bytes", "p50_ms"))
    lines = table([row("teacher", **nothing), row("from scratch"), row("distilled")]).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= COLUMNS == 100
    assert lines[1].split()[-4:] == ["-"] * 4
    for column in ("accuracy", "95% interval", "NLL", "ECE", "agrees", "parameters", "p50 ms"):
        assert column in lines[0]


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9_952, "10.0 kB"), (999_960, "1.0 MB"),
     (4_938_271_560, "4.9 GB"), (72 * 10**12, "72,000.0 GB")],
)  # fmt: skip
def test_sizes_are_in_the_unit_that_fits(amount: int, text: str) -> None:
    """1000.0 kB, or a unit beyond the last."""
    assert size(amount) == text


def test_paragraphs_fit_and_bullets_hang() -> None:
    """Lines longer than the table."""
    lines = wrapped("word " * 60, bullet="  - ").splitlines()
    assert lines[0].startswith("  - word")
    assert lines[1].startswith("    word")
    assert max(map(len, lines)) <= COLUMNS
