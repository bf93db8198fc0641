"""Agreement and KL against loops."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr

from limbeck.evaluation.fidelity import agreement, kl_nats


def test_agreement_is_about_the_first_class_alone() -> None:
    """Agreement with the labels in the place of agreement with the teacher."""
    one = torch.tensor([[0.1, 0.9], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]]).log()
    other = torch.tensor([[0.4, 0.6], [0.1, 0.9], [0.1, 0.9], [0.9, 0.1]]).log()
    assert agreement(one, other) == 0.75


def test_kl_is_scipys_relative_entropy_and_keeps_its_direction() -> None:
    """KL(student || teacher) instead of KL(teacher || student)."""
    draws = torch.Generator().manual_seed(0)
    teacher, student = (
        torch.randn(50, 5, generator=draws, dtype=torch.float64).log_softmax(1) for _ in range(2)
    )
    expected = np.mean(rel_entr(teacher.exp().numpy(), student.exp().numpy()).sum(axis=1))
    assert kl_nats(teacher, student) == pytest.approx(expected)
    assert kl_nats(teacher, teacher) == 0.0


def test_a_class_the_teacher_excludes_adds_nothing() -> None:
    """0 * -inf, which is NaN."""
    teacher = torch.tensor([[1.0, 0.0]], dtype=torch.float64).log()
    student = torch.tensor([[0.5, 0.5]], dtype=torch.float64).log()
    assert kl_nats(teacher, student) == pytest.approx(np.log(2))
