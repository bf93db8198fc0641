"""Against scikit-learn, the independent reference."""

import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from limbeck.evaluation.accuracy import (
    GroupScores,
    correct,
    macro,
    per_class,
    per_group,
    worst_groups,
)


def labels_and_predictions(seed: int, classes: int = 6, examples: int = 200):
    draws = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (examples,), generator=draws)
    noise = torch.randint(classes, (examples,), generator=draws)
    predicted = torch.where(torch.rand(examples, generator=draws) < 0.6, labels, noise)
    return labels, predicted


@pytest.mark.parametrize("seed", range(5))
def test_precision_recall_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    """Precision and recall exchanged, or F1 of the means instead of the mean of F1."""
    labels, predicted = labels_and_predictions(seed)
    rows = per_class(predicted, labels, [f"class {i}" for i in range(6)])
    expected = precision_recall_fscore_support(labels, predicted, labels=range(6))
    for i, row in enumerate(rows):
        assert row.name == f"class {i}"
        assert (row.precision, row.recall, row.f1) == pytest.approx([e[i] for e in expected[:3]])
        assert row.examples == expected[3][i]
        assert row.predicted == int((predicted == i).sum())
    means = precision_recall_fscore_support(labels, predicted, average="macro")[:3]
    assert macro(rows) == pytest.approx(means)


def test_a_class_never_predicted_has_precision_zero_as_in_scikit_learn() -> None:
    """A division by zero, or a class that drops out of the macro mean and flatters it."""
    labels = torch.tensor([0, 0, 1, 1, 2])
    predicted = torch.tensor([0, 0, 1, 0, 3])
    rows = per_class(predicted, labels, ["a", "b", "c", "d", "never"])
    expected = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    assert macro(rows) == pytest.approx(expected[:3])
    assert [row.precision for row in rows[2:]] == [0, 0, 0]
    assert [row.recall for row in rows[2:]] == [0, 0, 0]


def test_errors_of_a_class_are_those_of_its_examples() -> None:
    """Examples of others that are given the class, or a count that rounding makes one less."""
    for seed in range(20):
        labels, predicted = labels_and_predictions(seed, examples=97)
        rows = per_class(predicted, labels, [f"class {i}" for i in range(6)])
        table = confusion_matrix(labels, predicted, labels=range(6))
        assert [row.errors for row in rows] == list(table.sum(axis=1) - table.diagonal())


def test_of_equal_scores_the_first_class_counts() -> None:
    """A tie that counts as right whichever class the label is."""
    scores = torch.zeros(3, 3)
    assert correct(scores, torch.tensor([0, 1, 2])).tolist() == [True, False, False]


def test_groups_are_counted_apart() -> None:
    """An accuracy or a calibration over all examples in the place of the group's."""
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8], [0.8, 0.2]]).log()
    labels = torch.tensor([0, 1, 0, 1, 1])
    rows = per_group(scores, labels, "ward", ["b", "a", "b", "a", "a"])
    assert [(r.column, r.value, r.examples) for r in rows] == [("ward", "a", 3), ("ward", "b", 2)]
    assert [r.accuracy for r in rows] == pytest.approx([1 / 3, 1.0])
    assert [r.ece for r in rows] == pytest.approx([0.8 - 1 / 3, 1.0 - 0.9])


def test_the_worst_group_is_that_of_the_means_over_the_seeds() -> None:
    """The worst of one seed, which chance chose, or one column for all."""
    seeds = [
        [
            GroupScores("ward", "a", 4, accuracies[0]),
            GroupScores("ward", "b", 4, accuracies[1]),
            GroupScores("sex", "f", 8, accuracies[2]),
        ]
        for accuracies in ((0.5, 0.7, 0.9), (0.9, 0.6, 0.8))
    ]
    worst = worst_groups(seeds)
    assert [(r.column, r.value) for r in worst] == [("ward", "b"), ("sex", "f")]
    assert [r.accuracy for r in worst] == pytest.approx([0.65, 0.85])
    assert worst_groups([[], []]) == ()
