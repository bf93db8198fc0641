"""Arrays and .npz files: what comes out, and every sentence about what does not fit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from limbeck.errors import DataError
from limbeck.transfer_sets import Arrays, arrays

INPUTS = torch.arange(24, dtype=torch.float32).reshape(6, 4)
AB = ("a", "b")


def save(folder: Path, **content: np.ndarray) -> Path:
    path = folder / "set.npz"
    np.savez(path, **content)
    return path


def test_numbers_come_out_as_they_are() -> None:
    """Prevents a hidden normalisation."""
    batch = Arrays(INPUTS, [0, 1, 0, 1, 0, 1], classes=AB).batch(torch.tensor([3, 0]))
    assert torch.equal(batch.inputs, INPUTS[[3, 0]])
    assert batch.labels.tolist() == [1, 0]


def test_bytes_come_out_divided_by_255() -> None:
    """Prevents images in 0 to 255, or scaled by a rounded factor."""
    levels = torch.arange(256, dtype=torch.uint8).reshape(256, 1)
    inputs = Arrays(levels, classes=AB).batch(torch.arange(256)).inputs
    expected = (np.arange(256) / np.float32(255)).astype(np.float32)
    np.testing.assert_array_equal(inputs[:, 0].numpy(), expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64, torch.int64])
def test_a_scale_divides_bytes_and_numbers_alike(dtype: torch.dtype) -> None:
    """Prevents a scale that means a factor for one type and a divisor for the other."""
    inputs = Arrays(INPUTS.to(dtype), classes=AB, scale=16.0).batch(torch.arange(6)).inputs
    assert torch.equal(inputs, INPUTS / 16)


def test_without_labels_all_are_unlabelled() -> None:
    """Prevents class 0 for examples that have no label."""
    transfer_set = Arrays(INPUTS, classes=AB)
    assert transfer_set.labels.tolist() == [-1] * 6


@pytest.mark.parametrize(
    "change",
    [
        {"ids": list("fedcba")},
        {"classes": ("a", "c")},
        {"scale": 2.0},
        {"inputs": INPUTS + (INPUTS == 7)},
        {"inputs": INPUTS.reshape(6, 2, 2)},
        {"inputs": INPUTS.to(torch.uint8)},
        {"preprocessing": {"mean": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_the_inputs_changes_the_fingerprint(change: dict) -> None:
    """Prevents a store from being read for data of another meaning."""
    given = {"inputs": INPUTS, "classes": AB, "ids": list("abcdef"), "scale": 1.0}
    old, new = Arrays(**given), Arrays(**{**given, **change})
    assert old.fingerprint != new.fingerprint


def test_labels_names_and_groups_leave_the_fingerprint() -> None:
    """Prevents annotating anew after a relabelling."""
    old = Arrays(INPUTS, classes=AB, name="one")
    new = Arrays(INPUTS, [1] * 6, classes=AB, groups={"sex": "fmfmfm"}, name="other")
    assert old.fingerprint == new.fingerprint


def test_an_id_and_a_swap_of_ids_show_in_their_checks() -> None:
    """Prevents exchanged ids from passing as the same examples."""
    old = Arrays(INPUTS, classes=AB, ids=list("abcdef"))
    new = Arrays(INPUTS, classes=AB, ids=list("abdcef"))
    assert (old.checks() != new.checks()).nonzero()[0].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": torch.zeros(0, 3)}, "empty. A transfer set needs at least one example"),
        ({"inputs": torch.zeros(6)}, r"the inputs of arrays are float32 of shape \(6,\)"),
        ({"inputs": INPUTS / 0}, r"NaN or infinite values \(first: id '0'\)"),
        (
            {"inputs": torch.where(INPUTS == 17, torch.nan, INPUTS)},
            r"NaN or infinite values \(first: id '4'\)",
        ),
        ({"inputs": INPUTS.double() * 1e38}, "NaN or infinite"),
        ({"labels": [0, 1]}, r"6 examples but labels of shape \(2,\)"),
        ({"labels": torch.zeros(6)}, "the labels of arrays are float32. Give class numbers"),
        ({"labels": [0, 1, 2, 0, 0, 0]}, "label 2 in row 2, but 2 classes, numbered 0 to 1"),
        ({"labels": [0, 1, 1, 0, 0, -2]}, "label -2 in row 5"),
        ({"classes": ("a",)}, r"has 1 class\(es\).*needs at least two"),
        ({"classes": ("a", "a")}, "two classes named 'a'"),
        ({"ids": list("abc")}, "6 examples but 3 ids"),
        ({"ids": list("abcdea")}, "the id 'a' appears twice in arrays"),
        ({"groups": {"sex": "fm"}}, "group column 'sex' of arrays has 2 values for 6"),
        ({"scale": 0.0}, "scale is 0.0; inputs are divided by it"),
        ({"scale": float("nan")}, "scale is nan"),
    ],
)
def test_what_does_not_fit_is_told(change: dict, message: str) -> None:
    """Prevents training on data that was misread."""
    given = {"inputs": INPUTS, "labels": [0, 1, 0, 1, 0, 1], "classes": AB}
    with pytest.raises(DataError, match=message):
        Arrays(**{**given, **change})


def test_an_empty_selection_and_a_repeated_row_are_refused() -> None:
    """Prevents an empty validation part, and two examples of one id."""
    transfer_set = Arrays(INPUTS, classes=AB)
    with pytest.raises(DataError, match="no example of arrays was selected for test"):
        transfer_set.select(torch.tensor([], dtype=torch.int64), "test")
    with pytest.raises(DataError, match="the id '2' appears twice"):
        transfer_set.select(torch.tensor([2, 2]))


def test_a_file_with_splits_keeps_them(tmp_path: Path) -> None:
    """Prevents test examples from leaking into training."""
    path = save(
        tmp_path,
        train_inputs=INPUTS.numpy(),
        train_labels=np.array([0, 1, 2, 0, 1, -1]),
        train_group_site=np.array(list("xyxyxy")),
        validation_inputs=INPUTS[:2].numpy() + 100,
        validation_labels=np.array([0, 1]),
        test_inputs=INPUTS[:3].numpy() - 100,
        test_labels=np.array([2, 1, 0]),
        test_ids=np.array(["t7", "t8", "t9"]),
        classes=np.array(["p", "q", "r"]),
    )
    splits = arrays(path)
    assert splits.train.classes == ("p", "q", "r")
    assert splits.train.labels.tolist() == [0, 1, 2, 0, 1, -1]
    assert splits.train.groups == {"site": tuple("xyxyxy")}
    assert splits.train.name == "set.train"
    assert torch.equal(splits.validation.batch(torch.arange(2)).inputs, INPUTS[:2] + 100)
    assert splits.test.ids == ("t7", "t8", "t9")
    assert splits.test.name == "set.test"


def test_a_file_of_one_set_is_divided(tmp_path: Path) -> None:
    """Prevents examples that are in two parts, or in none."""
    count = 60
    path = save(
        tmp_path,
        inputs=np.arange(count * 2, dtype=np.float32).reshape(count, 2),
        labels=np.arange(count) % 3 + 4,
    )
    splits = arrays(path, test=0.25, validation=9)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [36, 9, 15]
    assert splits.train.classes == ("4", "5", "6")
    ids = [*splits.train.ids, *splits.validation.ids, *splits.test.ids]
    assert sorted(ids, key=int) == [str(i) for i in range(count)]
    for part in (splits.train, splits.validation, splits.test):
        rows = [int(id) for id in part.ids]
        inputs = part.batch(torch.arange(len(part))).inputs
        assert inputs[:, 0].tolist() == [2.0 * row for row in rows]
        assert part.labels.tolist() == [row % 3 for row in rows]


def test_greyscale_bytes_get_a_channel_axis(tmp_path: Path) -> None:
    """Prevents a convolution from reading rows as channels."""
    path = save(tmp_path, inputs=np.zeros((4, 5, 6), np.uint8), labels=np.array([0, 1, 0, 1]))
    assert arrays(path, validation=0, test=0).train.input_shape == (1, 5, 6)


def test_labels_may_be_names_or_absent(tmp_path: Path) -> None:
    """Prevents names from being numbered in the order they occur."""
    named = save(tmp_path, inputs=INPUTS.numpy(), labels=np.array(["b", "a", "", "a", "c", "b"]))
    train = arrays(named, validation=0, test=0).train
    assert train.classes == ("a", "b", "c")
    assert train.labels.tolist() == [1, 0, -1, 0, 2, 1]
    bare = arrays(save(tmp_path, inputs=INPUTS.numpy()), classes=AB)
    assert bare.validation is None
    assert bare.test is None
    assert bare.train.labels.tolist() == [-1] * 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"inputs": INPUTS.numpy(), "lables": np.zeros(6)}, "key 'lables'.*Did you mean 'labels'?"),
        (
            {"train_inputs": INPUTS.numpy(), "train_label": np.zeros(6)},
            "key 'train_label'.*Did you mean 'train_labels'?",
        ),
        ({"train_inputs": INPUTS.numpy(), "labels": np.zeros(6)}, "key 'labels'"),
        ({"labels": np.zeros(6)}, r"has no 'inputs'; it holds \['labels'\]"),
        ({"test_inputs": INPUTS.numpy()}, "has no 'train_inputs'"),
        (
            {"train_inputs": INPUTS.numpy(), "test_labels": np.zeros(2, int)},
            "has no 'test_inputs'",
        ),
        (
            {"inputs": np.array(list("abc"))},
            r"are <U1 of shape \(3,\). Give numbers",
        ),
        ({"inputs": np.array([{}, {}], dtype=object)}, "cannot be read as .npz of plain arrays"),
        ({"inputs": np.zeros((2, 9, 9, 3), np.uint8)}, "channels last"),
        ({"inputs": INPUTS.numpy()}, "has no labels and nothing names the classes"),
        (
            {"inputs": INPUTS.numpy(), "labels": np.full(6, 1.5)},
            "the label in row 0 of train in set.npz is 1.5",
        ),
        (
            {
                "train_inputs": INPUTS.numpy(),
                "train_labels": np.array([0, 1, 0, 1, 0, 1]),
                "test_inputs": np.zeros((2, 3)),
            },
            "the inputs of set have different shapes",
        ),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, content: dict, message: str) -> None:
    """Prevents a mistyped key from meaning that nothing is labelled."""
    with pytest.raises(DataError, match=message):
        arrays(save(tmp_path, **content))


def test_a_missing_or_damaged_file_is_told(tmp_path: Path) -> None:
    """Prevents a traceback from inside NumPy."""
    with pytest.raises(DataError, match=r"no file .*absent\.npz"):
        arrays(tmp_path / "absent.npz")
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DataError, match="cannot be read as .npz"):
        arrays(broken)
    single = tmp_path / "single.npy"
    np.save(single, INPUTS.numpy())
    with pytest.raises(DataError, match="cannot be read as .npz"):
        arrays(single)


def test_classes_given_are_checked_for_their_number(tmp_path: Path) -> None:
    """Prevents ten classes under three names."""
    path = save(tmp_path, inputs=INPUTS.numpy(), labels=np.arange(6))
    with pytest.raises(DataError, match="label 2 in row 2 of train .* 2 class names were given"):
        arrays(path, classes=AB)


def test_negative_labels_are_refused(tmp_path):
    """Prevents -100, another library's mark for no label, from becoming a class of its own."""
    path = tmp_path / "rows.npz"
    np.savez(path, inputs=np.zeros((6, 2), np.float32), labels=np.array([0, 1, 0, 1, -100, 1]))
    with pytest.raises(DataError, match="rows.npz has the label -100. Labels are 0 or more"):
        arrays(path)
