"""Gain by coverage and conditional accuracy, counted by hand."""

import math

import pytest
import torch

from limbeck.specialists import conditional_accuracy, gain_by_coverage, pooled

LABELS = torch.tensor([0, 0, 1, 1, 2, 3])
BEFORE = torch.tensor([0, 2, 1, 0, 2, 0])
AFTER = torch.tensor([0, 0, 1, 2, 2, 3])


def scores(predicted: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(predicted, 4).float()


def test_examples_are_counted_by_how_many_specialists_know_their_class() -> None:
    """Prevents coverage by predicted class, and a class counted twice for one specialist."""
    found = gain_by_coverage(scores(BEFORE), scores(AFTER), LABELS, [(0, 1), (1, 1, 3)])
    assert [(c.specialists, c.examples, c.before, c.after) for c in found] == [
        (0, 1, 1.0, 1.0),
        (1, 3, pytest.approx(1 / 3), 1.0),
        (2, 2, 0.5, 0.5),
    ]
    assert [c.relative_gain for c in found] == [0.0, pytest.approx(2.0), 0.0]


def test_a_gain_over_nothing_is_not_a_number() -> None:
    """Prevents a division by zero where the generalist is never right."""
    wrong = scores(torch.tensor([3]))
    (found,) = gain_by_coverage(wrong, wrong, torch.tensor([0]), [(0, 1)])
    assert math.isnan(found.relative_gain)


def test_several_runs_are_pooled_as_if_their_examples_were_of_one() -> None:
    """Prevents a mean over runs in which few examples count as much as many."""
    specials = [(0, 1), (1, 3)]
    runs = [gain_by_coverage(scores(BEFORE), scores(AFTER), LABELS, specials)]
    runs += [gain_by_coverage(scores(AFTER[1:]), scores(BEFORE[1:]), LABELS[1:], [(3,)])]
    both = pooled(entry for run in runs for entry in run)
    # the same examples, once, with as many specialists of each class as each run had
    right = torch.cat([BEFORE == LABELS, (AFTER == LABELS)[1:]]).double()
    then = torch.cat([AFTER == LABELS, (BEFORE == LABELS)[1:]]).double()
    known_by = torch.tensor([1, 1, 2, 2, 0, 1, 0, 0, 0, 0, 1])
    assert [each.specialists for each in both] == [0, 1, 2]
    for each in both:
        rows = known_by == each.specialists
        assert each.examples == int(rows.sum())
        assert each.before == pytest.approx(float(right[rows].mean()))
        assert each.after == pytest.approx(float(then[rows].mean()))
    assert pooled([]) == []


def test_conditional_accuracy_is_among_the_classes_only() -> None:
    """Prevents predictions of other classes from counting as errors."""
    said = torch.tensor([[0.1, 0.2, 9.0], [0.3, 0.2, 9.0], [9.0, 1.0, 0.0]])
    assert conditional_accuracy(said, torch.tensor([1, 1, 2]), [1, 0]) == 0.5


def test_conditional_accuracy_needs_an_example() -> None:
    """Prevents NaN from a mean over nothing."""
    with pytest.raises(ValueError, match="none of 1 examples is of these 2 classes"):
        conditional_accuracy(torch.zeros(1, 3), torch.tensor([2]), [0, 1])
