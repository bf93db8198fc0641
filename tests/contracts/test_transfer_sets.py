"""The contract that every transfer set keeps; every loader that is exported must be among them."""

import hashlib
import io
import json
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from limbeck import transfer_sets
from limbeck.errors import DataError
from limbeck.transfer_sets import (
    Arrays,
    Flip,
    Shift,
    Splits,
    Texts,
    Tokenization,
    TransferSet,
    Views,
    arrays,
    digits,
    glyphs,
    hub_images,
    hugging_face,
    image_folder,
    table,
)
from limbeck.types import UNLABELLED

ROWS = 12
CLASSES = ("cat", "dog", "eel")
CHANGED = 7
WHOLE = {"validation": 0, "test": 0}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_sources(folder: Path, *, changed: bool = False, labels: bool = True) -> None:
    """One small data set in every format; `changed` alters the input of one example."""
    generator = np.random.default_rng(5)
    images = generator.integers(0, 256, (ROWS, 1, 5, 6), dtype=np.uint8)
    kinds = ["red", "blue"] * (ROWS // 2)
    if changed:
        images[CHANGED, 0, 2, 3] ^= 1
        kinds[CHANGED] = "red"
    numbers = np.arange(ROWS) % 3 if labels else np.full(ROWS, UNLABELLED)
    np.savez(folder / "set.npz", inputs=images, labels=numbers, classes=np.array(CLASSES))
    rows = [f"{i}.5,{kinds[i]},{CLASSES[i % 3] if labels else ''}" for i in range(ROWS)]
    (folder / "set.csv").write_text("size,colour,label\n" + "\n".join(rows) + "\n")
    for row in range(ROWS):
        home = folder / "images" / CLASSES[row % 3]
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{row:02}.png").write_bytes(png(images[row, 0]))
    encoded = [{"bytes": png(image[0]), "path": None} for image in images]
    texts = [f"film {i} is {kinds[i]}" for i in range(ROWS)]
    (folder / "texts").mkdir(exist_ok=True)
    pq.write_table(
        pa.table({"text": texts, "label": numbers, "half": list("ab" * 6)}),
        folder / "texts" / "train.parquet",
    )
    (folder / "hub").mkdir(exist_ok=True)
    pq.write_table(pa.table({"image": encoded, "label": numbers}), folder / "hub" / "train.parquet")


def in_memory(folder: Path, dtype: torch.dtype) -> Arrays:
    content = np.load(folder / "set.npz")
    inputs = torch.from_numpy(content["inputs"]).to(dtype)
    return Arrays(inputs, content["labels"], classes=CLASSES, groups={"half": "ab" * 6})


def words() -> Tokenization:
    """A tokenizer whose words are single characters."""
    tokenizers = pytest.importorskip("tokenizers")
    letters = ["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz0123456789 "]
    vocabulary = {letter: number for number, letter in enumerate(letters)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("."), "isolated")
    return Tokenization(made, max_length=16)


def some_texts(folder: Path) -> TransferSet:
    content = pq.read_table(folder / "texts" / "train.parquet")
    half = {"half": content["half"].to_pylist()}
    labels = content["label"].to_pylist()
    return Texts(content["text"], words(), labels, classes=CLASSES, groups=half)


def loaded_texts(folder: Path) -> TransferSet:
    tokenizer = words().save(folder / "tokenizer")
    options = {"classes": CLASSES, "groups": ["half"], "max_length": 16, **WHOLE}
    return hugging_face(folder / "texts", tokenizer=tokenizer, **options).train


def some_glyphs() -> TransferSet:
    try:
        return glyphs(3, 8, labelled=6).train
    except DataError as error:
        pytest.skip(str(error))


Build = Callable[[Path], TransferSet]
CASES: dict[str, Build] = {
    "Arrays of numbers": lambda folder: in_memory(folder, torch.float32),
    "Arrays of bytes": lambda folder: in_memory(folder, torch.uint8),
    "arrays": lambda folder: arrays(folder / "set.npz", **WHOLE).train,
    "table": lambda folder: table(folder / "set.csv", classes=CLASSES, **WHOLE).train,
    "image_folder": lambda folder: image_folder(folder / "images", **WHOLE).train,
    "hub_images": lambda folder: hub_images(folder / "hub", classes=CLASSES, **WHOLE).train,
    "hub_images without a cache": lambda folder: (
        hub_images(folder / "hub", classes=CLASSES, memory=0.0, **WHOLE).train
    ),
    "Views": lambda folder: Views((Shift(1), Flip()), count=3).of(in_memory(folder, torch.uint8)),
    "Texts": some_texts,
    "hugging_face": loaded_texts,
    "digits": lambda folder: digits(labelled=20).train,
    "glyphs": lambda folder: some_glyphs(),
}


GIVEN = ("digits", "glyphs")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    return folder


every = pytest.mark.parametrize("build", CASES.values(), ids=CASES.keys())
changeable = pytest.mark.parametrize(
    "build", [b for name, b in CASES.items() if name not in GIVEN], ids=list(CASES)[:-2]
)


def pixels(transfer_set: TransferSet, *, backwards: bool = False) -> dict[tuple[str, int], bytes]:
    """The bytes of every input by id and view, read one by one or as one batch from the end.

    Of texts, without the padding, which depends on what else is in the batch.
    """
    found = {}
    for view in range(transfer_set.views or 1):
        if backwards:
            rows = torch.arange(len(transfer_set)).flip(0)
            batches = [transfer_set.batch(rows, view)]
        else:
            batches = [
                transfer_set.batch(torch.tensor([row]), view) for row in range(len(transfer_set))
            ]
        for batch in batches:
            for row, inputs in zip(batch.rows.tolist(), batch.inputs, strict=True):
                if batch.tokenization is not None:
                    inputs = inputs[inputs != batch.tokenization.padding]
                found[transfer_set.ids[row], view] = inputs.numpy().tobytes()
    return found


def test_every_exported_loader_and_set_is_under_contract() -> None:
    """Prevents a new loader that no contract test sees."""
    public = {name: getattr(transfer_sets, name) for name in transfer_sets.__all__}
    loaders = {
        name
        for name, value in public.items()
        if callable(value) and typing.get_type_hints(value).get("return") is Splits
    }
    assert loaders == set(CASES) & loaders


@every
def test_the_same_rows_give_the_same_inputs_alone_and_together(build: Build, sources: Path) -> None:
    """Prevents inputs that depend on the batch they come in."""
    transfer_set = build(sources)
    assert pixels(transfer_set) == pixels(transfer_set, backwards=True)


@every
def test_a_batch_holds_inputs_of_the_stated_shape(build: Build, sources: Path) -> None:
    """Prevents a model that meets bytes, doubles or another shape than was announced."""
    transfer_set = build(sources)
    rows = torch.tensor([5, 0, 3])
    batch = transfer_set.batch(rows)
    if transfer_set.lengths is None:
        assert batch.inputs.dtype == torch.float32
        assert tuple(batch.inputs.shape) == (3, *transfer_set.input_shape)
        assert (batch.texts, batch.tokenization, transfer_set.tokenization) == (None, None, None)
    else:
        assert batch.inputs.dtype == torch.int64
        assert tuple(batch.inputs.shape) == (3, int(transfer_set.lengths[rows].max()))
        assert batch.inputs.shape[1] <= transfer_set.input_shape[0]
        assert batch.tokenization is transfer_set.tokenization
        assert len(batch.texts or ()) == 3
    assert batch.inputs.is_contiguous()
    assert torch.equal(batch.rows, rows)
    assert torch.equal(batch.labels, transfer_set.labels[rows])
    assert batch.labels.dtype == torch.int64


@every
def test_building_it_again_gives_the_same_identity(build: Build, sources: Path) -> None:
    """Prevents a store that refuses its own data in the next process."""
    one, other = build(sources), build(sources)
    assert one.fingerprint == other.fingerprint
    assert list(one.ids) == list(other.ids)
    np.testing.assert_array_equal(one.checks(), other.checks())


@every
def test_checks_are_16_bits_for_each_example(build: Build, sources: Path) -> None:
    """Prevents checks of another length or type than the store's column."""
    transfer_set = build(sources)
    checks = transfer_set.checks()
    assert checks.dtype == np.uint16
    assert checks.shape == (len(transfer_set),)
    assert len(set(checks.tolist())) > 0.9 * len(transfer_set)


@changeable
def test_a_changed_input_changes_the_fingerprint_and_only_its_own_check(
    build: Build, sources: Path, tmp_path: Path
) -> None:
    """Prevents another example's soft targets after one image was replaced."""
    write_sources(tmp_path, changed=True)
    old, new = build(sources), build(tmp_path)
    assert old.fingerprint != new.fingerprint
    differ = (old.checks() != new.checks()).nonzero()[0]
    assert [pixels(old)[old.ids[i], 0] != pixels(new)[new.ids[i], 0] for i in differ] == [True]
    assert len(differ) == 1


@changeable
def test_labels_are_no_part_of_the_identity(build: Build, sources: Path, tmp_path: Path) -> None:
    """Prevents annotating anew because labels were corrected or withheld."""
    write_sources(tmp_path, labels=False)
    old, new = build(sources), build(tmp_path)
    assert old.fingerprint == new.fingerprint
    np.testing.assert_array_equal(old.checks(), new.checks())


@every
def test_a_selection_keeps_ids_inputs_and_checks(build: Build, sources: Path) -> None:
    """Prevents a subset that is paired with the knowledge about other examples."""
    whole = build(sources)
    rows = torch.tensor([9, 2, 4])
    part = whole.select(rows, "part")
    assert part.name == "part"
    assert list(part.ids) == [whole.ids[i] for i in rows]
    assert part.classes == whole.classes
    assert torch.equal(part.labels, whole.labels[rows])
    assert {name: list(v) for name, v in part.groups.items()} == {
        name: [v[i] for i in rows] for name, v in whole.groups.items()
    }
    everything = pixels(whole)
    assert pixels(part) == {key: everything[key] for key in pixels(part)}
    np.testing.assert_array_equal(part.checks(), whole.checks()[rows.numpy()])
    assert part.fingerprint != whole.fingerprint


@every
def test_selecting_everything_is_the_same_set(build: Build, sources: Path) -> None:
    """Prevents a fingerprint that depends on how a set was made."""
    whole = build(sources)
    same = whole.select(torch.arange(len(whole)))
    assert same.fingerprint == whole.fingerprint
    assert same.name == whole.name


@every
def test_the_order_of_the_examples_is_part_of_the_identity(build: Build, sources: Path) -> None:
    """Prevents reading a store by position after the rows were shuffled."""
    whole = build(sources)
    turned = whole.select(torch.arange(len(whole)).flip(0))
    assert turned.fingerprint != whole.fingerprint


@every
def test_labelled_has_the_examples_with_a_label(build: Build, sources: Path) -> None:
    """Prevents a from-scratch twin that trains on label -1."""
    whole = build(sources)
    known = whole.labelled()
    assert (known.labels != UNLABELLED).all()
    wanted = (whole.labels != UNLABELLED).nonzero().flatten()
    assert list(known.ids) == [whole.ids[i] for i in wanted]
    assert known.labelled() is known


@every
def test_rows_outside_the_set_raise(build: Build, sources: Path) -> None:
    """Prevents a row of another set from being answered with some other example."""
    whole = build(sources)
    with pytest.raises((IndexError, RuntimeError)):
        whole.batch(torch.tensor([len(whole)]))


def test_another_process_reads_the_same_pixels(sources: Path) -> None:
    """Prevents augmentation or decoding that differs between annotating and training."""
    told = subprocess.run(
        [sys.executable, str(Path(__file__)), str(sources)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(told) == identities(sources, backwards=True)


def identities(folder: Path, *, backwards: bool) -> dict[str, list[str]]:
    found = {}
    for name, build in CASES.items():
        transfer_set = build(folder)
        state = hashlib.sha256()
        for key, value in sorted(pixels(transfer_set, backwards=backwards).items()):
            state.update(repr(key).encode() + value)
        found[name] = [transfer_set.fingerprint, state.hexdigest()]
    return found


if __name__ == "__main__":
    print(json.dumps(identities(Path(sys.argv[1]), backwards=False)))
