"""Manifests and shards that were damaged, or made to do harm."""

import dataclasses
import json
import random
import re
import shutil

import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import StoreError
from limbeck.store import KnowledgeStore, verify
from limbeck.store.files import write_columns
from limbeck.store.format import MANIFEST, Manifest, RaggedColumn
from limbeck.store.json_records import from_json
from limbeck.store.manifest import load_manifest, manifest_bytes


@pytest.fixture
def folder(linear, examples, tmp_path):
    annotate(linear(), examples(), tmp_path / "s", shard_rows=128)
    return tmp_path / "s"


def rewritten(folder, **changes):
    """The manifest with other values and a checksum that fits them."""
    manifest = dataclasses.replace(load_manifest(folder), **changes)
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))


def test_every_one_of_500_single_byte_flips_is_detected(folder):
    """A damaged byte that is read as a logit trains a student on noise."""
    drawn = random.Random(0)
    rows = torch.arange(300)
    for number in range(500):
        path = folder / (
            MANIFEST if number % 2 else drawn.choice(sorted(folder.glob("*.arrow"))).name
        )
        raw = path.read_bytes()
        position = drawn.randrange(len(raw))
        flipped = raw[position] ^ drawn.randrange(1, 256)
        path.write_bytes(raw[:position] + bytes([flipped]) + raw[position + 1 :])
        with pytest.raises(StoreError):
            KnowledgeStore(folder).read(rows)
        if path.name != MANIFEST:
            assert verify(folder).damaged == (path.name,)
        path.write_bytes(raw)
    assert verify(folder).ok


@pytest.mark.parametrize(
    "name", ["../evil.arrow", "/etc/passwd", "sub/shard.arrow", "..", "", "a\\b.arrow", "\x00"]
)
def test_a_shard_name_that_leaves_the_folder_is_refused(folder, name):
    """A store from elsewhere must not make limbeck read other files."""
    shards = load_manifest(folder).shards
    rewritten(folder, shards=(dataclasses.replace(shards[0], file=name), *shards[1:]))
    with pytest.raises(StoreError, match="not a plain file inside the store"):
        KnowledgeStore(folder)


def test_a_symlink_that_leaves_the_folder_is_refused(folder, tmp_path):
    """A plain name can still point elsewhere."""
    shard = folder / "shard-00000.arrow"
    shutil.move(shard, tmp_path / "outside.arrow")
    shard.symlink_to(tmp_path / "outside.arrow")
    with pytest.raises(StoreError, match="not a plain file inside the store"):
        KnowledgeStore(folder)


def test_a_newer_format_is_refused_before_its_fields_are_read(folder):
    """A store of tomorrow must not be read as one of today."""
    values = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({"format_version": 3, "new": values}))
    with pytest.raises(
        StoreError, match="has format 3; this limbeck reads up to 2. Update limbeck"
    ):
        KnowledgeStore(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 299},
        {"complete": False},
        {"ragged": (RaggedColumn("t", 1, 1),)},
        {"shard_rows": 100},
    ],
)
def test_a_manifest_that_does_not_add_up_is_refused(folder, changes):
    """Rows are found by arithmetic, so its numbers must be right."""
    rewritten(folder, **changes)
    with pytest.raises(StoreError, match=r"manifest.json is damaged: not understood"):
        KnowledgeStore(folder)


@pytest.mark.parametrize("text", ["[]", "{", "\xff", "null", "{}", "[" * 100_000])
def test_a_manifest_that_is_something_else_is_refused(folder, text):
    """Any bytes must end in a sentence, not in a traceback."""
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match=r"manifest.json is damaged"):
        KnowledgeStore(folder)


def test_every_key_of_the_manifest_is_needed_and_typed(folder):
    """A value of another type must not surface later, as a wrong answer."""
    values = json.loads((folder / MANIFEST).read_text())
    from_json(Manifest, values)
    for key in values:
        with pytest.raises(KeyError, match=key):
            from_json(Manifest, {k: v for k, v in values.items() if k != key})
        with pytest.raises(TypeError, match=re.escape(key)):
            from_json(Manifest, {**values, key: object()})


def test_missing_and_shortened_shards_are_found_on_opening(folder):
    """A copy that was cut off must not fail in the middle of a training run."""
    shard = folder / "shard-00001.arrow"
    raw = shard.read_bytes()
    shard.write_bytes(raw[:-1])
    with pytest.raises(
        StoreError, match=rf"shard-00001.arrow has {len(raw) - 1} bytes, not {len(raw)}"
    ):
        KnowledgeStore(folder)
    shard.unlink()
    with pytest.raises(StoreError, match=r"shard-00001.arrow is missing"):
        KnowledgeStore(folder)


def test_a_damaged_shard_is_named_when_it_is_first_read(folder):
    """Checking at the first read keeps opening quick and damage loud."""
    shard = folder / "shard-00002.arrow"
    raw = bytearray(shard.read_bytes())
    raw[len(raw) // 2] ^= 1
    shard.write_bytes(raw)
    store = KnowledgeStore(folder)
    store.read(torch.arange(200))
    with pytest.raises(StoreError, match=r"shard-00002.arrow is damaged: its bytes do not match"):
        store.read(torch.arange(300))


def test_a_shard_of_other_columns_is_refused_although_its_checksum_fits(folder):
    """A checksum proves that bytes are unchanged, not that they are meant."""
    import hashlib

    import numpy as np

    path = folder / "shard-00002.arrow"
    for content in ("columns", "text"):
        if content == "columns":
            write_columns(path, {"check": np.zeros(44, np.uint16)})
        else:
            path.write_bytes(b"not Arrow at all" * 10)
        raw = path.read_bytes()
        *others, last = load_manifest(folder).shards
        digest = hashlib.sha256(raw).hexdigest()
        last = dataclasses.replace(last, bytes=len(raw), sha256=digest)
        rewritten(folder, shards=(*others, last))
        with pytest.raises(
            StoreError, match=r"other columns than|not a shard of a knowledge store"
        ):
            KnowledgeStore(folder).read(torch.arange(300))
