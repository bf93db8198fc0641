"""Normalisation per channel, and its mistakes."""

import numpy as np
import pytest
import torch

from limbeck.errors import TeacherError
from limbeck.teachers.preprocessing import Normalisation


def test_each_channel_is_normalised_by_its_own_numbers() -> None:
    """A teacher with another normalisation than it was trained with is a bad teacher."""
    inputs = torch.rand(4, 3, 2, 2)
    found = Normalisation((0.1, 0.2, 0.3), (0.5, 1.0, 2.0))(inputs, "net").numpy()
    for channel, (mean, std) in enumerate(((0.1, 0.5), (0.2, 1.0), (0.3, 2.0))):
        expected = (inputs[:, channel].double().numpy() - mean) / std
        np.testing.assert_allclose(found[:, channel], expected, rtol=1e-5, atol=1e-6)


def test_one_number_serves_all_channels_and_features() -> None:
    """Grey images and tables have one scale."""
    for shape in ((4, 3, 2, 2), (4, 7)):
        inputs = torch.rand(shape)
        expected = (inputs - 0.5) / 0.25
        assert torch.allclose(Normalisation([0.5], [0.25])(inputs, "net"), expected)


def test_without_numbers_the_inputs_are_left_alone() -> None:
    """Not even a copy is needed."""
    inputs = torch.rand(2, 3)
    assert Normalisation(None, None)(inputs, "net") is inputs


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.5], None, "mean is given without std"),
        (None, [0.5], "std is given without mean"),
        ([0.5], [0.5, 1.0], "mean has 1 numbers and std 2"),
        ([], [], "mean and std are empty"),
        ([0.5], [0.0], r"std is \(0.0,\); its numbers must be positive"),
        ([float("nan")], [1.0], r"mean is \(nan,\); its numbers must be finite"),
    ],
)
def test_wrong_numbers_are_refused(
    mean: list[float] | None, std: list[float] | None, message: str
) -> None:
    """A zero deviation makes every input infinite."""
    with pytest.raises(ValueError, match=message):
        Normalisation(mean, std)


def test_another_number_of_channels_is_refused() -> None:
    """Broadcasting three means over one channel makes an image of three."""
    with pytest.raises(TeacherError, match="of 3 channels and the inputs .4, 1, 2, 2. have 1"):
        Normalisation([0.1] * 3, [1.0] * 3)(torch.rand(4, 1, 2, 2), "net")
