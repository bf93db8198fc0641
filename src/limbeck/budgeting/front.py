"""The Pareto front, and what a step along it would bring.

On the front is what nothing else beats: no other is as accurate, as fast and as small, and better
in one of these. The next step up is a candidate that missed the budget and was not trained; what it
would bring is read off a line through log(error) over log(latency) of the candidates of the first
rung, which were all trained alike. That is a guess and called one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.budgeting.halving import Point

__all__ = ["Placed", "bought", "front", "leaders"]

LEAST_POINTS = 4
"""Fewer candidates give no trend."""


@dataclass(frozen=True)
class Placed:
    """A student's place.

    Attributes:
        accuracy: On the validation part, in [0, 1].
        milliseconds: Of its file, as the budget measures.
        bytes: Of its file.
    """

    accuracy: float
    milliseconds: float
    bytes: int


def front(places: Mapping[str, Placed]) -> tuple[str, ...]:
    """Who is on the front, the fastest first."""
    costs = {n: (-p.accuracy, p.milliseconds, p.bytes) for n, p in places.items()}
    found = [
        name
        for name, cost in costs.items()
        if not any(
            other != cost and all(o <= c for o, c in zip(other, cost, strict=True))
            for other in costs.values()
        )
    ]
    return tuple(sorted(found, key=lambda name: places[name].milliseconds))


def leaders(places: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Who is more accurate than all that are faster, the fastest first: the rest is only smaller.

    Args:
        places: (milliseconds, accuracy) of those on a front.
    """
    found: list[str] = []
    for name in sorted(places, key=lambda name: (places[name][0], -places[name][1])):
        if not found or places[name][1] > places[found[-1]][1]:
            found.append(name)
    return tuple(found)


def bought(
    tried: Sequence[Point], accuracy: float, milliseconds: float, more: float
) -> float | None:
    """By how many points accuracy might rise with a slower student, from the trend of others.

    Args:
        tried: Candidates that were trained alike.
        accuracy: Of the student that is had now, in [0, 1].
        milliseconds: What it takes.
        more: What the slower one takes.

    Returns:
        Percentage points, > 0; None if there are too few, or slower ones were no better.
    """
    points = [p for p in tried if p.accuracy < 1]
    speeds = np.log([p.milliseconds for p in points])
    if len(points) < LEAST_POINTS or np.ptp(speeds) < math.log(1.1) or accuracy >= 1:
        return None
    errors = np.log([1 - p.accuracy for p in points])
    slope = float(np.polynomial.Polynomial.fit(speeds, errors, 1).convert().coef[1])
    if slope >= 0 or more <= milliseconds:
        return None
    return 100 * (1 - accuracy) * (1 - math.pow(more / milliseconds, slope))
