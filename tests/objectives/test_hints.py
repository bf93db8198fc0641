"""Hints against values worked out elsewhere, loops, its projection and bad input."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives import Hints
from limbeck.types import Knowledge, Outputs

MAPS = torch.arange(16.0, dtype=torch.float64).reshape(2, 2, 2, 2) / 10
TEACHER_MAPS = ((torch.arange(16.0, dtype=torch.float64) * 7) % 16).reshape(2, 2, 2, 2) / 10

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice."""


def hints(teacher: Tensor, student: Tensor, seed: int = 0) -> Hints:
    """Bound to the shapes of these two, as distill does."""
    objective = Hints("theirs", "ours")
    torch.manual_seed(seed)
    objective.bind({"theirs": tuple(teacher.shape[1:])}, {"ours": tuple(student.shape[1:])})
    return objective.double()


def loss_of(objective: Hints, teacher: Tensor, student: Tensor) -> Tensor:
    logits = torch.zeros(len(student), 3)
    knowledge = Knowledge(torch.zeros(1, len(teacher), 3), {"theirs": teacher})
    return objective(
        Outputs(logits, {"ours": student}), knowledge, torch.zeros(len(student)).long()
    )


def test_it_gives_the_known_answer_with_the_identity() -> None:
    """A sum over the features in place of the mean."""
    loss = loss_of(hints(TEACHER_MAPS, MAPS), TEACHER_MAPS, MAPS)
    assert loss.item() == pytest.approx(0.38, abs=1e-7)


def test_features_agree_with_loops() -> None:
    """A projection from the teacher to the student, or one that is transposed."""
    generator = np.random.default_rng(7)
    student, teacher = generator.normal(size=(5, 3)), generator.normal(size=(5, 4))
    objective = hints(torch.from_numpy(teacher), torch.from_numpy(student))
    assert objective.projection is not None
    weight = objective.projection.weight.detach().numpy()
    bias = objective.projection.bias.detach().numpy()
    total = 0.0
    for n in range(5):
        for o in range(4):
            guess = bias[o] + sum(weight[o, i] * student[n, i] for i in range(3))
            total += (teacher[n, o] - guess) ** 2
    loss = loss_of(objective, torch.from_numpy(teacher), torch.from_numpy(student))
    assert loss.item() == pytest.approx(total / 20, rel=1e-10)


@pytest.mark.parametrize("larger", ["teacher", "student"])
def test_maps_of_two_sizes_agree_with_loops(larger: str) -> None:
    """The smaller map stretched, or the channels averaged with the places."""
    generator = np.random.default_rng(8)
    sizes = {"teacher": 2, "student": 2, larger: 4}
    teacher = generator.normal(size=(2, 3, sizes["teacher"], sizes["teacher"]))
    student = generator.normal(size=(2, 2, sizes["student"], sizes["student"]))
    objective = hints(torch.from_numpy(teacher), torch.from_numpy(student))
    assert objective.projection is not None
    weight = objective.projection.weight.detach().numpy()
    bias = objective.projection.bias.detach().numpy()

    def at(maps: np.ndarray, n: int, channel: int, y: int, x: int) -> float:
        step = maps.shape[-1] // 2
        corner = maps[n, channel, y * step : (y + 1) * step, x * step : (x + 1) * step]
        return float(corner.mean())

    total = 0.0
    for n, o, y, x in np.ndindex(2, 3, 2, 2):
        guess = bias[o] + sum(weight[o, i] * at(student, n, i, y, x) for i in range(2))
        total += (at(teacher, n, o, y, x) - guess) ** 2
    loss = loss_of(objective, torch.from_numpy(teacher), torch.from_numpy(student))
    assert loss.item() == pytest.approx(total / 24, rel=1e-10)


def test_height_and_width_are_each_brought_to_the_smaller() -> None:
    """A map that is higher on one side and wider on the other."""
    teacher, student = torch.ones(2, 3, 4, 2).double(), torch.ones(2, 3, 2, 6).double()
    loss = loss_of(hints(teacher, student), teacher, student)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)


def test_the_projection_is_trained() -> None:
    """A projection that stays as it was drawn, so that the student must chase noise."""
    student, teacher = torch.randn(6, 3).double(), torch.randn(6, 4).double()
    objective = hints(teacher, student)
    assert len(list(objective.parameters())) == 2

    def loss(weight: Tensor, bias: Tensor) -> Tensor:
        values = {"projection.weight": weight, "projection.bias": bias}
        knowledge = Knowledge(torch.zeros(1, 6, 3), {"theirs": teacher})
        arguments = (
            Outputs(torch.zeros(6, 3), {"ours": student}),
            knowledge,
            torch.zeros(6).long(),
        )
        return torch.func.functional_call(objective, values, arguments)

    assert torch.autograd.gradcheck(loss, list(objective.parameters()))


def test_the_same_seed_gives_the_same_projection() -> None:
    """A run that cannot be repeated."""
    student, teacher = torch.zeros(2, 3), torch.zeros(2, 4)
    one, same, other = (hints(teacher, student, seed).projection for seed in (0, 0, 1))
    assert one is not None
    assert same is not None
    assert other is not None
    assert torch.equal(one.weight, same.weight)
    assert not torch.equal(one.weight, other.weight)


def test_binding_again_keeps_what_was_learned_unless_the_widths_change() -> None:
    """A resumed run that starts its projection anew."""
    objective = hints(torch.zeros(2, 4), torch.zeros(2, 3))
    projection = objective.projection
    objective.bind({"theirs": (4,)}, {"ours": (3,)})
    assert objective.projection is projection
    objective.bind({"theirs": (5,)}, {"ours": (3,)})
    assert objective.projection is not projection
    assert objective.widths == (3, 5)


def test_a_float64_student_is_not_rounded_by_a_float32_projection() -> None:
    """A student's precision lost on the way through the projection."""
    objective = hints(TEACHER_MAPS, MAPS).float()
    loss = loss_of(objective, TEACHER_MAPS, MAPS)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(0.38, abs=1e-12)


def test_forward_before_bind_raises() -> None:
    """A projection created in forward, which no optimiser knows."""
    with pytest.raises(LimbeckError, match=r"Hints has no projection yet; .* Call bind"):
        loss_of(Hints("theirs", "ours"), TEACHER_MAPS, MAPS)
    assert Hints("theirs", "ours").widths is None


def test_another_width_than_it_was_bound_for_raises() -> None:
    """A teacher exchanged after binding."""
    objective = hints(TEACHER_MAPS, MAPS)
    with pytest.raises(LimbeckError, match=r"but Hints was bound for \(2, 2\) channels"):
        loss_of(objective, TEACHER_MAPS[:, :1], MAPS)
    with pytest.raises(LimbeckError, match=r"but Hints was bound for \(2, 2\) channels"):
        loss_of(objective, TEACHER_MAPS.mean((2, 3)), MAPS)


@pytest.mark.parametrize(("theirs", "ours"), [((4,), (3, 2, 2)), ((5, 8), (5, 8)), ((), ())])
def test_layers_of_two_kinds_raise(theirs: tuple[int, ...], ours: tuple[int, ...]) -> None:
    """A pooled vector compared with a map; tokens, whose padding would count."""
    with pytest.raises(LimbeckError, match=r"both features \(d,\) or both maps"):
        Hints("theirs", "ours").bind({"theirs": theirs}, {"ours": ours})


def test_a_layer_that_is_not_there_raises_with_the_nearest() -> None:
    """A mistyped layer found only at the first batch."""
    with pytest.raises(
        LimbeckError, match=r"student gives no hidden layer 'ours'. Did you mean 'our"
    ):
        Hints("theirs", "ours").bind({"theirs": (4,)}, {"our": (3,)})
    with pytest.raises(LimbeckError, match="teacher gives no hidden layers; 'theirs' is needed"):
        Hints("theirs", "ours").bind({}, {"ours": (3,)})


@pytest.mark.parametrize("layer", ["", None, 3])
def test_a_layer_without_a_name_raises(layer: object) -> None:
    """An empty key in a recipe."""
    with pytest.raises(
        NOTICED, match="(?i)teacher_layer is .*; the module path of one|type-?check"
    ):
        Hints(layer, "ours")  # type: ignore[arg-type]
    with pytest.raises(
        NOTICED, match="(?i)student_layer is .*; the module path of one|type-?check"
    ):
        Hints("theirs", layer)  # type: ignore[arg-type]
