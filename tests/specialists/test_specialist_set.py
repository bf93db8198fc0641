"""A specialist's examples: half special, relabelled, and the same every time."""

import pytest
import torch

from limbeck.errors import DataError
from limbeck.specialists import specialist_set
from limbeck.specialists.specialist_set import DUSTBIN
from limbeck.transfer_sets import Arrays, Shift, Views


def test_half_are_special_and_labels_name_what_they_were(train: Arrays) -> None:
    """Prevents labels of the whole in a task of three classes, and a lost half."""
    chosen = specialist_set(train, [5, 2])
    part = chosen.transfer_set
    assert (chosen.special, chosen.prior, chosen.share) == ((2, 5), 0.25, 0.5)
    assert part.classes == ("c", "f", DUSTBIN)
    assert part.labels.bincount().tolist() == [60, 60, 120]
    for position, row in enumerate(chosen.rows.tolist()):
        assert part.ids[position] == train.ids[row]
        was, now = train.classes[train.labels[row]], part.classes[part.labels[position]]
        assert now == (was if was in "cf" else DUSTBIN)
    inputs = part.batch(torch.arange(len(part))).inputs
    torch.testing.assert_close(inputs, train.batch(chosen.rows).inputs)
    assert train.classes == tuple("abcdefgh")


def test_with_all_classes_labels_stay(train: Arrays) -> None:
    """Prevents a relabelling that a specialist with all classes would not understand."""
    chosen = specialist_set(train, [0, 1], all_classes=True)
    assert chosen.transfer_set.classes == train.classes
    assert chosen.transfer_set.labels.tolist() == train.labels[chosen.rows].tolist()


def test_the_sample_of_others_hangs_on_the_seed_and_the_classes(train: Arrays) -> None:
    """Prevents specialists that never differ in what they see of the rest, and chance."""
    first = specialist_set(train, [0, 1]).rows
    assert first.equal(specialist_set(train, (1, 0)).rows)
    assert not first.equal(specialist_set(train, [0, 1], seed=1).rows)
    others = [set(specialist_set(train, each).rows.tolist()) for each in ([0, 1], [0, 2])]
    assert others[0] - set(range(480)) == set()
    assert others[0] != others[1]


def test_where_others_are_few_all_are_taken(train: Arrays) -> None:
    """Prevents a correction for one half where it is not one half."""
    chosen = specialist_set(train, range(6))
    assert (chosen.prior, chosen.share, len(chosen.rows)) == (0.75, 0.75, 480)


def test_unlabelled_examples_are_left_out() -> None:
    """Prevents examples of special classes in the dustbin."""
    few = Arrays(torch.rand(8, 2), [0, 1, 2, -1, 0, 1, 2, -1], classes=("a", "b", "c"))
    chosen = specialist_set(few, [0])
    assert (chosen.prior, len(chosen.rows)) == (1 / 3, 4)
    assert not {3, 7} & set(chosen.rows.tolist())


def test_views_stay_views_of_the_same_examples() -> None:
    """Prevents a specialist on augmented images from seeing others than the store is about."""
    whole = Views(Shift(1), count=3).of(
        Arrays(torch.rand(12, 1, 4, 4), [0, 1, 2] * 4, classes=("a", "b", "c"))
    )
    chosen = specialist_set(whole, [1])
    part = chosen.transfer_set
    assert part.views == 3
    assert part.classes == ("b", DUSTBIN)
    rows = torch.arange(len(part))
    torch.testing.assert_close(part.batch(rows, 2).inputs, whole.batch(chosen.rows, 2).inputs)
    assert part.batch(rows).labels.equal(part.labels)


@pytest.mark.parametrize("special", [[], range(8), [1, 1], [8], [-1]])
def test_special_classes_that_are_none_all_repeated_or_unknown_are_refused(
    train: Arrays, special: list[int]
) -> None:
    """Prevents a specialist without a dustbin, or for the last class under the number -1."""
    with pytest.raises(ValueError, match="must be some but not all of the numbers 0 to 7"):
        specialist_set(train, special)


def test_a_class_without_examples_is_refused() -> None:
    """Prevents a specialist that saw its dustbin only."""
    few = Arrays(torch.rand(4, 2), [0, 0, 1, 1], classes=("a", "b", "c"))
    with pytest.raises(DataError, match="has 0 labelled examples of the special classes and 4"):
        specialist_set(few, [2])


def test_a_class_named_as_the_dustbin_is_refused() -> None:
    """Prevents two classes of one name."""
    few = Arrays(torch.rand(4, 2), [0, 0, 1, 1], classes=("a", DUSTBIN))
    with pytest.raises(ValueError, match="a special class is named 'dustbin'"):
        specialist_set(few, [1])
