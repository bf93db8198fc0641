"""SoftTargets against values worked out elsewhere, loops, limits and bad input."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives import HardLabels, LogitMatching, SoftTargets
from limbeck.types import Knowledge, Outputs, TopK

STUDENT = torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]], dtype=torch.float64)
TEACHER = torch.tensor([[2.0, 1.0, 0.0], [1.0, -1.0, 0.5]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice."""


def softmax(row: np.ndarray, temperature: float) -> list[float]:
    powers = [math.exp(z / temperature) for z in row]
    return [power / math.fsum(powers) for power in powers]


def divergence(teacher: list[float], student: list[float]) -> float:
    return math.fsum(p * math.log(p / q) for p, q in zip(teacher, student, strict=True))


def loss_of(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    objective = SoftTargets(temperature=temperature)
    return objective(Outputs(student), Knowledge(teacher.unsqueeze(0)), LABELS)


@pytest.mark.parametrize(
    ("temperature", "known"),
    [(1, 0.59901897), (2, 0.67977304), (4, 0.70782547), (20, 0.72058557), (1000, 0.72219586)],
)
def test_it_gives_the_known_answers(temperature: float, known: float) -> None:
    """A forgotten T squared, or a mean over the classes, which trains all the same."""
    assert loss_of(STUDENT, TEACHER, temperature).item() == pytest.approx(known, abs=1e-7)


def test_its_gradient_is_the_known_one() -> None:
    """A gradient that shrinks with the temperature."""
    student = STUDENT.clone().requires_grad_()
    loss_of(student, TEACHER, 4).backward()
    known = [[-0.32990748, 0.0, 0.32990748], [-0.05201359, 0.09791541, -0.04590183]]
    torch.testing.assert_close(
        student.grad, torch.tensor(known, dtype=torch.float64), rtol=0, atol=1e-7
    )


def test_the_usual_mix_with_hard_labels_gives_the_known_answer() -> None:
    """Weights that reach the wrong term."""
    objective = 0.1 * HardLabels() + 0.9 * SoftTargets(temperature=4.0)
    loss = objective(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    assert loss.item() == pytest.approx(0.81643671, abs=1e-7)


def test_it_agrees_with_loops() -> None:
    """Anything that two rows of three classes do not show."""
    generator = np.random.default_rng(1)
    student, teacher = generator.normal(size=(2, 12, 9)) * 3
    expected = math.fsum(
        6.25 * divergence(softmax(t, 2.5), softmax(s, 2.5))
        for s, t in zip(student, teacher, strict=True)
    )
    loss = loss_of(torch.from_numpy(student), torch.from_numpy(teacher), 2.5)
    assert loss.item() == pytest.approx(expected / 12, rel=1e-10)


def test_a_constant_added_to_a_row_changes_nothing() -> None:
    """Stored logits are known only up to a constant per row."""
    shift = torch.tensor([[100.0], [-7.0]])
    plain = loss_of(STUDENT, TEACHER, 4)
    torch.testing.assert_close(loss_of(STUDENT + shift, TEACHER, 4), plain, rtol=1e-12, atol=0)
    torch.testing.assert_close(loss_of(STUDENT, TEACHER + shift, 4), plain, rtol=1e-12, atol=0)


def test_half_of_logit_matching_is_its_limit_at_high_temperature() -> None:
    """The relation that both docstrings state."""
    matching = LogitMatching()(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    assert matching.item() / 2 == pytest.approx(0.72222222, abs=1e-7)
    assert loss_of(STUDENT, TEACHER, 1e4).item() == pytest.approx(0.72222222, abs=1e-5)


def test_a_class_that_the_teacher_rules_out_adds_nothing() -> None:
    """0 times log 0, for a class whose stored probability is exactly 0."""
    teacher = torch.tensor([[0.0, 0.0, -math.inf]] * 2, dtype=torch.float64)
    student = STUDENT.clone().requires_grad_()
    loss = loss_of(student, teacher, 1)
    loss.backward()
    expected = np.mean([divergence([0.5, 0.5], softmax(z, 1)[:2]) for z in STUDENT.numpy()])
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize(
    ("combine", "weights", "known"),
    [
        ("arithmetic", (), 0.69039854),
        ("geometric", (), 0.73105858),
        ("arithmetic", (1.0, 0.0), 0.88079708),
        ("geometric", (0.0, 1.0), 0.5),
    ],
)
def test_an_ensemble_is_combined_at_the_temperature_as_asked(
    combine: str, weights: tuple[float, ...], known: float
) -> None:
    """The other mean, or probabilities combined at T = 1 and softened again."""
    members = torch.tensor([[[2.0, 0.0]], [[0.0, 0.0]]], dtype=torch.float64)
    student = torch.tensor([[0.7, -0.2]], dtype=torch.float64)
    for temperature in (1.0, 3.0):
        knowledge = Knowledge(members * temperature, {}, combine, weights)  # type: ignore[arg-type]
        loss = SoftTargets(temperature)(Outputs(student), knowledge, LABELS[:1])
        expected = divergence([known, 1 - known], softmax(student[0].numpy(), temperature))
        assert loss.item() == pytest.approx(temperature**2 * expected, abs=1e-7)


def top(teacher: Tensor, kept: list[list[int]], temperature: float) -> TopK:
    """A top-k record by loops: kept logits, and the log-sum-exp of the dropped ones."""
    values, rest = [], []
    for row, classes in zip(teacher.tolist(), kept, strict=True):
        values.append([row[c] for c in classes])
        dropped = [math.exp(z / temperature) for c, z in enumerate(row) if c not in classes]
        rest.append(math.log(math.fsum(dropped)))
    return TopK(
        values=torch.tensor([values], dtype=torch.float64),
        indices=torch.tensor(kept),
        rest={temperature: torch.tensor([rest], dtype=torch.float64)},
        classes=teacher.shape[-1],
    )


def test_top_k_lumps_the_classes_that_were_dropped() -> None:
    """The student's dropped classes forgotten or renormalised away."""
    generator = np.random.default_rng(2)
    student, teacher = generator.normal(size=(2, 3, 6)) * 3
    kept = [[4, 1], [0, 5], [2, 3]]
    lumped = []
    for s, t, classes in zip(student, teacher, kept, strict=True):
        p, q = softmax(t, 2.0), softmax(s, 2.0)
        short_p, short_q = [p[c] for c in classes], [q[c] for c in classes]
        lumped.append(divergence([*short_p, 1 - sum(short_p)], [*short_q, 1 - sum(short_q)]))
    knowledge = Knowledge(top(torch.from_numpy(teacher), kept, 2.0))
    labels = torch.zeros(3, dtype=torch.int64)
    loss = SoftTargets(2.0)(Outputs(torch.from_numpy(student)), knowledge, labels)
    assert loss.item() == pytest.approx(4 * np.mean(lumped), rel=1e-9)


def test_top_k_stays_exact_where_almost_nothing_was_dropped() -> None:
    """1 minus the kept probabilities is 0 in float32, and its log minus infinity."""
    logits = torch.tensor([[60.0, 0.0, 0.0, 0.0]])
    knowledge = Knowledge(top(logits.double(), [[0]], 1.0))
    student = logits.clone().requires_grad_()
    loss = SoftTargets(1.0)(Outputs(student), knowledge, LABELS[:1])
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_a_temperature_that_a_top_k_store_lacks_raises() -> None:
    """The rest of another temperature, which would be silently wrong."""
    knowledge = Knowledge(top(TEACHER, [[0], [0]], 4.0))
    with pytest.raises(ValueError, match=r"temperature 8.0 was not annotated .* holds \[4.0\]"):
        SoftTargets(8.0)(Outputs(STUDENT), knowledge, LABELS)


def test_top_k_that_keeps_every_class_raises() -> None:
    """An empty rest, whose gradient is not a number."""
    knowledge = Knowledge(
        TopK(
            TEACHER.unsqueeze(0),
            torch.tensor([[0, 1, 2]] * 2),
            {4.0: torch.full((1, 2), -math.inf)},
            classes=3,
        )
    )
    with pytest.raises(LimbeckError, match="keeps 3 of 3 classes, so nothing is dropped"):
        SoftTargets(4.0)(Outputs(STUDENT), knowledge, LABELS)


def test_top_k_values_that_do_not_belong_to_the_kept_classes_raise() -> None:
    """Three logits beside two class numbers."""

    def loss() -> Tensor:
        kept = torch.tensor([[0, 1]] * 2)
        record = TopK(TEACHER.unsqueeze(0), kept, {4.0: torch.zeros(1, 2)}, classes=3)
        return SoftTargets(4.0)(Outputs(STUDENT), Knowledge(record), LABELS)

    with pytest.raises(NOTICED, match=r"the teacher scored|(?i:type-?check)"):
        loss()


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_outside_its_range_raises(temperature: float) -> None:
    """A temperature of 0, which divides by 0 at the first batch."""
    with pytest.raises(ValueError, match="temperature is .*; it must be above 0 and finite"):
        SoftTargets(temperature=temperature)


def test_a_temperature_that_is_no_number_raises() -> None:
    """A quoted number in a recipe."""
    with pytest.raises(NOTICED, match="(?i)temperature is '4'; a number is needed|type-?check"):
        SoftTargets(temperature="4")  # type: ignore[arg-type]
