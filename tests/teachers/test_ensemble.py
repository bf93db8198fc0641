"""Ensembles against loops in float64, and the mistakes in making them."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn

from limbeck.errors import TeacherError
from limbeck.teachers import Ensemble, Teacher, TorchModule
from limbeck.types import Batch, Outputs

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""


class Says(Teacher):
    """Gives the same logits whatever it is asked."""

    def __init__(
        self,
        logits: object,
        *,
        name: str = "says",
        classes: Sequence[str] | None = None,
        features: Tensor | None = None,
    ) -> None:
        self.logits = torch.as_tensor(logits, dtype=torch.float32)
        self.name = name
        self.classes = None if classes is None else tuple(classes)
        self.features = features
        self.hidden = () if features is None else ("layer1",)
        self.released = 0

    @property
    def fingerprint(self) -> str:
        return str(self.logits.tolist())

    def outputs(self, batch: Batch) -> Outputs:
        hidden = {} if self.features is None else {"layer1": self.features}
        return Outputs(self.logits, hidden)

    def release(self) -> None:
        self.released += 1


def batch(count: int = 1) -> Batch:
    rows = torch.arange(count)
    return Batch(rows, torch.zeros(count, 2), torch.zeros(count, dtype=torch.int64))


def reference(
    members: np.ndarray, combine: str, weights: Sequence[float], temperature: float
) -> np.ndarray:
    """Probabilities of the combined teacher, one example and class at a time."""
    _, examples, classes = members.shape
    result = np.zeros((examples, classes))
    for example in range(examples):
        soft = []
        for member in members:
            powers = [math.exp(z / temperature) for z in member[example]]
            soft.append([power / math.fsum(powers) for power in powers])
        for k in range(classes):
            column = [probabilities[k] for probabilities in soft]
            if combine == "arithmetic":
                terms = [w * p for w, p in zip(weights, column, strict=True)]
                result[example, k] = math.fsum(terms)
            else:
                terms = [p**w for w, p in zip(weights, column, strict=True)]
                result[example, k] = math.prod(terms)
        result[example] /= math.fsum(result[example])
    return result


@pytest.mark.parametrize(
    ("combine", "known"), [("arithmetic", 0.69039854), ("geometric", 0.73105858)]
)
def test_it_gives_the_known_answers(combine: str, known: float) -> None:
    """(0.88079708 + 0.5) / 2, and the logistic function of 1."""
    ensemble = Ensemble([Says([[2.0, 0.0]]), Says([[0.0, 0.0]])], combine=combine)  # type: ignore[arg-type]
    found = ensemble.outputs(batch()).logits.exp()
    assert found.tolist()[0] == pytest.approx([known, 1 - known], abs=1e-7)


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 5.0)])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_it_equals_a_loop_in_float64(
    combine: str, weights: tuple[float, ...] | None, temperature: float
) -> None:
    """Each member is softened before they are combined, and weights sum to 1."""
    logits = np.random.default_rng(0).normal(scale=3, size=(3, 6, 5))
    ensemble = Ensemble([Says(z) for z in logits], combine=combine, weights=weights)  # type: ignore[arg-type]
    shares = np.array(weights or (1.0, 1.0, 1.0))
    expected = reference(logits, combine, list(shares / shares.sum()), temperature)
    found = ensemble.knowledge(batch(6)).log_probs(temperature).double().exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    if temperature == 1.0:
        outputs = ensemble.outputs(batch(6)).logits.double().exp().numpy()
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-7)


def test_knowledge_keeps_every_member_apart() -> None:
    """The mean, the weights and leave-one-out are chosen at training time."""
    logits = torch.randn(2, 3, 4)
    knowledge = Ensemble([Says(z) for z in logits], weights=[1.0, 3.0]).knowledge(batch(3))
    assert torch.equal(knowledge.logits, logits)
    assert (knowledge.combine, knowledge.weights) == ("geometric", (0.25, 0.75))


def test_equal_weights_are_no_weights() -> None:
    """The same ensemble said in two ways must have one fingerprint."""
    members = [Says([[1.0, 2.0]]), Says([[3.0, 1.0]])]
    assert Ensemble(members, weights=[2.0, 2.0]).weights == ()
    assert Ensemble(members, weights=[2.0, 2.0]).fingerprint == Ensemble(members).fingerprint


def test_hidden_features_are_named_by_member() -> None:
    """Two members may have layers of the same name."""
    one, two = torch.randn(1, 3), torch.randn(1, 4)
    ensemble = Ensemble([Says([[1.0, 0.0]], features=one), Says([[0.0, 1.0]], features=two)])
    assert ensemble.hidden == ("says.layer1", "says-2.layer1")
    hidden = ensemble.outputs(batch()).hidden
    assert torch.equal(hidden["says.layer1"], one)
    assert torch.equal(hidden["says-2.layer1"], two)


def test_names_are_made_unique_without_touching_the_teachers_given() -> None:
    """Two fields of one name would overwrite each other in a store."""
    given = [Says([[1.0, 0.0]], name=name) for name in ("net", "net", "net-2", "net", "other")]
    ensemble = Ensemble(given)
    assert [m.name for m in ensemble.members] == ["net", "net-3", "net-2", "net-4", "other"]
    assert [m.name for m in given] == ["net", "net", "net-2", "net", "other"]


def test_one_teacher_twice_is_two_members() -> None:
    """It has double weight, and two names."""
    teacher = Says([[1.0, 0.0]])
    assert [m.name for m in Ensemble([teacher, teacher]).members] == ["says", "says-2"]


def test_members_in_another_order_of_classes_are_brought_into_the_first_ones() -> None:
    """Averaging columns of different classes gives a plausible, wrong teacher."""
    value = {"ant": 1.0, "bee": 2.0, "cat": 4.0}
    orders = list(itertools.permutations(value))
    ensemble = Ensemble([Says([[value[n] for n in order]], classes=order) for order in orders])
    assert ensemble.classes == ("ant", "bee", "cat")
    assert ensemble.knowledge(batch()).logits[:, 0].tolist() == [[1.0, 2.0, 4.0]] * 6
    assert [member.classes for member in ensemble.members] == orders


def test_members_that_know_different_classes_are_refused() -> None:
    """Their columns cannot be paired."""
    members = [Says([[1.0, 0.0]], classes="ab"), Says([[1.0, 0.0]], classes="ac", name="two")]
    with pytest.raises(TeacherError, match="'says' and 'two' know different classes: .*only"):
        Ensemble(members)


def test_members_that_know_their_classes_beside_ones_that_do_not_are_refused() -> None:
    """scikit-learn sorts names; a module's columns stand in the data's order."""
    members = [Says([[1.0, 0.0]], classes="ab"), Says([[1.0, 0.0]], name="two")]
    message = "'says' knows its classes and 'two' does not.*Give 'two' its classes"
    with pytest.raises(TeacherError, match=message):
        Ensemble(members)


def test_members_of_different_class_counts_are_refused() -> None:
    """Known only once they answer."""
    ensemble = Ensemble([Says([[1.0, 0.0]]), Says([[1.0, 0.0, 2.0]], name="two")])
    with pytest.raises(TeacherError, match="'two' scored 3 classes and 'says' 2. Combine"):
        ensemble.outputs(batch())


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
def test_an_ensemble_of_ensembles_is_one_of_all_their_members(combine: str) -> None:
    """The mean of means with their weights, by the loop."""
    logits = np.random.default_rng(1).normal(size=(4, 3, 5))
    one, two, three, four = (Says(z, name=f"t{i}") for i, z in enumerate(logits))
    inner = Ensemble([one, two, three], combine=combine, weights=[1.0, 1.0, 2.0])  # type: ignore[arg-type]
    outer = Ensemble([inner, four], combine=combine, weights=[3.0, 1.0])  # type: ignore[arg-type]
    assert [member.name for member in outer.members] == ["t0", "t1", "t2", "t3"]
    assert outer.weights == pytest.approx((3 / 16, 3 / 16, 6 / 16, 4 / 16))
    mean = reference(logits[:3], combine, [0.25, 0.25, 0.5], 1.0)
    members = np.stack([np.log(mean), logits[3]])
    expected = reference(members, combine, [0.75, 0.25], 1.0)
    found = outer.outputs(batch(3)).logits.double().exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_an_ensemble_that_combines_in_the_other_way_is_refused_within() -> None:
    """No single mean equals a geometric mean of arithmetic means."""
    inner = Ensemble([Says([[1.0, 0.0]]), Says([[2.0, 0.0]])], combine="arithmetic")
    with pytest.raises(TeacherError, match="geometric mean holds an ensemble of arithmetic mean"):
        Ensemble([inner, Says([[0.0, 1.0]])], combine="geometric")
    alone = Ensemble([Says([[1.0, 0.0]])], combine="arithmetic")
    assert len(Ensemble([alone, Says([[0.0, 1.0]])], combine="geometric").members) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1.0]}, "there are 1 weights for 2 teachers. Give one per teacher"),
        ({"weights": [1.0, 0.0]}, r"the weights are \[1.0, 0.0\]; each must be positive"),
        ({"weights": [1.0, -1.0]}, "each must be positive and finite"),
        ({"weights": [1.0, float("inf")]}, "each must be positive and finite"),
        ({"weights": [1.0, float("nan")]}, "each must be positive and finite"),
        ({"combine": "mean"}, "combine is 'mean'; it is 'arithmetic' or 'geometric'"),
        ({"name": "a b"}, "a teacher's name is 'a b'"),
    ],
)
def test_wrong_settings_are_told(arguments: dict[str, object], message: str) -> None:
    """Weights that do not sum to 1 or are negative give no probabilities."""
    with pytest.raises(NOTICED, match=f"{message}|Type-check error"):
        Ensemble([Says([[1.0, 0.0]]), Says([[0.0, 1.0]])], **arguments)  # type: ignore[arg-type]


def test_an_ensemble_of_nobody_is_told() -> None:
    """A pattern that matched no files ends here."""
    with pytest.raises(ValueError, match="a list of one teacher or more"):
        Ensemble([])


def test_what_changes_the_answer_changes_the_fingerprint() -> None:
    """Members, their order, weights and the way of combining."""
    one, two = Says([[1.0, 0.0]]), Says([[0.0, 1.0]])
    prints = [
        Ensemble([one, two]).fingerprint,
        Ensemble([two, one]).fingerprint,
        Ensemble([one, two], combine="arithmetic").fingerprint,
        Ensemble([one, two], weights=[1.0, 2.0]).fingerprint,
        Ensemble([one]).fingerprint,
    ]
    assert len(set(prints)) == 5


def test_release_releases_every_member() -> None:
    """Ten big teachers do not fit beside a student."""
    members = [Says([[1.0, 0.0]], name=f"t{i}") for i in range(3)]
    Ensemble(members).release()
    assert [member.released for member in members] == [1, 1, 1]


def test_its_fingerprint_keeps_one_built_member_in_memory_at_a_time() -> None:
    """Ten teachers are identified before any of them is run."""
    alive: list[int] = []
    most: list[int] = []

    class Counted(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            alive.append(1)
            most.append(len(alive))

        def __del__(self) -> None:
            alive.pop()

    ensemble = Ensemble([TorchModule(Counted, name=f"t{i}") for i in range(4)])
    assert len(ensemble.fingerprint) == 64
    assert max(most) == 1
