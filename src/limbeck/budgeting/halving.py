"""Successive halving: most candidates are trained a little, few of them in full.

All candidates of a rung are trained to the end of a short schedule, together as one sweep, and a
third of them goes on to a rung with three times the passes. A rung starts anew instead of going on:
the rate of a cosine schedule that was cut in its middle says little about its end, and a rung that
ends is compared like with like. All rungs but the first cost about the same.

Of those that go on, half are the most accurate; the others add most to the front, the area under
accuracy over latency (its logarithm), so that cheap students are not all lost to the largest.

Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
2015, https://arxiv.org/abs/1502.07943, section 3 (successive halving); Zitzler & Thiele,
"Multiobjective optimization using evolutionary algorithms", 1998 (the area as a measure).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["FEWER", "Point", "Rung", "chosen", "halve", "passes_of"]

FEWER = 3
"""How many candidates of a rung share one place in the next."""


@dataclass(frozen=True)
class Point:
    """A candidate as far as it has been tried.

    Attributes:
        accuracy: On the validation part, mean over the seeds, in [0, 1].
        milliseconds: Of its file, as the budget measures.
    """

    accuracy: float
    milliseconds: float


@dataclass(frozen=True)
class Rung:
    """One round of trainings.

    Attributes:
        epochs: Passes over the transfer set.
        accuracies: By candidate, on the validation part, mean over the seeds, in [0, 1].
        kept: Who went on, the most accurate first.
    """

    epochs: int
    accuracies: Mapping[str, float]
    kept: tuple[str, ...]


def passes_of(candidates: int, places: int, epochs: int) -> list[tuple[int, int]]:
    """The rungs before the finals: (passes, who goes on) of each.

    Args:
        candidates: How many begin.
        places: In the finals, >= 1.
        epochs: Of the finals, >= 1.
    """
    if candidates <= places:
        return []
    count = max(1, round(math.log(candidates / places, FEWER)))
    sizes = [max(places, math.ceil(candidates / FEWER**rung)) for rung in range(1, count + 1)]
    sizes[-1] = places
    passes = [max(1, round(epochs / FEWER ** (count - rung))) for rung in range(count)]
    return list(zip(passes, sizes, strict=True))


def halve(
    milliseconds: Mapping[str, float],
    places: int,
    epochs: int,
    train: Callable[[Sequence[str], int], Mapping[str, float]],
) -> tuple[Rung, ...]:
    """Train candidates in rungs, until only so many are left.

    Args:
        milliseconds: By candidate, what its file takes.
        places: How many are left in the end, >= 1.
        epochs: Passes of a full training.
        train: Trains these candidates for so many passes; their validation accuracies.
    """
    left = tuple(milliseconds)
    rungs = []
    for passes, size in passes_of(len(left), places, epochs):
        accuracies = train(left, passes)
        points = {name: Point(accuracies[name], milliseconds[name]) for name in left}
        left = chosen(points, size)
        rungs.append(Rung(passes, accuracies, left))
    return tuple(rungs)


def chosen(points: Mapping[str, Point], size: int) -> tuple[str, ...]:
    """Who goes on: the most accurate half, then whoever adds most to the front."""
    order = sorted(points, key=lambda name: (-points[name].accuracy, points[name].milliseconds))
    kept = order[: math.ceil(size / 2)]
    while len(kept) < min(size, len(order)):
        rest = [name for name in order if name not in kept]
        kept.append(max(rest, key=lambda name: area(points, [*kept, name])))
    return tuple(sorted(kept, key=order.index))


def area(points: Mapping[str, Point], names: Sequence[str]) -> float:
    """The area under the best accuracy that is had for each latency, above the worst of all.

    From the fastest to the slowest of all points, over the logarithm of the latency.
    """
    floor = min(point.accuracy for point in points.values())
    slowest = max(point.milliseconds for point in points.values())
    total, best = 0.0, floor
    steps = sorted((points[name] for name in names), key=lambda point: point.milliseconds)
    for step in steps:
        gained = max(0.0, step.accuracy - best)
        total += gained * math.log(slowest / step.milliseconds)
        best += gained
    return total
