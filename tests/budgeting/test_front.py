"""The Pareto front against brute force, and the guess beyond the budget."""

import random

import pytest

from limbeck.budgeting.front import Placed, bought, front, leaders
from limbeck.budgeting.halving import Point


def beaten(name: str, places: dict[str, Placed]) -> bool:
    """Whether some other is nowhere worse and somewhere better, compared field by field."""
    me = places[name]
    for other in places.values():
        better = other.accuracy > me.accuracy
        better |= other.milliseconds < me.milliseconds or other.bytes < me.bytes
        worse = other.accuracy < me.accuracy
        worse |= other.milliseconds > me.milliseconds or other.bytes > me.bytes
        if better and not worse:
            return True
    return False


def test_the_front_is_what_brute_force_leaves() -> None:
    """A dominated student that is recommended, or a tie that drops both."""
    source = random.Random(1)
    for _ in range(200):
        places = {
            str(i): Placed(source.randint(0, 5) / 5, source.randint(1, 5), source.randint(1, 5))
            for i in range(source.randint(1, 9))
        }
        found = front(places)
        assert set(found) == {name for name in places if not beaten(name, places)}
        speeds = [places[name].milliseconds for name in found]
        assert speeds == sorted(speeds)


def test_on_the_line_are_those_that_beat_all_faster_ones() -> None:
    """A line of accuracy over latency that falls, or that stays level."""
    assert leaders({"c": (3.0, 0.95), "a": (1.0, 0.9), "b": (2.0, 0.8)}) == ("a", "c")
    assert leaders({"a": (1.0, 0.8), "b": (1.0, 0.9), "c": (2.0, 0.9)}) == ("b",)
    assert leaders({}) == ()


def test_a_power_law_is_continued() -> None:
    """Points promised by another formula than the one that is named."""
    tried = [Point(1 - 0.1 * t**-0.5, t) for t in (0.5, 1.0, 2.0, 3.0, 4.0)]
    now = 1 - 0.08 * 4.0**-0.5
    expected = 100 * 0.08 * (4.0**-0.5 - 9.0**-0.5)
    assert bought(tried, now, 4.0, 9.0) == pytest.approx(expected)


def test_no_trend_no_promise() -> None:
    """A gain read off three points, equal latencies, or a falling line."""
    rising = [Point(0.9 - 0.01 * t, t) for t in (1.0, 2.0, 3.0, 4.0)]
    assert bought(rising, 0.9, 4.0, 8.0) is None
    falling = [Point(0.8 + 0.01 * t, t) for t in (1.0, 2.0, 3.0, 4.0)]
    assert bought(falling[:3], 0.9, 4.0, 8.0) is None
    assert bought([Point(p.accuracy, 1.0) for p in falling], 0.9, 1.0, 8.0) is None
    assert bought(falling, 0.9, 4.0, 3.0) is None
    assert bought(falling, 1.0, 4.0, 8.0) is None
    assert bought(falling, 0.9, 4.0, 8.0) is not None
