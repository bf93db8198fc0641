"""Dist against values worked out elsewhere, loops, its invariances and bad input."""

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.objectives import Dist
from limbeck.types import Knowledge, Outputs, TopK

STUDENT = torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]], dtype=torch.float64)
TEACHER = torch.tensor([[2.0, 1.0, 0.0], [1.0, -1.0, 0.5]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


@pytest.mark.parametrize(
    ("settings", "known"), [((1.0, 1.0, 1.0), 2.27609844), ((4.0, 2.0, 2.0), 75.05891196)]
)
def test_it_gives_the_known_answers(settings: tuple[float, ...], known: float) -> None:
    """The factor T squared left out, or correlations of logits in place of probabilities."""
    loss = Dist(*settings)(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    assert loss.item() == pytest.approx(known, abs=1e-7)


def test_it_agrees_with_numpys_correlations() -> None:
    """Rows and columns exchanged, which a square example does not show."""
    generator = np.random.default_rng(6)
    student, teacher = generator.normal(size=(2, 11, 4)) * 2
    p = np.exp(teacher / 2) / np.exp(teacher / 2).sum(1, keepdims=True)
    q = np.exp(student / 2) / np.exp(student / 2).sum(1, keepdims=True)
    rows = np.mean([np.corrcoef(p[i], q[i])[0, 1] for i in range(11)])
    columns = np.mean([np.corrcoef(p[:, k], q[:, k])[0, 1] for k in range(4)])
    loss = Dist(2.0, 3.0, 5.0)(
        Outputs(torch.from_numpy(student)),
        Knowledge(torch.from_numpy(teacher).unsqueeze(0)),
        torch.zeros(11).long(),
    )
    assert loss.item() == pytest.approx(4 * (3 * (1 - rows) + 5 * (1 - columns)), rel=1e-9)


def test_a_constant_added_to_a_row_changes_nothing() -> None:
    """Logits read without their softmax."""
    plain = Dist()(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    moved = Dist()(Outputs(STUDENT + 9), Knowledge(TEACHER.unsqueeze(0) - 4), LABELS)
    torch.testing.assert_close(moved, plain, rtol=1e-12, atol=0)


def test_an_untrained_student_gets_a_bounded_gradient() -> None:
    """Equal probabilities: a gradient of 1e8 from dividing by a standard deviation of nothing."""
    teacher = Knowledge(TEACHER.float().unsqueeze(0))
    for size in (0.0, 1e-9, 1e-5, 1e-3):
        student = (size * STUDENT).float().requires_grad_()
        Dist()(Outputs(student), teacher, LABELS).backward()
        assert student.grad is not None
        assert 0 < student.grad.abs().max() < 1e4


def test_a_batch_of_one_example_has_its_row_only() -> None:
    """A constant loss for a column of one number, whose correlation does not exist."""
    teacher = Knowledge(TEACHER[:1].unsqueeze(0))
    one = Dist()(Outputs(STUDENT[:1]), teacher, LABELS[:1])
    rows_only = Dist(intra_class_weight=0.0)(Outputs(STUDENT[:1]), teacher, LABELS[:1])
    p, q = (row.softmax(-1).numpy() for row in (TEACHER[0], STUDENT[0]))
    assert one.item() == pytest.approx(1 - np.corrcoef(p, q)[0, 1], rel=1e-9)
    assert torch.equal(one, rows_only)
    perfect = Dist()(Outputs(TEACHER[:1]), teacher, LABELS[:1])
    assert perfect.item() == pytest.approx(0.0, abs=1e-12)


def test_top_k_knowledge_raises() -> None:
    """Correlations over the kept classes only, which look better than they are."""
    knowledge = Knowledge(
        TopK(TEACHER[None, :, :2], torch.tensor([[0, 1]] * 2), {1.0: torch.zeros(1, 2)}, classes=3)
    )
    with pytest.raises(LimbeckError, match=r"Dist needs .* every class, .* keeps 2 of 3"):
        Dist()(Outputs(STUDENT), knowledge, LABELS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -2.0}, "temperature is -2.0; it must be above 0 and finite"),
        ({"inter_class_weight": -1.0}, "inter_class_weight is -1.0; it must be 0 or more"),
        ({"intra_class_weight": float("inf")}, "intra_class_weight is inf; it must be 0 or more"),
    ],
)
def test_settings_outside_their_range_raise(settings: dict[str, float], message: str) -> None:
    """A negative weight, which pushes the student away from its teacher."""
    with pytest.raises(ValueError, match=message):
        Dist(**settings)
