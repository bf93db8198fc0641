"""Normalisation that a teacher was trained with: (input - mean) / std, per channel."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from limbeck.errors import TeacherError

__all__ = ["Normalisation"]


class Normalisation:
    """Subtract a mean and divide by a standard deviation, before the teacher sees the inputs.

    Args:
        mean: One number per channel (axis 1 of the inputs), or one for all; None: leave inputs as
            they are. On the scale of the inputs: images are in [0, 1].
        std: As many, > 0.

    Raises:
        ValueError: if only one of them is given, they differ in length, or a number is out of
            its range.
    """

    def __init__(self, mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
        if (mean is None) != (std is None):
            given, lacking = ("mean", "std") if std is None else ("std", "mean")
            raise ValueError(f"{given} is given without {lacking}. Give both, or neither.")
        self.mean = tuple(float(value) for value in mean or ())
        self.std = tuple(float(value) for value in std or ())
        if len(self.mean) != len(self.std):
            raise ValueError(
                f"mean has {len(self.mean)} numbers and std {len(self.std)}. Give one of each per "
                "channel."
            )
        if mean is not None and not self.mean:
            raise ValueError("mean and std are empty. Give one of each per channel, or neither.")
        if not all(math.isfinite(value) for value in self.mean):
            raise ValueError(f"mean is {self.mean}; its numbers must be finite.")
        if not all(0 < value < math.inf for value in self.std):
            raise ValueError(f"std is {self.std}; its numbers must be positive and finite.")

    def __call__(self, inputs: Tensor, name: str) -> Tensor:
        """The inputs (b, channels, ...) as the teacher wants them.

        Raises:
            TeacherError: if the inputs do not have as many channels.
        """
        if not self.mean:
            return inputs
        channels = inputs.shape[1] if inputs.ndim > 1 else 1
        if len(self.mean) not in (1, channels):
            raise TeacherError(
                f"teacher '{name}' has the mean and std of {len(self.mean)} channels and the "
                f"inputs {tuple(inputs.shape)} have {channels}. Give one of each per channel."
            )
        shape = (1, -1) + (1,) * (inputs.ndim - 2)
        mean = torch.tensor(self.mean, dtype=inputs.dtype, device=inputs.device).view(shape)
        std = torch.tensor(self.std, dtype=inputs.dtype, device=inputs.device).view(shape)
        return (inputs - mean) / std

    @property
    def settings(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What it hashes to."""
        return self.mean, self.std
