"""A task of some classes keeps the right examples, under the right labels."""

import numpy as np
import pytest
import torch

from limbeck.errors import DataError
from limbeck.transfer_sets import Arrays, Shift, TransferSet, Views, digits
from limbeck.transfer_sets.with_classes import with_classes


def coloured(labels: list[int]) -> Arrays:
    inputs = torch.arange(len(labels) * 4, dtype=torch.float32).reshape(len(labels), 1, 2, 2)
    return Arrays(inputs, torch.tensor(labels), classes=("red", "green", "blue"), name="colours")


def test_labels_are_numbered_in_the_order_the_classes_are_named() -> None:
    """Labels left as they were would be out of range, or stand for other classes."""
    data = digits().train
    part = with_classes(data, ["7", "2", "5"])
    wanted = {"7": 0, "2": 1, "5": 2}
    expected = [
        (data.ids[row], wanted[data.classes[int(data.labels[row])]])
        for row in range(len(data))
        if data.classes[int(data.labels[row])] in wanted
    ]
    assert list(zip(part.ids, part.labels.tolist(), strict=True)) == expected
    assert part.classes == ("7", "2", "5")


def test_inputs_stay_with_their_ids() -> None:
    """A shifted selection would train to a plausible loss on wrong pairs."""
    data = digits().train
    part = with_classes(data, ["1", "8"])
    where = {id: row for row, id in enumerate(data.ids)}
    rows = torch.tensor([where[id] for id in part.ids])
    every = torch.arange(len(part))
    np.testing.assert_array_equal(part.batch(every).inputs, data.batch(rows).inputs)
    assert torch.equal(part.batch(every).labels, part.labels)


def test_the_whole_set_is_left_as_it_was() -> None:
    """A selection that shares its labels would renumber the original."""
    data = coloured([0, 1, 2, 1])
    before = data.fingerprint
    with_classes(data, ["blue", "red"])
    assert data.labels.tolist() == [0, 1, 2, 1]
    assert (data.classes, data.fingerprint) == (("red", "green", "blue"), before)


def test_the_order_of_the_classes_is_part_of_the_fingerprint() -> None:
    """A store of one order would be read with the columns of another."""
    data = coloured([0, 1, 2, 1])
    _ = data.fingerprint
    one, other = with_classes(data, ["red", "blue"]), with_classes(data, ["blue", "red"])
    assert len({one.fingerprint, other.fingerprint, data.fingerprint}) == 3


def test_examples_without_a_label_are_left_out() -> None:
    """The label -1 must not be read as the last class."""
    assert with_classes(coloured([0, -1, 2, -1]), ["red", "blue"]).ids == ("0", "2")


def test_augmented_views_are_those_of_the_whole_set() -> None:
    """Knowledge about an example's view must fit the same example in a smaller task."""
    data = Views(Shift(pixels=1), count=None).of(digits().train)
    part = with_classes(data, ["3", "4"])
    row = list(data.ids).index(part.ids[0])
    ours, whole = part.batch(torch.tensor([0]), 5), data.batch(torch.tensor([row]), 5)
    assert torch.equal(ours.inputs, whole.inputs)
    assert set(part.labels.tolist()) == {0, 1}


def test_an_unknown_class_names_the_closest() -> None:
    """A typo must not give a task with a class less."""
    with pytest.raises(DataError, match="colours has no class 'gren'. Did you mean 'green'"):
        with_classes(coloured([0, 1, 2]), ["gren", "red"])


@pytest.mark.parametrize("classes", [["red"], ["red", "red"], []])
def test_fewer_than_two_classes_are_refused(classes: list[str]) -> None:
    """One class can be told from nothing."""
    with pytest.raises(DataError, match="at least two, each named once"):
        with_classes(coloured([0, 1, 2]), classes)


def test_a_class_without_examples_is_refused() -> None:
    """A class that is never seen would count in every mean."""
    with pytest.raises(DataError, match="has no example of class 'green'"):
        with_classes(coloured([0, 2, 2]), ["red", "green"])


def test_a_set_of_another_kind_is_refused() -> None:
    """Its labels are known to itself alone."""

    class Own(TransferSet):
        name = "own"
        __len__ = batch = fingerprint = checks = select = None  # type: ignore[assignment]

    with pytest.raises(DataError, match="own is a Own, whose classes cannot be chosen"):
        with_classes(Own(), ["a", "b"])
