"""HardLabels against values worked out elsewhere, loops and bad input."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from limbeck.errors import LimbeckError
from limbeck.objectives import HardLabels
from limbeck.types import UNLABELLED, Outputs

STUDENT = torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice."""


def reference(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> float:
    losses = []
    for row, label in zip(logits, labels, strict=True):
        if label == UNLABELLED:
            continue
        total = math.fsum(math.exp(z) for z in row)
        log_probs = [z - math.log(total) for z in row]
        uniform = math.fsum(log_probs) / len(row)
        losses.append(-(1 - smoothing) * log_probs[label] - smoothing * uniform)
    return math.fsum(losses) / len(losses)


@pytest.mark.parametrize(("smoothing", "known"), [(0.0, 1.79393782), (0.1, 1.74393782)])
def test_it_gives_the_known_answers(smoothing: float, known: float) -> None:
    """Label smoothing that leaves the label out of the uniform part."""
    loss = HardLabels(label_smoothing=smoothing)(Outputs(STUDENT), None, LABELS)
    assert loss.item() == pytest.approx(known, abs=1e-7)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_it_agrees_with_loops(smoothing: float) -> None:
    """A mean that counts the unlabelled rows."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20, 7)) * 4
    labels = generator.integers(-1, 7, size=20)
    loss = HardLabels(smoothing)(Outputs(torch.from_numpy(logits)), None, torch.from_numpy(labels))
    assert (labels == UNLABELLED).any()
    assert loss.item() == pytest.approx(reference(logits, labels, smoothing), rel=1e-12)


def test_logits_are_divided_by_the_temperature() -> None:
    """A temperature that is taken and not used, or that is squared into the loss."""
    halved = HardLabels()(Outputs(STUDENT / 2), None, LABELS)
    assert (
        HardLabels(student_temperature=2.0)(Outputs(STUDENT), None, LABELS).item() == halved.item()
    )
    with pytest.raises(NOTICED, match="student_temperature"):
        HardLabels(student_temperature=0.0)


def test_smoothing_is_distillation_from_a_teacher_who_knows_nothing() -> None:
    """Smoothing towards something else than the uniform distribution."""
    divergence = (-math.log(3) - STUDENT.log_softmax(-1)).mean()
    plain = HardLabels()(Outputs(STUDENT), None, LABELS)
    smoothed = HardLabels(0.1)(Outputs(STUDENT), None, LABELS)
    expected = 0.9 * plain + 0.1 * (divergence + math.log(3))
    assert smoothed.item() == pytest.approx(expected.item(), rel=1e-12)


def test_labels_of_a_narrower_integer_type_are_read() -> None:
    """int32 labels, as many files hold them, which PyTorch refuses."""
    loss = HardLabels()(Outputs(STUDENT), None, LABELS.int())
    assert loss.item() == pytest.approx(1.79393782, abs=1e-7)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan"), float("inf")])
def test_smoothing_outside_its_range_raises(smoothing: float) -> None:
    """A smoothing of 1, which forgets the labels altogether."""
    with pytest.raises(ValueError, match=r"label_smoothing is .* from 0 to below 1"):
        HardLabels(label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", ["0.1", None, True])
def test_smoothing_that_is_no_number_raises(smoothing: object) -> None:
    """A quoted number in a recipe."""
    with pytest.raises(NOTICED, match=r"(?i)label_smoothing is .*; a number is needed|type-?check"):
        HardLabels(label_smoothing=smoothing)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", [3, -100, -2])
def test_labels_that_no_class_has_raise(label: int) -> None:
    """PyTorch's own ignore index -100, taken for a missing label or for a class."""
    with pytest.raises(LimbeckError, match=rf"the labels hold \[{label}\]; with 3 classes"):
        HardLabels()(Outputs(STUDENT), None, torch.tensor([0, label]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_labels_that_are_no_whole_numbers_raise(dtype: torch.dtype) -> None:
    """Probabilities or flags in place of class numbers."""
    with pytest.raises(NOTICED, match=r"whole class numbers are needed|(?i:type-?check)"):
        HardLabels()(Outputs(STUDENT), None, LABELS.to(dtype))
