"""AttentionTransfer against values worked out elsewhere, loops and bad input."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives import AttentionTransfer
from limbeck.types import Knowledge, Outputs

MAPS = torch.arange(16.0, dtype=torch.float64).reshape(2, 2, 2, 2) / 10
TEACHER_MAPS = ((torch.arange(16.0, dtype=torch.float64) * 7) % 16).reshape(2, 2, 2, 2) / 10


def loss_of(teacher: Tensor, student: Tensor) -> Tensor:
    knowledge = Knowledge(torch.zeros(1, len(teacher), 3), {"theirs": teacher})
    outputs = Outputs(torch.zeros(len(student), 3), {"ours": student})
    return AttentionTransfer("theirs", "ours")(outputs, knowledge, torch.zeros(len(student)).long())


def attention(maps: np.ndarray) -> list[float]:
    """Of one example (channels, height, width), by loops."""
    channels, height, width = maps.shape
    active = [
        sum(maps[c, y, x] ** 2 for c in range(channels)) / channels
        for y in range(height)
        for x in range(width)
    ]
    length = math.sqrt(math.fsum(value**2 for value in active))
    return [value / length for value in active]


def test_it_gives_the_known_answer() -> None:
    """One length for the whole batch in place of one per example."""
    assert loss_of(TEACHER_MAPS, MAPS).item() == pytest.approx(0.12694789, abs=1e-7)


def test_it_agrees_with_loops_over_two_numbers_of_channels() -> None:
    """Channels summed before squaring, or a mean over channels and places at once."""
    generator = np.random.default_rng(9)
    teacher, student = generator.normal(size=(3, 5, 2, 4)), generator.normal(size=(3, 2, 2, 4))
    total = 0.0
    for t, s in zip(teacher, student, strict=True):
        total += sum((a - b) ** 2 for a, b in zip(attention(t), attention(s), strict=True))
    loss = loss_of(torch.from_numpy(teacher), torch.from_numpy(student))
    assert loss.item() == pytest.approx(total / (3 * 8), rel=1e-10)


def test_the_larger_map_is_averaged_down_before_squaring() -> None:
    """Maps of two sizes compared corner to corner."""
    generator = np.random.default_rng(10)
    teacher, student = generator.normal(size=(2, 3, 6, 6)), generator.normal(size=(2, 2, 3, 2))
    small = teacher.reshape(2, 3, 3, 2, 2, 3).mean(axis=(3, 5))
    total = 0.0
    for t, s in zip(small, student, strict=True):
        total += sum((a - b) ** 2 for a, b in zip(attention(t), attention(s), strict=True))
    loss = loss_of(torch.from_numpy(teacher), torch.from_numpy(student))
    assert loss.item() == pytest.approx(total / 12, rel=1e-10)


def test_faint_maps_count_as_much_as_strong_ones() -> None:
    """A fixed small constant in the length, which switches faint layers off."""
    faint = loss_of(TEACHER_MAPS * 1e-4, MAPS * 1e-4)
    torch.testing.assert_close(faint, loss_of(TEACHER_MAPS, MAPS), rtol=1e-10, atol=0)


def test_a_silent_example_scores_against_the_teacher_with_zero_gradient() -> None:
    """A map of zeros after a ReLU, divided by its length of 0."""
    student = MAPS.clone()
    student[0] = 0.0
    student.requires_grad_()
    loss = loss_of(TEACHER_MAPS, student)
    loss.backward()
    assert loss.isfinite()
    assert student.grad is not None
    assert not student.grad[0].any()
    assert student.grad[1].any()


def test_features_that_are_no_maps_raise() -> None:
    """A pooled vector, which has no places to look at."""
    with pytest.raises(LimbeckError, match=r"student's 'ours' is \(2,\) for each example; maps"):
        loss_of(TEACHER_MAPS, MAPS.mean((2, 3)))
    with pytest.raises(LimbeckError, match=r"teacher's 'theirs' is \(2,\) for each example; maps"):
        loss_of(TEACHER_MAPS.mean((2, 3)), MAPS)
    with pytest.raises(LimbeckError, match=r"student's 'ours' is \(8,\) for each example; maps"):
        AttentionTransfer("theirs", "ours").bind({"theirs": (2, 2, 2)}, {"ours": (8,)})


def test_a_layer_that_is_not_there_raises_before_the_first_batch() -> None:
    """A mistyped layer."""
    with pytest.raises(LimbeckError, match="teacher gives no hidden layer 'theirs'. Did you mean"):
        AttentionTransfer("theirs", "ours").bind({"their": (2, 2, 2)}, {"ours": (2, 2, 2)})


def test_a_layer_without_a_name_raises() -> None:
    """An empty key in a recipe."""
    with pytest.raises(ValueError, match="student_layer is ''; the module path of one layer"):
        AttentionTransfer("theirs", "")
