"""RelationalDistances against values worked out elsewhere, loops, its invariances and bad input."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives import RelationalDistances
from limbeck.types import Knowledge, Outputs

STUDENT = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
TEACHER = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0], [2.0, 0.0, 1.0]], dtype=torch.float64)


def loss_of(
    teacher: Tensor, student: Tensor, distance_weight: float = 25.0, angle_weight: float = 50.0
) -> Tensor:
    knowledge = Knowledge(torch.zeros(1, len(teacher), 3), {"theirs": teacher})
    outputs = Outputs(torch.zeros(len(student), 3), {"ours": student})
    objective = RelationalDistances(
        "theirs", "ours", distance_weight=distance_weight, angle_weight=angle_weight
    )
    return objective(outputs, knowledge, torch.zeros(len(student)).long())


def huber(difference: float) -> float:
    size = abs(difference)
    return 0.5 * size**2 if size < 1 else size - 0.5


def relative_distances(features: np.ndarray) -> np.ndarray:
    n = len(features)
    table = np.array([[math.dist(features[i], features[j]) for j in range(n)] for i in range(n)])
    return table / table[table > 0].mean()


def angle(features: np.ndarray, i: int, j: int, k: int) -> float:
    """The cosine of the angle at i between j and k; 0 where there is none."""
    to_j, to_k = features[j] - features[i], features[k] - features[i]
    lengths = math.hypot(*to_j) * math.hypot(*to_k)
    return float(to_j @ to_k / lengths) if lengths else 0.0


@pytest.mark.parametrize(
    ("weights", "known"),
    [((1.0, 0.0), 0.03179674), ((0.0, 1.0), 0.02927434), ((25.0, 50.0), 2.25863552)],
)
def test_it_gives_the_known_answers(weights: tuple[float, float], known: float) -> None:
    """The mean distance taken over the diagonal's zeros too."""
    assert loss_of(TEACHER, STUDENT, *weights).item() == pytest.approx(known, abs=1e-7)


def test_it_agrees_with_loops() -> None:
    """Angles at another corner of the triplet, or differences beyond 1 squared."""
    generator = np.random.default_rng(11)
    teacher, student = generator.normal(size=(7, 4)), generator.normal(size=(7, 3))
    teacher[0] *= 20
    theirs, ours = relative_distances(teacher), relative_distances(student)
    assert np.abs(theirs - ours).max() > 1
    by_distance = np.mean([huber(d) for d in (theirs - ours).ravel()])
    by_angle = np.mean(
        [huber(angle(teacher, *ijk) - angle(student, *ijk)) for ijk in np.ndindex(7, 7, 7)]
    )
    loss = loss_of(torch.from_numpy(teacher), torch.from_numpy(student), 2.0, 3.0)
    assert loss.item() == pytest.approx(2 * by_distance + 3 * by_angle, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-5, 1e3])
def test_scale_rotation_and_offset_change_nothing(scale: float) -> None:
    """Thresholds that switch small features off."""
    turn, _ = torch.linalg.qr(torch.tensor([[1.0, 2.0], [3.0, -1.0]], dtype=torch.float64))
    moved = scale * (STUDENT @ turn + 1)
    torch.testing.assert_close(
        loss_of(TEACHER, moved), loss_of(TEACHER, STUDENT), rtol=1e-8, atol=0
    )


def test_maps_are_flattened() -> None:
    """Distances per place of a map."""
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(4, 3, 2, 2, generator=generator)
    student = torch.randn(4, 2, 3, 3, generator=generator)
    flat = loss_of(teacher.flatten(1), student.flatten(1))
    torch.testing.assert_close(loss_of(teacher, student), flat)


@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_copies_of_an_example_do_not_blow_up_the_gradient(noise: float) -> None:
    """The square root's gradient at 0, and directions that are nothing but rounding."""
    generator = torch.Generator().manual_seed(1)
    teacher = torch.randn(6, 4, generator=generator)
    student = torch.randn(6, 3, generator=generator)
    student[1] = student[0]
    student[2] = student[0] + noise * torch.randn(3, generator=generator)
    student.requires_grad_()
    loss = loss_of(teacher, student)
    loss.backward()
    assert loss.isfinite()
    assert student.grad is not None
    assert student.grad.abs().max() < 100


def test_near_neighbours_keep_their_distance() -> None:
    """Distances through inner products, which round to 0 far from the origin."""
    student = (STUDENT * 1e-2 + 300).float()
    exact = loss_of(TEACHER.float(), (student - 300), angle_weight=0.0)
    found = loss_of(TEACHER.float(), student, angle_weight=0.0)
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=0)


def test_a_batch_of_one_example_costs_nothing() -> None:
    """0 / 0 for the mean distance, in the last batch of an epoch."""
    student = STUDENT[:1].clone().requires_grad_()
    loss = loss_of(TEACHER[:1], student)
    loss.backward()
    assert loss.item() == 0.0
    assert student.grad is not None
    assert not student.grad.any()


def test_layers_that_are_not_there_raise() -> None:
    """A mistyped layer."""
    knowledge = Knowledge(torch.zeros(1, 3, 3), {"theirs": TEACHER})
    outputs = Outputs(torch.zeros(3, 3), {"ours": STUDENT})
    with pytest.raises(LimbeckError, match="student gives no hidden layer 'hours'. Did you mean"):
        RelationalDistances("theirs", "hours")(outputs, knowledge, torch.zeros(3).long())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distance_weight": -1.0}, "distance_weight is -1.0; it must be 0 or more and finite"),
        ({"angle_weight": float("nan")}, "angle_weight is nan; it must be 0 or more and finite"),
    ],
)
def test_settings_outside_their_range_raise(settings: dict[str, float], message: str) -> None:
    """A negative weight, which pushes the student away from its teacher."""
    with pytest.raises(ValueError, match=message):
        RelationalDistances("theirs", "ours", **settings)


def test_a_layer_without_a_name_raises() -> None:
    """An empty key in a recipe."""
    with pytest.raises(ValueError, match="teacher_layer is ''; the module path of one layer"):
        RelationalDistances("", "ours")
