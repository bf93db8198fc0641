"""Data by the angle between examples and the teacher's weights, and the risk that follows.

    p(theta) = P( the line of x is at an angle of theta or more to w* ),  theta in [0, pi/2]
    E[risk of the student of n examples] <= min over beta of  p(beta) + p(pi/2 - beta)^n

The risk is the probability that student and teacher decide differently. The student is no farther
from w* than any of its examples is; if one of them is nearer than pi/2 - beta, all test examples
nearer than beta are decided as the teacher does.

Phuong & Lampert 2019, https://arxiv.org/abs/2105.13093.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.linalg import norm

from limbeck import seeding

__all__ = [
    "AngleLaw",
    "Margin",
    "Observed",
    "Polynomial",
    "drawn",
    "line_angles",
    "risk",
    "risk_bound",
]

RIGHT = np.pi / 2
GRID = 2001


class AngleLaw(ABC):
    """How the angles of the examples to the teacher's weights are distributed."""

    @abstractmethod
    def beyond(self, theta: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """p(theta), the share of the examples at this angle or more; theta in [0, pi/2]."""

    @abstractmethod
    def at(self, share: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """The angle that this share of the examples, in (0, 1), is beyond."""


@dataclass(frozen=True)
class Polynomial(AngleLaw):
    """p(theta) = (1 - 2 theta / pi)^power; the higher the power, the easier the data.

    Args:
        power: > 0; 1 for angles spread evenly.

    Raises:
        ValueError: if the power is not above 0.
    """

    power: float

    def __post_init__(self) -> None:
        if not self.power > 0:
            raise ValueError(f"power is {self.power}; it must be above 0, such as 1.0.")

    def beyond(self, theta: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """p(theta)."""
        return np.asarray(np.clip(1.0 - theta / RIGHT, 0.0, 1.0) ** self.power)

    def at(self, share: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """The angle that this share is beyond."""
        return np.asarray(RIGHT * (1.0 - share ** (1.0 / self.power)))


@dataclass(frozen=True)
class Margin(AngleLaw):
    """Angles spread evenly up to a widest one: the classes are apart.

    Args:
        widest: In radians, in (0, pi/2).

    Raises:
        ValueError: if it is outside.
    """

    widest: float

    def __post_init__(self) -> None:
        if not 0 < self.widest < RIGHT:
            raise ValueError(
                f"widest is {self.widest}; it is an angle in radians above 0 and below pi/2."
            )

    def beyond(self, theta: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """p(theta)."""
        return np.asarray(np.clip(1.0 - theta / self.widest, 0.0, 1.0))

    def at(self, share: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """The angle that this share is beyond."""
        return np.asarray(self.widest * (1.0 - share))


@dataclass(frozen=True, eq=False)
class Observed(AngleLaw):
    """The angles of real examples, in radians in [0, pi/2]; see `line_angles`."""

    angles: Float[np.ndarray, " n"]

    def beyond(self, theta: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """p(theta)."""
        below = np.searchsorted(np.sort(self.angles), theta, side="left")
        return np.asarray(1.0 - below / len(self.angles))

    def at(self, share: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
        """The angle that this share is beyond."""
        return np.asarray(np.quantile(self.angles, 1.0 - share))


def line_angles(
    teacher: Float[np.ndarray, " d"], inputs: Float[np.ndarray, "*s n d"]
) -> Float[np.ndarray, "*s n"]:
    """The angle of each example's line to the teacher's weights, in [0, pi/2]; 0 has pi/2."""
    lengths = norm(inputs, axis=-1) * norm(teacher)
    cosines = np.abs(inputs @ teacher) / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(np.arccos(np.clip(cosines, 0.0, 1.0)))


def drawn(
    law: AngleLaw, teacher: Float[np.ndarray, " d"], shape: tuple[int, ...], *key: int | str
) -> Float[np.ndarray, "*s d"]:
    """Examples of unit length at angles of this law, every direction around w* equally likely.

    Args:
        law: Of the angles.
        teacher: Its weights w*, not 0.
        shape: How many, such as (sets, examples).
        key: The same key gives the same examples.
    """
    source = seeding.generator(*key)
    axis = teacher / norm(teacher)
    shares = torch.rand(shape, generator=source, dtype=torch.float64).numpy()
    normal = torch.randn((*shape, len(axis)), generator=source, dtype=torch.float64).numpy()
    signs = 2.0 * torch.randint(2, (*shape, 1), generator=source).numpy() - 1.0
    across = normal - (normal @ axis)[..., None] * axis
    across /= norm(across, axis=-1, keepdims=True)
    theta = law.at(1.0 - shares)[..., None]
    return np.asarray(signs * (np.cos(theta) * axis + np.sin(theta) * across))


def risk(
    law: AngleLaw, angles: Float[np.ndarray, "*s"], dimensions: int
) -> Float[np.ndarray, "*s"]:
    """The exact risk of students at these angles to their teacher, in [0, 1].

    For data that are symmetric around w*, as `drawn` makes them, the risk depends on the angle
    alone: a coordinate of a uniform direction in d - 1 dimensions has a Beta((d - 2) / 2) law.

    Args:
        law: Of the examples' angles.
        angles: Of the students, in radians in [0, pi].
        dimensions: d, >= 3.
    """
    from scipy.special import betainc  # type: ignore[import-untyped]

    steps = (np.arange(GRID) + 0.5) / GRID
    theta = law.at(steps**4)  # dense where examples are nearly at right angles to w*: risk is there
    half = (dimensions - 2) / 2.0
    flat = np.clip(angles.reshape(-1, 1), 1e-12, np.pi - 1e-12)
    needed = np.cos(theta) / np.maximum(np.sin(theta), 1e-300) / np.tan(flat)
    disagree = betainc(half, half, np.clip((1.0 - needed) / 2.0, 0.0, 1.0))
    mean = np.average(disagree, axis=1, weights=steps**3)
    return np.asarray(mean.reshape(angles.shape))


def risk_bound(law: AngleLaw, examples: int) -> float:
    """The least that the bound above gives for so many examples, in [0, 1]."""
    beta = np.linspace(0.0, RIGHT, GRID)
    return float(min(1.0, (law.beyond(beta) + law.beyond(RIGHT - beta) ** examples).min()))
