"""Successive halving: who goes on, and for how long the others were trained."""

import math
import random

import pytest

from limbeck.budgeting.halving import FEWER, Point, area, chosen, halve, passes_of


@pytest.mark.parametrize("candidates", [1, 3, 4, 9, 18, 40])
@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize("epochs", [1, 9, 60])
def test_rungs_get_smaller_and_longer(candidates: int, places: int, epochs: int) -> None:
    """A rung that costs more than the finals, or one that nobody leaves."""
    rungs = passes_of(candidates, places, epochs)
    assert bool(rungs) == (candidates > places)
    left = candidates
    for passes, size in rungs:
        assert 1 <= passes <= max(1, math.ceil(epochs / FEWER))
        assert places <= size < left
        left = size
    assert left == (places if rungs else candidates)
    assert [p for p, _ in rungs] == sorted(p for p, _ in rungs)


def test_the_area_is_what_a_fine_grid_adds_up_to() -> None:
    """An area that counts a dominated student, or one step twice."""
    points = {
        "a": Point(0.5, 1.0),
        "b": Point(0.8, 2.0),
        "c": Point(0.7, 4.0),
        "d": Point(0.9, 8.0),
    }
    for names in (["a"], ["b"], ["a", "b"], ["b", "c"], ["a", "b", "c", "d"]):
        steps, total = 20_000, 0.0
        width = math.log(8.0) / steps
        for step in range(steps):
            time = math.exp((step + 0.5) * width)
            reached = [points[n].accuracy for n in names if points[n].milliseconds <= time]
            total += width * (max(reached, default=0.5) - 0.5)
        assert area(points, names) == pytest.approx(total, abs=1e-3)


def test_the_best_go_on_and_the_front_is_not_lost() -> None:
    """Only the largest students left, or a dominated one instead of a cheap one."""
    points = {
        "huge": Point(0.99, 8.0),
        "large": Point(0.985, 7.9),
        "also": Point(0.984, 8.0),
        "small": Point(0.97, 1.0),
        "poor": Point(0.60, 1.1),
    }
    assert chosen(points, 2) == ("huge", "small")
    assert chosen(points, 4)[:2] == ("huge", "large")
    assert "small" in chosen(points, 3)
    assert set(chosen(points, 9)) == set(points)


def test_the_most_accurate_half_always_goes_on() -> None:
    """A winner that was thrown away for the shape of the front."""
    source = random.Random(0)
    for _ in range(50):
        points = {str(i): Point(source.random(), source.uniform(0.1, 9)) for i in range(12)}
        size = source.randint(1, 12)
        kept = chosen(points, size)
        best = sorted(points, key=lambda name: -points[name].accuracy)[: math.ceil(size / 2)]
        assert len(kept) == size
        assert set(best) <= set(kept)


def test_candidates_are_trained_as_long_as_they_are_left() -> None:
    """A student that is trained in a rung after it had lost."""
    speeds = {str(number): 1.0 + number for number in range(9)}
    asked: list[tuple[tuple[str, ...], int]] = []

    def train(names: "tuple[str, ...]", epochs: int) -> dict[str, float]:
        asked.append((tuple(names), epochs))
        return {name: int(name) / 10 for name in names}

    rungs = halve(speeds, 1, 27, train)  # type: ignore[arg-type]
    assert [(len(names), epochs) for names, epochs in asked] == [(9, 3), (3, 9)]
    assert rungs[0].kept[0] == "8"
    assert rungs[-1].kept == ("8",)
    assert set(asked[1][0]) == set(rungs[0].kept)
