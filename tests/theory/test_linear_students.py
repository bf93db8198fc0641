"""The closed form of a linear student, against loops and against descent itself."""

import math

import numpy as np
import pytest
import torch

from limbeck import seeding
from limbeck.theory import (
    angle,
    descent,
    displaced,
    excess_loss,
    nested_students,
    projected,
    soft_labels,
)


def data(examples: int, dimensions: int, *, sets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    teacher = np.linspace(-1.0, 1.5, dimensions) / math.sqrt(dimensions)
    source = seeding.generator("examples", examples, dimensions)
    return teacher, torch.randn((sets, examples, dimensions), generator=source).double().numpy()


def gram_schmidt(vector: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """The projection, one example at a time."""
    basis: list[np.ndarray] = []
    for example in examples:
        rest = example.copy()
        for direction in basis:
            rest = rest - sum(rest * direction) * direction
        basis.append(rest / math.sqrt(sum(rest * rest)))
    found = np.zeros_like(vector)
    for direction in basis:
        found = found + sum(vector * direction) * direction
    return found


def test_one_example_leaves_a_quarter_of_the_plane_wrong():
    """The case worked on paper: teacher (1, 1), example (1, 0)."""
    teacher = np.array([1.0, 1.0])
    student = projected(teacher, np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(student, [1.0, 0.0], atol=1e-15)
    assert float(angle(student, teacher)) / math.pi == pytest.approx(0.25, abs=1e-15)


def test_the_projection_is_that_of_gram_and_schmidt():
    """A projection on the wrong axis would still look like a plausible student."""
    teacher, inputs = data(6, 15, sets=3)
    for found, examples in zip(projected(teacher, inputs), inputs, strict=True):
        np.testing.assert_allclose(found, gram_schmidt(teacher, examples), atol=1e-12)


def test_repeated_examples_span_no_more_than_once():
    """A duplicate must not add a direction made of rounding errors."""
    teacher, inputs = data(4, 9)
    twice = np.concatenate([inputs[0], inputs[0]])
    np.testing.assert_allclose(projected(teacher, twice), projected(teacher, inputs[0]), atol=1e-12)
    with pytest.raises(ValueError, match="lies in the span of those before it"):
        nested_students(teacher, twice)


@pytest.mark.parametrize(("examples", "dimensions"), [(5, 20), (40, 8)])
def test_descent_from_zero_ends_at_the_projection(examples, dimensions):
    """The theorem itself: with enough examples the student is the teacher."""
    teacher, inputs = data(examples, dimensions)
    learned = descent(inputs, soft_labels(teacher, inputs), steps=20_000)
    np.testing.assert_allclose(learned, projected(teacher, inputs), atol=1e-8)
    if examples >= dimensions:
        np.testing.assert_allclose(learned[0], teacher, atol=1e-8)
    assert excess_loss(learned, inputs, soft_labels(teacher, inputs)).max() < 1e-15


def test_what_the_start_has_outside_the_span_stays():
    """Why students of theory start at 0."""
    teacher, inputs = data(5, 20)
    start = np.cos(np.arange(20.0))[None]
    learned = descent(inputs, soft_labels(teacher, inputs), steps=20_000, start=start)
    unseen = start[0] - gram_schmidt(start[0], inputs[0])
    np.testing.assert_allclose(learned[0], gram_schmidt(teacher, inputs[0]) + unseen, atol=1e-8)


def test_nested_students_are_those_of_the_first_examples():
    """One decomposition for all sizes must not shift them by one."""
    teacher, inputs = data(7, 12, sets=2)
    students = nested_students(teacher, inputs)
    for count in range(1, 8):
        np.testing.assert_allclose(
            students[:, count - 1], projected(teacher, inputs[:, :count]), atol=1e-12
        )
    grown = np.diff(angle(students, teacher), axis=1)
    assert grown.max() <= 1e-12


def test_more_examples_than_dimensions_are_refused():
    """QR would silently give students of the first dimensions only."""
    with pytest.raises(ValueError, match="9 examples in 8 dimensions depend on each other"):
        nested_students(*data(9, 8))


def test_a_displaced_student_has_the_same_loss_and_another_angle():
    """The bias of the optimiser is only seen where the loss cannot tell students apart."""
    teacher, inputs = data(5, 20)
    labels, student = soft_labels(teacher, inputs), projected(teacher, inputs)
    moved = displaced(student, inputs, np.sin(np.arange(20.0)), 2.0)
    assert excess_loss(moved, inputs, labels).max() < 1e-12
    distance = np.linalg.norm(moved - student) / np.linalg.norm(student)
    assert distance == pytest.approx(2.0)
    assert angle(moved, teacher)[0] != pytest.approx(angle(student, teacher)[0], abs=1e-3)


def test_the_loss_is_the_mean_divergence():
    """Cross-entropy without the labels' entropy: 0 for a perfect student, also of hard labels."""
    inputs, student = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.array([0.3, -1.2])
    labels = np.array([0.2, 1.0, 0.0])
    total = 0.0
    for example, label in zip(inputs, labels, strict=True):
        chance = 1.0 / (1.0 + math.exp(-float(example @ student)))
        for p, q in ((label, chance), (1.0 - label, 1.0 - chance)):
            total += p * math.log(p / q) if p > 0 else 0.0
    assert float(excess_loss(student, inputs, labels)) == pytest.approx(total / 3, rel=1e-12)


def test_tiny_angles_are_not_rounded_to_zero():
    """An arc cosine loses half of the digits near 0."""
    one = np.array([1.0, 1e-9])
    assert float(angle(one, np.array([2.0, 0.0]))) == pytest.approx(1e-9, rel=1e-6)
    assert float(angle(-one, np.array([1.0, 0.0]))) == pytest.approx(math.pi, abs=1e-8)
