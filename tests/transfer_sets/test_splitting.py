"""Parts: disjoint, stratified, the same every time; and labels withheld."""

import numpy as np
import pytest
import torch

from limbeck.errors import DataError
from limbeck.transfer_sets import Arrays, digits, split
from limbeck.transfer_sets.splitting import divide, kept_labels, stratified_rows

LABELS = torch.tensor([0] * 50 + [1] * 30 + [2] * 17 + [-1] * 40)[
    torch.randperm(137, generator=torch.Generator().manual_seed(1))
]


def example_set() -> Arrays:
    inputs = torch.arange(137.0).reshape(-1, 1)
    return Arrays(inputs, LABELS, classes=("a", "b", "c"))


@pytest.mark.parametrize("count", [1, 3, 10, 68, 136, 137])
def test_each_class_is_within_one_example_of_its_share(count: int) -> None:
    """Prevents a validation part that lacks a class."""
    rows = stratified_rows(LABELS, count, 0, "x")
    assert len(set(rows.tolist())) == count
    for label in (-1, 0, 1, 2):
        share = count * int((label == LABELS).sum()) / 137
        assert abs(int((LABELS[rows] == label).sum()) - share) < 1


def test_parts_are_disjoint_and_cover_the_set() -> None:
    """Prevents an example in two parts."""
    parts = split(example_set(), 0.5, 20)
    assert [len(part) for part in parts] == [68, 20, 49]
    ids = [id for part in parts for id in part.ids]
    assert sorted(ids, key=int) == list(example_set().ids)
    assert [part.name for part in parts] == ["arrays.1of3", "arrays.2of3", "arrays.3of3"]


def test_fractions_that_add_up_to_one_leave_no_rest() -> None:
    """Prevents a last part of one example through rounding."""
    parts = split(example_set(), 0.7, 0.2, 0.1)
    assert [len(part) for part in parts] == [96, 27, 14]
    assert sum(len(part) for part in parts) == 137


def test_a_seed_gives_one_split_and_another_seed_another() -> None:
    """Prevents a test part that changes between commands, or never."""
    first, again, other = (split(example_set(), 0.3, seed=seed)[0].ids for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_unstratified_parts_are_drawn_from_all_alike() -> None:
    """Prevents stratified=False from being ignored."""
    stratified = split(example_set(), 0.3)[0]
    plain = split(example_set(), 0.3, stratified=False)[0]
    assert len(plain) == len(stratified)
    assert plain.ids != stratified.ids


@pytest.mark.parametrize("sizes", [(), (0.0,), (0.6, 0.6), (138,), (100, 50)])
def test_parts_that_do_not_fit_are_refused(sizes: tuple) -> None:
    """Prevents parts that are smaller than what was asked for."""
    with pytest.raises(DataError, match="has 137 examples and cannot give parts of"):
        split(example_set(), *sizes)


def divided(**changed: object) -> dict:
    given = {"validation": 0.1, "test": 0.2, "labelled": None, "seed": 0}
    return divide({"train": LABELS}, "set", **{**given, **changed})


def test_validation_and_test_are_drawn_from_the_labelled() -> None:
    """Prevents a validation part whose accuracy nobody can know."""
    parts = divided()
    assert len(parts["test"].rows) == round(0.2 * 97)
    assert len(parts["validation"].rows) == round(0.1 * (97 - 19))
    for name in ("validation", "test"):
        assert (parts[name].labels >= 0).all()
    rows = np.concatenate([part.rows.numpy() for part in parts.values()])
    np.testing.assert_array_equal(np.sort(rows), np.arange(137))


def test_the_test_part_does_not_hang_on_the_validation_part() -> None:
    """Prevents other test examples after a change of the validation fraction."""
    one, other = divided(validation=0), divided(validation=0.5)
    assert "validation" not in one
    assert torch.equal(one["test"].rows, other["test"].rows)


def test_own_splits_stay_whole() -> None:
    """Prevents a drawn test part where the data brings its own."""
    labels = {"train": LABELS, "validation": LABELS[:9], "test": LABELS[:7]}
    parts = divide(labels, "set", validation=0.1, test=0.2, labelled=None, seed=0)
    assert [(p.source, len(p.rows)) for p in parts.values()] == [
        ("train", 137),
        ("test", 7),
        ("validation", 9),
    ]
    without = divide(labels, "set", validation=0, test=0.2, labelled=None, seed=0)
    assert set(without) == {"train", "test"}


def test_labels_are_kept_evenly_and_more_include_fewer() -> None:
    """Prevents ten kept labels that are all of one class."""
    few, more = (kept_labels(LABELS, count, "set", 3) for count in (10, 60))
    assert sorted(np.bincount(few[few >= 0].numpy()).tolist()) == [3, 3, 4]
    assert np.bincount(more[more >= 0].numpy()).tolist() == [22, 21, 17]
    assert torch.equal(more[few >= 0], few[few >= 0])
    assert torch.equal(few[few >= 0], LABELS[few >= 0])
    assert (kept_labels(LABELS, 0, "set", 3) == -1).all()


@pytest.mark.parametrize("labelled", [-1, 98])
def test_more_labels_than_there_are_cannot_be_kept(labelled: int) -> None:
    """Prevents a recipe that believes in labels that do not exist."""
    with pytest.raises(DataError, match=r"set.train has 97 labels to keep. Give a number from 0"):
        kept_labels(LABELS, labelled, "set.train", 0)


@pytest.mark.parametrize("size", [-0.1, 1.0, 1.5, -3, float("nan"), True])
def test_a_size_is_a_fraction_below_one_or_a_count(size: float) -> None:
    """Prevents 1.0 from being read as one example, or 10 as ten times everything."""
    with pytest.raises(DataError, match="the size of validation is"):
        divided(validation=size)


@pytest.mark.parametrize("size", [97, 0.999])
def test_a_part_that_takes_everything_is_refused(size: float) -> None:
    """Prevents an empty training set."""
    with pytest.raises(DataError, match="test would take 97 of 97 labelled examples"):
        divided(test=size)


def test_digits_are_divided_class_by_class() -> None:
    """Prevents the embedded default from drifting."""
    splits = digits()
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [1078, 120, 599]
    assert splits.train.classes == tuple("0123456789")
    assert splits.train.input_shape == (1, 8, 8)
    counts = splits.test.labels.bincount()
    assert counts.min() >= 58
    assert counts.max() <= 61


def test_digits_are_scikit_learns_pixels_over_16() -> None:
    """Prevents another scaling than [0, 1]."""
    from sklearn.datasets import load_digits

    test = digits().test
    rows = [int(id) for id in test.ids]
    inputs = test.batch(torch.arange(len(test))).inputs
    np.testing.assert_array_equal(inputs[:, 0].numpy(), load_digits().images[rows] / 16)
    np.testing.assert_array_equal(test.labels.numpy(), load_digits().target[rows])


def test_digits_keep_a_hundred_labels_of_training_only() -> None:
    """Prevents withheld labels in validation or test."""
    splits = digits(labelled=100)
    assert splits.train.labels.add(1).bincount().tolist() == [978] + [10] * 10
    assert (splits.validation.labels >= 0).all()
    assert splits.train.fingerprint == digits().train.fingerprint
    assert len(splits.train.labelled()) == 100
