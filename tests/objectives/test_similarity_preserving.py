"""SimilarityPreserving against values worked out elsewhere, loops and bad input."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives import SimilarityPreserving
from limbeck.types import Knowledge, Outputs

MAPS = torch.arange(16.0, dtype=torch.float64).reshape(2, 2, 2, 2) / 10
TEACHER_MAPS = ((torch.arange(16.0, dtype=torch.float64) * 7) % 16).reshape(2, 2, 2, 2) / 10


def loss_of(teacher: Tensor, student: Tensor) -> Tensor:
    knowledge = Knowledge(torch.zeros(1, len(teacher), 3), {"theirs": teacher})
    outputs = Outputs(torch.zeros(len(student), 3), {"ours": student})
    return SimilarityPreserving("theirs", "ours")(
        outputs, knowledge, torch.zeros(len(student)).long()
    )


def similarities(features: np.ndarray) -> list[list[float]]:
    rows = [row.ravel() for row in features]
    table = [[math.fsum(a * b for a, b in zip(i, j, strict=True)) for j in rows] for i in rows]
    return [[value / math.hypot(*row) for value in row] for row in table]


def test_it_gives_the_known_answer() -> None:
    """Columns of length 1 in place of rows, or a mean over one axis only."""
    assert loss_of(TEACHER_MAPS, MAPS).item() == pytest.approx(0.09201582, abs=1e-7)


def test_it_agrees_with_loops_over_two_shapes() -> None:
    """Maps pooled, or features compared one by one."""
    generator = np.random.default_rng(12)
    teacher, student = generator.normal(size=(5, 3, 2, 2)), generator.normal(size=(5, 4))
    theirs, ours = similarities(teacher), similarities(student)
    total = sum((theirs[i][j] - ours[i][j]) ** 2 for i in range(5) for j in range(5))
    loss = loss_of(torch.from_numpy(teacher), torch.from_numpy(student))
    assert loss.item() == pytest.approx(total / 25, rel=1e-10)


def test_faint_features_count_as_much_as_strong_ones() -> None:
    """A fixed small constant in the length, which switches faint layers off."""
    faint = loss_of(TEACHER_MAPS * 1e-4, MAPS * 1e-4)
    torch.testing.assert_close(faint, loss_of(TEACHER_MAPS, MAPS), rtol=1e-10, atol=0)


def test_a_silent_example_does_not_blow_up_the_gradient() -> None:
    """Features of zeros after a ReLU, whose row has length 0."""
    student = MAPS.clone()
    student[0] = 0.0
    student.requires_grad_()
    loss = loss_of(TEACHER_MAPS, student)
    loss.backward()
    assert loss.isfinite()
    assert student.grad is not None
    assert student.grad.abs().max() < 100


def test_a_batch_of_one_example_costs_nothing() -> None:
    """A loss from an example's likeness to itself."""
    assert loss_of(TEACHER_MAPS[:1], MAPS[:1]).item() == 0.0


def test_layers_that_are_not_there_raise() -> None:
    """A mistyped layer."""
    knowledge = Knowledge(torch.zeros(1, 2, 3), {"theirs": TEACHER_MAPS})
    outputs = Outputs(torch.zeros(2, 3), {"ours": MAPS})
    with pytest.raises(LimbeckError, match="teacher gives no hidden layer 'their'. Did you mean"):
        SimilarityPreserving("their", "ours")(outputs, knowledge, torch.zeros(2).long())


def test_a_layer_without_a_name_raises() -> None:
    """An empty key in a recipe."""
    with pytest.raises(ValueError, match="student_layer is ''; the module path of one layer"):
        SimilarityPreserving("theirs", "")
