"""Budgets in words."""

import pytest

from limbeck.budgeting.budget import Budget
from limbeck.errors import LimbeckError


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("2 ms p95, batch 1, 1 thread", "1MB", Budget(2.0, 95, 1, 1, 1_000_000)),
        ("0.5ms", None, Budget(0.5)),
        ("4 threads, batch of 16, p50, 1 s", "1.5 kB", Budget(1000.0, 50, 16, 4, 1500)),
        ("300us p50", "2GB", Budget(0.3, 50, bytes=2_000_000_000)),
        ("current, batch 8", "812 B", Budget(None, batch=8, bytes=812)),
    ],
)
def test_a_budget_is_read_in_any_order(text: str, size: str | None, expected: Budget) -> None:
    """A budget for 16 rows that is measured with one."""
    assert Budget.parse(text, size) == expected


@pytest.mark.parametrize(
    ("text", "size", "message"),
    [
        ("2", None, "has '2' in it. It needs a time"),
        ("batch 1", None, "says no time. It needs a time"),
        ("2 ms, bach 1", None, "has 'bach 1' in it"),
        ("2 ms 3 ms", None, "says both '2 ms' and '3 ms'"),
        ("2 ms p99", None, "names p99; what is measured is p50 .* and p95"),
        ("2 ms, batch 0", None, "batch is 0"),
        ("0 ms", None, "latency is 0.0 ms"),
        ("2 ms", "1M", "the size '1M' is not understood. It needs a number and B, kB"),
        ("2 ms", "0MB", "size is 0"),
    ],
)
def test_a_typo_says_what_is_needed(text: str, size: str | None, message: str) -> None:
    """An hour of training for a budget that was understood otherwise."""
    with pytest.raises(LimbeckError, match=message):
        Budget.parse(text, size)


def test_the_worse_of_speed_and_size_decides() -> None:
    """A small slow student, or a fast large one, taken for one that fits."""
    budget = Budget(2.0, bytes=1000)
    assert budget.excess(1.0, 500) == 0.5
    assert budget.excess(3.0, 500) == 1.5
    assert budget.excess(1.0, 4000) == 4.0
    assert Budget(2.0).excess(1.0, 10**12) == 0.5


def test_what_is_printed_is_read_back() -> None:
    """A report whose budget cannot be asked for again."""
    for budget in (Budget(2.0, 50, 16, 4), Budget(None), Budget(0.25, threads=2)):
        assert Budget.parse(str(budget)) == budget
