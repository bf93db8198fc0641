"""A store used with what it is not about."""

import dataclasses

import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import DataError, StoreMismatch
from limbeck.store.format import MANIFEST
from limbeck.store.manifest import load_manifest, manifest_bytes
from limbeck.store.reader import KnowledgeStore
from limbeck.teachers import Ensemble
from limbeck.transfer_sets import Arrays, Flip, Shift, Views


@pytest.fixture
def images():
    def make(views=None):
        pixels = torch.rand(30, 1, 5, 5, generator=torch.Generator().manual_seed(0))
        data = Arrays(pixels, classes=("a", "b"), name="images")
        return views.of(data) if views else data

    return make


@pytest.fixture
def flat(linear):
    class Flat(linear):
        def outputs(self, batch):
            return super().outputs(
                dataclasses.replace(batch, inputs=batch.inputs.flatten(1)[:, :6])
            )

    return Flat(classes=2)


def test_the_examples_that_differ_are_counted_and_the_first_is_named(linear, examples, tmp_path):
    """Training would pair them with another example's soft targets."""
    data = examples()
    store = annotate(linear(), data, tmp_path / "s", shard_rows=64)
    store.check(data, linear())
    inputs = data.batch(torch.arange(300)).inputs.clone()
    inputs[[17, 250]] += 1
    ids = [f"e{i}" for i in range(300)]
    changed = Arrays(inputs, classes=data.classes, ids=ids, name="noise")
    with pytest.raises(
        StoreMismatch,
        match=r"annotated over other data: 2 of 300 examples differ \(first: id 'e17'\). Training",
    ):
        store.check(changed)
    with pytest.raises(StoreMismatch, match="over 300 examples and noise has 299. Annotate again"):
        store.check(examples(299))


def test_other_classes_are_refused(linear, examples, tmp_path):
    """Column 3 would mean another class."""
    data = examples()
    store = annotate(linear(), data, tmp_path / "s")
    inputs = data.batch(torch.arange(300)).inputs
    other = Arrays(inputs, classes=tuple("bacdefghij"), name="noise")
    with pytest.raises(
        StoreMismatch, match=r"the classes \[a, b, c, d, e, ...\] \(10\) and noise has"
    ):
        store.check(other)


def test_other_teachers_are_refused_by_name(linear, examples, tmp_path):
    """A student of the wrong teacher trains as well as any."""
    data = examples()
    store = annotate(Ensemble([linear("a", 1), linear("b", 2)]), data, tmp_path / "s")
    with pytest.raises(StoreMismatch, match="teacher 2 of 2, 'b' has other weights, .* than 'c'"):
        store.check(data, Ensemble([linear("a", 1), linear("c", 3)]))
    with pytest.raises(StoreMismatch, match="holds the answers of 2 teachers, not 1"):
        store.check(teacher=linear("a", 1))


def test_other_views_are_refused(flat, images, tmp_path):
    """The student would see other pixels than the teacher did."""
    store = annotate(flat, images(Views(Shift(1), count=2, seed=1)), tmp_path / "s")
    store.check(images(Views(Shift(1), count=2, seed=1)), flat)
    for views, message in (
        (Views(Shift(1), count=3, seed=1), "its views is 2, not 3"),
        (
            Views(Shift(2), count=2, seed=1),
            r"its transform is Shift\(pixels=1\), not Shift\(pixels=2",
        ),
        (Views(Flip(), count=2, seed=1), r"its transform is Shift\(pixels=1\), not Flip\(\)"),
        (Views(Shift(1), count=2, seed=7), "its seed of views is 1, not 7"),
    ):
        with pytest.raises(StoreMismatch, match=message):
            store.check(images(views))
    with pytest.raises(StoreMismatch, match="its views is 2, not 1"):
        store.check(images())


def test_a_transform_whose_code_changed_is_found_by_its_probe(flat, images, tmp_path):
    """A new library version may render other pixels under the same name and seed."""
    data = images(Views(Shift(1), count=2))
    annotate(flat, data, tmp_path / "s")
    manifest = load_manifest(tmp_path / "s")
    views = dataclasses.replace(manifest.subject.views, probe="0" * 63 + "1")
    subject = dataclasses.replace(manifest.subject, views=views)
    changed = dataclasses.replace(manifest, subject=subject)
    (tmp_path / "s" / MANIFEST).write_bytes(manifest_bytes(changed))
    with pytest.raises(StoreMismatch, match="images renders other inputs than when this store"):
        KnowledgeStore(tmp_path / "s").check(data)
    with pytest.raises(StoreMismatch, match="is about inputs that are rendered differently today"):
        annotate(flat, data, tmp_path / "s")


def test_other_preprocessing_of_the_same_inputs_is_refused(linear, examples, tmp_path):
    """16 bits per example cannot see everything; the fingerprint can."""
    data = examples()
    store = annotate(linear(), data, tmp_path / "s")
    inputs, ids = data.batch(torch.arange(300)).inputs, [f"e{i}" for i in range(300)]
    other = Arrays(inputs, classes=data.classes, ids=ids, preprocessing={"mean": 1})
    if (other.checks() == data.checks()).all():
        with pytest.raises(StoreMismatch, match="its preprocessing is another"):
            store.check(other)
    else:
        with pytest.raises(StoreMismatch, match="300 of 300 examples differ"):
            store.check(other)


def test_views_without_end_cannot_be_annotated(flat, images, tmp_path):
    """A store holds a number of views."""
    with pytest.raises(DataError, match="images has views without end, .* Give Views a count"):
        annotate(flat, images(Views(Shift(1), count=None)), tmp_path / "s")
