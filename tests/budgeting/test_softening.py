"""How soft the targets are."""

import math
from collections.abc import Mapping, Sequence

import pytest
import torch

import limbeck as lb
from limbeck.budgeting.softening import (
    Softness,
    entropy_share,
    places,
    searched,
    softness_of,
    temperature_of,
)


@pytest.fixture(scope="module")
def answers() -> torch.Tensor:
    logits = 6 * torch.randn(200, 7, generator=torch.Generator().manual_seed(0))
    return logits.log_softmax(dim=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_entropy_is_the_textbooks(answers: torch.Tensor, temperature: float) -> None:
    """Bits for nats, or a softening of probabilities instead of logits."""
    total = 0.0
    for row in answers.tolist():
        weights = [math.exp(value / temperature) for value in row]
        shares = [weight / sum(weights) for weight in weights]
        total -= sum(share * math.log(share) for share in shares if share > 0)
    expected = total / len(answers) / math.log(7)
    assert entropy_share(answers, temperature) == pytest.approx(expected, abs=1e-5)


def test_the_temperature_gives_the_share(answers: torch.Tensor) -> None:
    """A default temperature of another teacher."""
    found = [temperature_of(answers, share) for share in (0.1, 0.3, 0.6)]
    assert found == sorted(found)
    for share, temperature in zip((0.1, 0.3, 0.6), found, strict=True):
        if 0.5 < temperature < 20:
            assert entropy_share(answers, temperature) == pytest.approx(share, rel=0.15)


def test_a_sure_teacher_is_softened_more(answers: torch.Tensor) -> None:
    """The same temperature for a forest and for an overfitted net."""
    sharp = (4 * answers).log_softmax(dim=1)
    assert temperature_of(sharp, 0.2) == pytest.approx(4 * temperature_of(answers, 0.2), rel=0.1)


def test_impossible_classes_are_no_nan() -> None:
    """A teacher of probability 0, whose entropy would be 0 times minus infinity."""
    answers = torch.tensor([[0.0, -math.inf], [math.log(0.5), math.log(0.5)]])
    assert entropy_share(answers, 1.0) == pytest.approx(0.5)


def test_an_objective_and_its_softness() -> None:
    """A weight of 0.1 that is searched from 0.9 on, or hints that are lost."""
    soft, hard = lb.SoftTargets(temperature=3.0), lb.HardLabels()
    assert softness_of(soft) == Softness(3.0, 0.0)
    found = softness_of(1.8 * soft + 0.2 * hard)
    assert found is not None
    assert found.temperature == 3.0
    assert (found.hard, found.scale) == (pytest.approx(0.1), pytest.approx(2.0))
    again = {type(o): w for w, o in found.objective().terms}
    assert again == {lb.SoftTargets: pytest.approx(1.8), lb.HardLabels: pytest.approx(0.2)}
    assert Softness(3.0, 0.0).objective() == soft
    for other in (lb.LogitMatching(), hard, soft + lb.Dist(), soft + soft):
        assert softness_of(other) is None


def test_the_places_hold_the_default_and_what_is_stated() -> None:
    """A recipe's own temperature that is not even tried."""
    default, stated = Softness(1.5, 0.0), Softness(4.0, 0.3)
    found = places(default, stated, None, labelled=True)
    assert default in found
    assert stated in found
    assert {0.75, 1.5, 3.0, 4.0, 6.0} == {place.temperature for place in found}
    assert {place.hard for place in places(default, default, None, labelled=False)} == {0.0}
    top_k = places(Softness(2.0, 0.0), Softness(2.0, 0.0), (1.0, 2.0), labelled=True)
    assert {place.temperature for place in top_k} == {1.0, 2.0}


def test_the_default_is_left_only_for_what_is_surely_better() -> None:
    """The luckiest of a dozen equal places."""
    default, other = Softness(1.0, 0.0), Softness(2.0, 0.0)

    def trained(
        values: Sequence[float],
    ) -> "Mapping[Softness, Sequence[float]]":
        return {default: (0.90, 0.92, 0.91, 0.93), other: values}

    noisy = searched(default, [default, other], lambda _: trained((0.99, 0.86, 0.96, 0.86)))
    sure = searched(default, [default, other], lambda _: trained((0.92, 0.93, 0.93, 0.95)))
    assert noisy.chosen == default
    assert sure.chosen == other
    assert sure.accuracies[default] == (0.90, 0.92, 0.91, 0.93)


def test_temperature_and_weight_are_each_chosen_over_all_values_of_the_other() -> None:
    """The one lucky place of a grid: here 4 with hard labels, though 2 is better at both."""
    default = Softness(1.0, 0.2, 2.0)
    means = {
        (1.0, 0.0): 0.90,
        (1.0, 0.2): 0.88,
        (2.0, 0.0): 0.93,
        (2.0, 0.2): 0.91,
        (4.0, 0.0): 0.80,
        (4.0, 0.2): 0.94,
    }
    grid = [Softness(T, hard, 2.0) for T, hard in means]
    made = {place: (means[place.temperature, place.hard],) * 2 for place in grid}
    found = searched(default, grid, lambda _: made)
    assert found.chosen == Softness(2.0, 0.2, 2.0)


def test_trainings_are_compared_that_differ_in_one_thing_alone() -> None:
    """The default stands first among the places, with a weight that is not the least."""
    default = Softness(1.0, 0.2)
    grid = [Softness(T, hard) for T in (1.0, 2.0) for hard in (0.0, 0.2, 0.9)]
    order = list(dict.fromkeys([default, *grid]))
    made = {
        place: (0.5 + place.hard / 2 + 0.002 * place.temperature, 0.9 - place.hard)
        for place in order
    }
    assert searched(default, order, lambda _: made).chosen.temperature == 2.0


def test_temperatures_that_hardly_differ_are_tried_once() -> None:
    """Hours for 3.84 beside a stated 4."""
    found = places(Softness(0.96, 0.1), Softness(4.0, 0.1), None, labelled=True)
    assert sorted({place.temperature for place in found}) == [0.5, 0.96, 1.92, 4.0]
