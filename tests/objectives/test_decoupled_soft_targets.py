"""DecoupledSoftTargets against values worked out elsewhere, loops, an identity and bad input."""

import math

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.objectives import DecoupledSoftTargets
from limbeck.objectives.decoupled_soft_targets import divergences
from limbeck.types import Knowledge, Outputs, TopK

STUDENT = torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]], dtype=torch.float64)
TEACHER = torch.tensor([[2.0, 1.0, 0.0], [1.0, -1.0, 0.5]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def divergence(p: list[float], q: list[float]) -> float:
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def probabilities(row: np.ndarray, temperature: float) -> list[float]:
    powers = [math.exp(z / temperature) for z in row]
    return [power / math.fsum(powers) for power in powers]


@pytest.mark.parametrize(
    ("target_weight", "non_target_weight", "known"),
    [(1.0, 8.0, 2.99296811), (1.0, 0.0, 0.52477489), (0.0, 1.0, 0.30852415)],
)
def test_it_gives_the_known_answers(
    target_weight: float, non_target_weight: float, known: float
) -> None:
    """The two parts exchanged, or one without T squared."""
    objective = DecoupledSoftTargets(4.0, target_weight, non_target_weight)
    loss = objective(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    assert loss.item() == pytest.approx(known, abs=1e-7)


def test_the_two_parts_add_up_to_soft_targets() -> None:
    """The identity KL = target + (1 - p_label) * non-target, per example."""
    teacher, student = (TEACHER / 4).log_softmax(-1), (STUDENT / 4).log_softmax(-1)
    target, non_target = divergences(teacher, student, LABELS, LABELS >= 0)
    rest = 1 - teacher.exp()[[0, 1], LABELS]
    total = 16 * (target + rest * non_target).mean()
    assert total.item() == pytest.approx(0.70782547, abs=1e-7)


def test_it_agrees_with_loops() -> None:
    """Unlabelled rows taken for class 0, or the label left among the other classes."""
    generator = np.random.default_rng(5)
    student, teacher = generator.normal(size=(2, 15, 6)) * 3
    labels = generator.integers(-1, 6, size=15)
    losses = []
    for s, t, y in zip(student, teacher, labels, strict=True):
        if y < 0:
            continue
        p, q = probabilities(t, 2.0), probabilities(s, 2.0)
        target = divergence([p[y], 1 - p[y]], [q[y], 1 - q[y]])
        others = [k for k in range(6) if k != y]
        non_target = divergence(
            [p[k] / (1 - p[y]) for k in others], [q[k] / (1 - q[y]) for k in others]
        )
        losses.append(4 * (1.5 * target + 3.0 * non_target))
    assert len(losses) < 15
    loss = DecoupledSoftTargets(2.0, 1.5, 3.0)(
        Outputs(torch.from_numpy(student)),
        Knowledge(torch.from_numpy(teacher).unsqueeze(0)),
        torch.from_numpy(labels),
    )
    assert loss.item() == pytest.approx(np.mean(losses), rel=1e-9)


def test_a_saturated_label_keeps_the_others_apart() -> None:
    """log(1 - p) of a probability that rounds to 1: infinite on logits of 120 elsewhere."""
    teacher = torch.tensor([[120.0, 1.0, 0.0]])
    student = torch.tensor([[120.0, 0.0, 1.0]], requires_grad=True)
    loss = DecoupledSoftTargets(1.0)(Outputs(student), Knowledge(teacher[None]), LABELS[:1])
    loss.backward()
    p = 1 / (1 + math.exp(-1))
    assert loss.item() == pytest.approx(8 * divergence([p, 1 - p], [1 - p, p]), rel=1e-5)
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_two_classes_leave_nothing_among_the_others() -> None:
    """A single other class, whose share of itself is 1."""
    student, teacher = STUDENT[:, :2], TEACHER[:, :2]
    loss = DecoupledSoftTargets(1.0, 0.0, 8.0)(
        Outputs(student), Knowledge(teacher[None]), torch.tensor([0, 1])
    )
    assert loss.item() == 0.0


def test_top_k_knowledge_raises() -> None:
    """The other classes compared without those that were dropped."""
    knowledge = Knowledge(
        TopK(TEACHER[None, :, :2], torch.tensor([[0, 1]] * 2), {4.0: torch.zeros(1, 2)}, classes=3)
    )
    with pytest.raises(LimbeckError, match=r"DecoupledSoftTargets needs .* keeps 2 of 3"):
        DecoupledSoftTargets()(Outputs(STUDENT), knowledge, LABELS)


def test_a_label_that_no_class_has_raises() -> None:
    """A label taken from another class list."""
    with pytest.raises(
        LimbeckError, match=r"the labels hold \[3\]; with 3 classes they are 0 to 2"
    ):
        DecoupledSoftTargets()(Outputs(STUDENT), Knowledge(TEACHER[None]), torch.tensor([3, 0]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0 and finite"),
        ({"target_weight": -1.0}, "target_weight is -1.0; it must be 0 or more and finite"),
        ({"non_target_weight": float("nan")}, "non_target_weight is nan; it must be 0 or more"),
    ],
)
def test_settings_outside_their_range_raise(settings: dict[str, float], message: str) -> None:
    """A negative weight, which pushes the student away from its teacher."""
    with pytest.raises(ValueError, match=message):
        DecoupledSoftTargets(**settings)
