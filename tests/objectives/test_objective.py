"""Weighted sums, and what the base class gives to every objective."""

import pytest
import torch

from limbeck.objectives import (
    Dist,
    HardLabels,
    Hints,
    LogitMatching,
    Objective,
    RelationalDistances,
    SoftTargets,
    WeightedSum,
)
from limbeck.types import Knowledge, Outputs

STUDENT = Outputs(torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]], dtype=torch.float64))
TEACHER = Knowledge(torch.tensor([[[2.0, 1.0, 0.0], [1.0, -1.0, 0.5]]], dtype=torch.float64))
LABELS = torch.tensor([0, -1])


def test_a_sum_is_the_weighted_sum_of_its_terms() -> None:
    """A nested weight that is lost or applied twice."""
    soft, hard, logits = SoftTargets(2.0), HardLabels(), LogitMatching()
    objective = 2 * (0.5 * soft + 3 * hard) + logits * 0.25
    expected = sum(
        weight * term(STUDENT, TEACHER, LABELS)
        for weight, term in ((1.0, soft), (6.0, hard), (0.25, logits))
    )
    torch.testing.assert_close(objective(STUDENT, TEACHER, LABELS), expected)
    assert [weight for weight, _ in objective.terms] == [1.0, 6.0, 0.25]
    assert [type(term) for _, term in objective.terms] == [SoftTargets, HardLabels, LogitMatching]


def test_a_sum_needs_and_reads_what_its_terms_do() -> None:
    """A store without hidden features that is found out at the first batch only."""
    objective = SoftTargets(3.0) + 5 * Hints("a", "b") + RelationalDistances("c", "d") + Dist()
    assert objective.needs == {"logits", "hidden"}
    assert objective.teacher_layers == ("a", "c")
    assert objective.student_layers == ("b", "d")
    assert objective.temperatures == (3.0, 1.0)
    assert objective.relational
    assert not (SoftTargets() + HardLabels()).relational
    assert (SoftTargets() + HardLabels()).needs == {"logits", "labels"}


def test_binding_a_sum_binds_its_terms() -> None:
    """A projection inside a sum that is never created, or not trained."""
    objective = HardLabels() + 5 * Hints("a", "b")
    assert not list(objective.parameters())
    objective.bind({"a": (4,)}, {"b": (3,)})
    assert [tuple(each.shape) for each in objective.parameters()] == [(4, 3), (4,)]


def test_sums_are_equal_by_their_terms_and_say_what_they_are() -> None:
    """A checkpoint taken for that of another objective."""
    objective = 0.9 * SoftTargets(temperature=4) + 0.1 * HardLabels()
    assert objective == 0.9 * SoftTargets() + 0.1 * HardLabels()
    assert objective != 0.9 * SoftTargets() + 0.2 * HardLabels()
    assert objective != SoftTargets()
    assert SoftTargets() != 1.0 * SoftTargets()
    assert repr(objective) == (
        "0.9 * SoftTargets(temperature=4.0) + "
        "0.1 * HardLabels(label_smoothing=0.0, student_temperature=1.0)"
    )
    assert len({objective, SoftTargets()}) == 2


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_outside_its_range_raises(weight: float) -> None:
    """A negative weight, which pushes the student away from its teacher."""
    with pytest.raises(ValueError, match=r"SoftTargets has weight .*; weights are 0 or more"):
        weight * SoftTargets()


def test_a_sum_of_nothing_raises() -> None:
    """A loss of 0 that trains nothing."""
    with pytest.raises(ValueError, match="an objective needs at least one term"):
        WeightedSum(())


def test_adding_or_multiplying_anything_else_raises() -> None:
    """A number added to an objective, which would change nothing but the curve."""
    with pytest.raises(TypeError, match="(?i)unsupported operand|type-?check"):
        SoftTargets() + 1.0  # type: ignore[operator]
    with pytest.raises(TypeError, match="(?i)unsupported operand|type-?check"):
        SoftTargets() * HardLabels()  # type: ignore[operator]


def test_a_users_own_objective_needs_only_forward() -> None:
    """Settings read from nn.Module's (*args, **kwargs) where there is no constructor."""

    class Largest(Objective):
        """The largest logit."""

        def forward(
            self, student: Outputs, teacher: Knowledge | None, labels: torch.Tensor
        ) -> torch.Tensor:
            return student.logits.amax(dim=-1).mean()

    assert Largest().settings() == {}
    assert repr(2 * Largest()) == "2 * Largest()"
    assert (2 * Largest())(STUDENT, None, LABELS).item() == pytest.approx(3.5)
    assert Largest().count(LABELS) == 2
    assert Largest().terms[0][0] == 1.0
