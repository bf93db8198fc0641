import math

import numpy as np
import pytest
import torch

from limbeck.bias_choice import matching_amounts, mean_frequencies, most_accurate_amounts, shift_of
from limbeck.errors import LimbeckError


def random_scores(seed: int, examples: int = 60, classes: int = 5) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (examples, classes)))


def frequencies(scores: torch.Tensor, shift: list[float]) -> list[float]:
    """The mean softmax, example by example, in plain Python."""
    total = [0.0] * scores.shape[1]
    for row in scores.tolist():
        powers = [math.exp(z + b) for z, b in zip(row, shift, strict=True)]
        for c, power in enumerate(powers):
            total[c] += power / sum(powers) / len(scores)
    return total


def right(scores: torch.Tensor, labels: torch.Tensor, shift: list[float]) -> int:
    """How many examples are right, by a loop."""
    found = 0
    for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
        moved = [z + b for z, b in zip(row, shift, strict=True)]
        found += moved.index(max(moved)) == label
    return found


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ([[3]], [0.4]),
        ([[0], [4]], [0.05, 0.9]),
        ([[0, 2]], [0.01]),
        ([[1], [2], [3], [4]], [0.2] * 4),
    ],
)
def test_matched_groups_have_the_wanted_frequency(groups, wanted):
    """Prevents amounts that leave the student's classes rarer than the teacher's."""
    scores = random_scores(1)
    amounts = matching_amounts(scores, groups, wanted)
    shift = [0.0] * 5
    for group, amount in zip(groups, amounts, strict=True):
        for c in group:
            shift[c] = amount
    found = frequencies(scores, shift)
    for group, share in zip(groups, wanted, strict=True):
        assert sum(found[c] for c in group) == pytest.approx(share, abs=2e-7)


def test_one_example_needs_the_difference_of_the_log_odds():
    """Prevents an amount in the wrong unit: worked on paper, from 1/4 to 3/4 takes log 9."""
    scores = torch.tensor([[0.25, 0.75]]).log()
    assert matching_amounts(scores, [[0]], [0.75]) == [pytest.approx(math.log(9.0), abs=1e-6)]


def test_the_only_two_classes_seen_can_be_made_rare():
    """Prevents giving up on a student that puts all but 1e-9 on two classes."""
    scores = random_scores(2)
    scores[:, 2:] -= 20.0
    amounts = matching_amounts(scores, [[0], [1]], [0.1, 0.1])
    assert (
        mean_frequencies(scores + shift_of([[0], [1]], amounts, 5), [[0], [1]])
        == [pytest.approx(0.1, abs=2e-7)] * 2
    )
    assert max(amounts) < -15


def test_frequencies_that_cannot_be_had_are_an_error():
    """Prevents an endless search."""
    with pytest.raises(LimbeckError, match="no amounts were found within 1000 rounds"):
        matching_amounts(random_scores(3, 4, 3), [[0], [1]], [0.7, 0.7])


@pytest.mark.parametrize("group", [[2], [0, 3]])
def test_one_group_gets_the_best_amount_of_a_fine_grid(group):
    """Prevents a sweep that misses the best interval."""
    scores, labels = random_scores(4), torch.from_numpy(np.random.default_rng(4).integers(0, 5, 60))
    scores[:, group] -= 3.0
    (amount,) = most_accurate_amounts(scores, labels, [group])

    def shift(b: float) -> list[float]:
        return [b if c in group else 0.0 for c in range(5)]

    found = right(scores, labels, shift(amount))
    assert found == max(right(scores, labels, shift(b)) for b in np.arange(-15, 15, 0.01))


def test_nothing_is_changed_where_nothing_is_gained():
    """Prevents a correction of a student that needs none."""
    scores = 10.0 * torch.eye(4).double()
    assert most_accurate_amounts(scores, torch.arange(4), [[1], [2]]) == [0.0, 0.0]


def test_equally_good_amounts_are_settled_by_the_smaller_correction():
    """Prevents an amount far out, of which the validation rows say nothing."""
    scores = torch.tensor([[0.0, 2.0], [0.0, 6.0]])
    (amount,) = most_accurate_amounts(scores, torch.tensor([0, 1]), [[0]])
    assert amount == pytest.approx(4.0)


def test_a_class_that_is_always_right_is_raised_no_further_than_needed():
    """Prevents an infinite amount where every validation row has the corrected class."""
    scores = torch.tensor([[0.0, 2.0], [0.0, 6.0]])
    (amount,) = most_accurate_amounts(scores, torch.tensor([0, 0]), [[0]])
    assert amount == pytest.approx(7.0)


def test_separate_amounts_are_never_worse_than_a_common_one():
    """Prevents a turn-taking that loses what it had."""
    for seed in range(8):
        scores = random_scores(seed)
        labels = torch.from_numpy(np.random.default_rng(seed).integers(0, 5, 60))
        (common,) = most_accurate_amounts(scores, labels, [[0, 1]])
        apart = most_accurate_amounts(scores, labels, [[0], [1]])
        assert right(scores, labels, [*apart, 0, 0, 0]) >= right(
            scores, labels, [common, common, 0, 0, 0]
        )
