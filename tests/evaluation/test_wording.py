"""The sentence and the table."""

import pytest

from limbeck.evaluation.accuracy import GroupScores
from limbeck.evaluation.bias import Bias, ClassBias
from limbeck.evaluation.significance import Interval
from limbeck.evaluation.wording import (
    COLUMNS,
    TableRow,
    bias_words,
    group_words,
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


def paid(cev: float | None, sde: float | None, rows: tuple[ClassBias, ...] = ()) -> Bias:
    return Bias("paper", cev, sde, 0, 5, 12.25, 3, rows)


def test_who_pays_is_said_with_ratios() -> None:
    """The ratio the wrong way round, a division by zero, or None in a sentence."""
    rows = (ClassBias("cat", 50, 0.0, 0.10, 0.0, 0.125, 0.0, 25.0),)
    words = bias_words(paid(1500.0, 20.0, rows), paid(3000.0, 80.0, rows))
    assert "wrong on 12.2 examples per seed (from scratch 12.2)" in words
    assert "Class 'cat' pays most: +2.5 points of its examples missed." in words
    assert "CEV 1,500 (0.50 of the one from scratch), SDE 20.0 (0.25 of the one from" in words
    assert "CEV 1,500 (from scratch 0)" in bias_words(paid(1500.0, 20.0, rows), paid(0.0, 1.0))
    assert "CEV" not in bias_words(paid(None, None), paid(None, None))


def test_the_worst_group_of_both_students_is_named() -> None:
    """A gain of one group shown as a gain of the worst."""
    pair = GroupScores("ward", "a", 4, 0.75), GroupScores("ward", "b", 9, 0.5)
    assert group_words(*pair) == "Worst ward: a, 75.00% right (from scratch: b, 50.00%)."
