"""Image folders and hub images: pixels against pillow, and every sentence about bad files."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from limbeck.errors import DataError
from limbeck.transfer_sets import TransferSet, hub_images, image_folder

RANDOM = np.random.default_rng(3)
WHOLE = {"validation": 0, "test": 0}


def png(pixels: np.ndarray, mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format="PNG")
    return buffer.getvalue()


def grey(height: int = 4, width: int = 6) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width), dtype=np.uint8)


def coloured() -> np.ndarray:
    return RANDOM.integers(0, 256, (4, 6, 3), dtype=np.uint8)


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write(
    path: Path, images: list, labels: list | None = None, metadata: dict | None = None
) -> None:
    encoded = [None if image is None else {"bytes": image, "path": None} for image in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {"image": pa.array(encoded, kind)}
    if labels is not None:
        columns["label"] = pa.array(labels)
    content = pa.table(columns)
    if metadata is not None:
        content = content.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(content, path)


def inputs(transfer_set: TransferSet) -> np.ndarray:
    return transfer_set.batch(torch.arange(len(transfer_set))).inputs.numpy()


def single(folder: Path, *contents: bytes) -> Callable[..., TransferSet]:
    """Both loaders' training sets over the same files."""
    for row, content in enumerate(contents):
        put(folder / "files" / "ab"[row % 2] / f"{row}.png", content)
    write(
        folder / "hub" / "train.parquet", list(contents), [row % 2 for row in range(len(contents))]
    )

    def load(kind: str, **options: object) -> TransferSet:
        if kind == "folder":
            return image_folder(folder / "files", **{**WHOLE, **options}).train
        return hub_images(folder / "hub", **{**WHOLE, **options}).train

    return load


both = pytest.mark.parametrize("kind", ["folder", "hub"])


@both
def test_grey_and_coloured_pixels_are_pillows_over_255(kind: str, tmp_path: Path) -> None:
    """Prevents swapped axes or channels."""
    image, other = grey(), grey()
    found = inputs(single(tmp_path / "grey", png(image), png(other))(kind))
    np.testing.assert_array_equal(found, np.stack([image, other])[:, None] / np.float32(255))
    colours = coloured()
    found = inputs(single(tmp_path / "c", png(colours, "RGB"), png(coloured(), "RGB"))(kind))
    np.testing.assert_array_equal(found[0], colours.transpose(2, 0, 1) / np.float32(255))


@both
def test_palettes_and_bits_are_read_as_colour_and_grey(kind: str, tmp_path: Path) -> None:
    """Prevents palette numbers from being taken for brightness."""
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    buffer = io.BytesIO()
    palette.save(buffer, format="PNG", transparency=b"\x00\xff")
    found = inputs(single(tmp_path / "p", buffer.getvalue(), buffer.getvalue())(kind))
    np.testing.assert_array_equal(found[0], [[[1, 0]], [[0, 0]], [[0, 1]]])
    bits = png(np.array([[0, 255]], np.uint8), "1")
    found = inputs(single(tmp_path / "b", bits, bits)(kind))
    np.testing.assert_array_equal(found[0], [[[0, 1]]])


@both
def test_size_and_greyscale_bring_images_to_one_shape(kind: str, tmp_path: Path) -> None:
    """Prevents height and width from being exchanged."""
    load = single(tmp_path, png(grey(9, 5)), png(coloured(), "RGB"))
    found = load(kind, size=(3, 7), greyscale=False)
    assert found.input_shape == (3, 3, 7)
    assert inputs(found).shape == (2, 3, 3, 7)
    assert load(kind, size=8, greyscale=True).input_shape == (1, 8, 8)
    assert load(kind, size=8, greyscale=True).fingerprint != found.fingerprint


@both
def test_what_does_not_fit_the_first_image_is_told(kind: str, tmp_path: Path) -> None:
    """Prevents images that are cropped, or lose their colours, unseen."""
    load = single(tmp_path / "s", png(grey(4, 6)), png(grey(6, 4)))
    with pytest.raises(DataError, match=r"is 6 x 4 pixels .* is 4 x 6 .* Give size=\(4, 6\)"):
        inputs(load(kind))
    load = single(tmp_path / "c", png(grey()), png(coloured(), "RGB"))
    with pytest.raises(DataError, match=r"in colour \(RGB\) where the first image is grey"):
        inputs(load(kind))
    deep = io.BytesIO()
    Image.fromarray(np.full((4, 6), 9999, np.uint16)).save(deep, format="PNG")
    load = single(tmp_path / "d", png(grey()), deep.getvalue())
    with pytest.raises(DataError, match="pixels of more than 8 bits"):
        inputs(load(kind))
    for size in (0, (3, -4)):
        with pytest.raises(DataError, match="size is .* Give"):
            load(kind, size=size)


@both
@pytest.mark.parametrize("damage", [b"", b"no image", "cut"])
def test_a_damaged_image_is_named(kind: str, damage: bytes | str, tmp_path: Path) -> None:
    """Prevents one bad file among thousands from being a traceback of pillow."""
    broken = png(grey(40, 40))[:300] if damage == "cut" else damage
    load = single(tmp_path, png(grey(40, 40)), broken)
    place = r"b/1\.png" if kind == "folder" else "row 1 of train of hub"
    with pytest.raises(DataError, match=f"{place} cannot be read as an image"):
        inputs(load(kind))


@both
def test_the_cache_changes_neither_pixels_nor_identity(kind: str, tmp_path: Path) -> None:
    """Prevents a store that is refused on a machine with less memory."""
    load = single(tmp_path, *(png(grey(70, 70)) for _ in range(5)))
    cached, bare = load(kind), load(kind, memory=0.0)
    assert (cached.cache is None, bare.cache is None) == (False, True)
    np.testing.assert_array_equal(inputs(cached), inputs(bare))
    np.testing.assert_array_equal(inputs(cached), inputs(cached))
    assert cached.fingerprint == bare.fingerprint


def test_a_folder_of_splits_is_read(tmp_path: Path) -> None:
    """Prevents classes that are numbered differently in train and test."""
    for name in ("train/cat/1.png", "train/eel/2.JPG", "test/dog/3.png", "val/cat/x/4.png"):
        put(tmp_path / name, png(grey()))
    put(tmp_path / "train/unlabelled/5.png", png(grey()))
    put(tmp_path / "train/cat/notes.txt", b"no image")
    put(tmp_path / "train/cat/.hidden.png", b"no image")
    splits = image_folder(tmp_path, size=4)
    assert splits.train.classes == ("cat", "dog", "eel")
    assert splits.train.ids == ("train/cat/1.png", "train/eel/2.JPG", "train/unlabelled/5.png")
    assert splits.train.labels.tolist() == [0, 2, -1]
    assert splits.test.labels.tolist() == [1]
    assert splits.validation.ids == ("val/cat/x/4.png",)


def test_a_folder_of_classes_is_divided(tmp_path: Path) -> None:
    """Prevents test images from leaking into training."""
    for number in range(30):
        put(tmp_path / "ab"[number % 2] / f"{number}.png", png(grey()))
    splits = image_folder(tmp_path, classes=["b", "a"], validation=4, test=0.2, labelled=6)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [20, 4, 6]
    assert splits.test.labels.bincount().tolist() == [3, 3]
    assert splits.train.labels.add(1).bincount().tolist() == [14, 3, 3]
    assert all(
        (id[0] == "a") == (label == 1)
        for id, label in zip(splits.test.ids, splits.test.labels.tolist(), strict=True)
    )


def test_wrong_folders_are_told(tmp_path: Path) -> None:
    """Prevents an empty set, and two folders for one split."""
    with pytest.raises(DataError, match="no folder .*absent"):
        image_folder(tmp_path / "absent")
    with pytest.raises(DataError, match="no images for the split 'train'"):
        image_folder(tmp_path)
    put(tmp_path / "test/cat/1.png", png(grey()))
    with pytest.raises(DataError, match=r"split\(s\) \['test'\] but no folder 'train'"):
        image_folder(tmp_path)
    put(tmp_path / "train/cta/1.png", png(grey()))
    with pytest.raises(DataError, match="folder 'cta', which is none of the 2 .*mean 'cat'"):
        image_folder(tmp_path, classes=["cat", "dog"])
    (tmp_path / "val").mkdir()
    with pytest.raises(DataError, match="no images for the split 'validation'"):
        image_folder(tmp_path)
    (tmp_path / "valid").mkdir()
    with pytest.raises(DataError, match="are both the validation split"):
        image_folder(tmp_path)


def test_an_image_that_vanished_is_named(tmp_path: Path) -> None:
    """Prevents a traceback after hours of annotating."""
    single(tmp_path, png(grey()), png(grey()))
    train = image_folder(tmp_path / "files", **WHOLE).train
    (tmp_path / "files/b/1.png").unlink()
    with pytest.raises(DataError, match=r"1\.png cannot be read \(No such file"):
        inputs(train)


def test_shards_are_read_in_order_with_the_names_in_the_file(tmp_path: Path) -> None:
    """Prevents rows in another order than the hub's, and class names lost."""
    images = [grey() for _ in range(5)]
    names = {"info": {"features": {"label": {"names": ["x", "y"], "_type": "ClassLabel"}}}}
    shards = [(images[:2], [0, 1]), (images[2:4], [1, -1]), (images[4:], [None])]
    for number, (part, labels) in enumerate(shards):
        path = tmp_path / "data" / f"train-0000{number}-of-00003.parquet"
        write(path, [png(image) for image in part], labels, names)
    write(tmp_path / "data" / "test-00000-of-00001-0123abcd.parquet", [png(images[0])], [1], names)
    write(tmp_path / "data" / "extra-00000-of-00001.parquet", [png(images[0])], [0])
    splits = hub_images(tmp_path, validation=0)
    assert splits.train.classes == ("x", "y")
    assert splits.train.labels.tolist() == [0, 1, 1, -1, -1]
    np.testing.assert_array_equal(inputs(splits.train)[:, 0] * 255, np.stack(images))
    assert splits.train.ids[4] == "train-4"
    assert len(splits.test) == 1
    assert hub_images(tmp_path, classes=["p", "q"]).train.classes == ("p", "q")


def test_converted_branches_and_plain_bytes_are_read(tmp_path: Path) -> None:
    """Prevents the hub's own conversion, split/0000.parquet, from being passed over."""
    content = pa.table({"picture": [png(grey()), png(grey())], "kind": ["b", "a"], "g": [1, 2]})
    path = tmp_path / "default" / "train" / "0000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(content, path)
    train = hub_images(tmp_path, image="picture", label="kind", groups=["g"], **WHOLE).train
    assert (train.classes, train.labels.tolist()) == (("a", "b"), [1, 0])
    assert train.groups == {"g": ("1", "2")}
    bare = hub_images(tmp_path, image="picture", label=None, classes=["a", "b"])
    assert bare.train.labels.tolist() == [-1, -1]
    assert bare.validation is None


def test_wrong_parquet_folders_are_told(tmp_path: Path) -> None:
    """Prevents half a data set, the wrong configuration, and tracebacks of Arrow."""
    with pytest.raises(DataError, match=r"no train.parquet .* splits there: none"):
        hub_images(tmp_path)
    write(tmp_path / "training_set.parquet", [png(grey())], [0])
    with pytest.raises(DataError, match="splits there: training_set. Call the training split"):
        hub_images(tmp_path)
    write(tmp_path / "one" / "train-00000-of-00002.parquet", [png(grey())], [0])
    with pytest.raises(DataError, match=r"has 1 file\(s\) where 2 belong to it: train-00000-of"):
        hub_images(tmp_path)
    write(tmp_path / "two" / "train.parquet", [png(grey())] * 2, [0, 1])
    with pytest.raises(DataError, match="holds several data sets: one, two. Give one of them"):
        hub_images(tmp_path)
    with pytest.raises(DataError, match="no column 'img'; it has image, label. "):
        hub_images(tmp_path / "two", image="img")
    with pytest.raises(DataError, match="no column 'lable'.*Did you mean 'label'?"):
        hub_images(tmp_path / "two", label="lable")
    with pytest.raises(DataError, match="the column 'label' of two is int64. Give a column of enc"):
        hub_images(tmp_path / "two", image="label", label=None, classes="ab")
    with pytest.raises(DataError, match="label 1 in row 1 .* out of range: 1 class names"):
        hub_images(tmp_path / "two", classes=["a"])
    put(tmp_path / "bad" / "train.parquet", b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        hub_images(tmp_path / "bad")
    write(tmp_path / "null" / "train.parquet", [png(grey()), None], [0, 1])
    with pytest.raises(DataError, match="row 1 of train of null has no image"):
        hub_images(tmp_path / "null")
    odd = tmp_path / "odd"
    write(odd / "train-0-of-2.parquet", [png(grey())], [0])
    write(odd / "train-1-of-2.parquet", [png(grey())], ["a"])
    with pytest.raises(DataError, match="columns of train-0-of-2.parquet and the files after it"):
        hub_images(odd)
    write(tmp_path / "empty" / "train.parquet", [], [])
    with pytest.raises(DataError, match=r"the split 'train' of empty is empty"):
        hub_images(tmp_path / "empty", classes=["a", "b"])


def test_the_hub_out_of_reach_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents pages of traceback on a machine without internet."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError, match="no folder nobody/nothing, and the hub did not give nobody"
    ):
        hub_images("nobody/nothing")
    with pytest.raises(DataError, match=r"no folder \./absent/images/here/"):
        hub_images("./absent/images/here/")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match="pip install huggingface_hub"):
        hub_images("nobody/nothing")


def test_a_data_set_of_the_hub_is_downloaded_as_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a download of scripts, or of all configurations as one set."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    for configuration in ("one", "two"):
        write(tmp_path / configuration / "train.parquet", [png(grey())] * 2, [0, 1])
    asked = {}

    def snapshot_download(repo_id: str, **options: object) -> str:
        asked.update(options, repo_id=repo_id)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    train = hub_images("owner/pets/two", **WHOLE).train
    assert train.name == "pets.train"
    assert asked == {
        "repo_id": "owner/pets",
        "repo_type": "dataset",
        "allow_patterns": ["*.parquet"],
    }


def test_mnists_test_part_is_read_as_published(mnist: Path, tmp_path: Path) -> None:
    """Prevents real files from being misread where made-up ones are not."""
    (tmp_path / "train.parquet").symlink_to(mnist / "test.parquet")
    train = hub_images(tmp_path, **WHOLE).train
    assert train.classes == tuple("0123456789")
    assert train.input_shape == (1, 28, 28)
    published = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.labels.bincount().tolist() == published
    assert train.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    rows = torch.arange(10_000)
    assert abs(train.batch(rows).inputs.mean().item() - 0.1325) < 1e-4


@pytest.mark.slow
def test_the_whole_of_mnist_is_divided(mnist: Path) -> None:
    """Prevents 60,000 images from taking another path than ten."""
    splits = hub_images(mnist, validation=6000, labelled=1000)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [54000, 6000, 10000]
    assert splits.train.labels.add(1).bincount().tolist() == [53000] + [100] * 10
    assert len({*splits.train.ids, *splits.validation.ids, *splits.test.ids}) == 70000
