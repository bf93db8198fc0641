"""Knowledge about a selection of rows is that of these rows, and of no others."""

import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import DataError, StoreError, StoreMismatch
from limbeck.objectives import SoftTargets
from limbeck.store import KnowledgeSubset, LiveTeacher
from limbeck.students import mlp
from limbeck.training import distill
from limbeck.transfer_sets import Arrays, Shift, Views, split

CHOSEN = torch.tensor([17, 3, 250, 99])


@pytest.fixture
def made(linear, examples, tmp_path):
    teacher, data = linear(hidden=("x",)), examples()
    return teacher, data, annotate(teacher, data, tmp_path / "s")


def test_rows_of_the_selection_are_looked_up_in_the_whole(made):
    """Position 0 of the selection is not row 0 of the store."""
    _, data, store = made
    part = KnowledgeSubset(store, data, CHOSEN)
    for place, row in enumerate(CHOSEN.tolist()):
        found, wanted = part.read(torch.tensor([place])), store.read(torch.tensor([row]))
        assert torch.equal(found.logits, wanted.logits)
        assert torch.equal(found.hidden["x"], wanted.hidden["x"])
        assert part.transfer_set.ids[place] == data.ids[row]
    assert (len(part), part.classes, part.views) == (4, store.classes, 1)
    assert part.hidden_shapes == store.hidden_shapes
    assert part.provides == store.provides


def test_a_student_of_a_selection_learns_what_one_of_its_own_store_learns(made, linear, tmp_path):
    """Prevents other soft targets, another order or another number of batches."""
    _, data, store = made
    part = KnowledgeSubset(store, data, torch.arange(40, 100))
    own = annotate(linear(hidden=("x",)), part.transfer_set, tmp_path / "own")
    runs = [
        distill(mlp(6, [5], 10), knowledge, part.transfer_set, SoftTargets(2.0), epochs=2)
        for knowledge in (part, own)
    ]
    for one, other in zip(*(run.student.module.parameters() for run in runs), strict=True):
        assert torch.equal(one, other)


def test_a_selection_of_a_selection_and_of_a_living_teacher(made):
    """Row numbers go through both selections."""
    teacher, data, store = made
    once = KnowledgeSubset(store, data, CHOSEN)
    twice = KnowledgeSubset(once, once.transfer_set, torch.tensor([2, 0]))
    wanted = store.read(torch.tensor([250, 17])).logits
    assert torch.equal(twice.read(torch.arange(2)).logits, wanted)
    live = KnowledgeSubset(LiveTeacher(teacher, data), data, CHOSEN)
    said = live.read(torch.tensor([2])).log_probs()
    torch.testing.assert_close(said, store.read(CHOSEN[2:3]).log_probs(), atol=5e-3, rtol=1e-3)


def test_knowledge_about_a_part_is_found_by_its_ids(made):
    """The first rows of the whole taken for those of a part drawn from it."""
    _, data, store = made
    few, rest = split(data, 0.1, seed=3)
    for part in (few, rest.select(torch.arange(len(rest)).flip(0), "turned")):
        known = KnowledgeSubset.about(store, data, part)
        wanted = torch.tensor([list(data.ids).index(name) for name in part.ids])
        assert torch.equal(known.rows, wanted)
        everything = torch.arange(len(part))
        assert torch.equal(known.read(everything).logits, store.read(wanted).logits)
        assert known.transfer_set.fingerprint == part.fingerprint
        assert known.transfer_set.name == part.name


def test_a_part_of_other_data_is_refused(made, examples):
    """Other examples under the same ids, or a KeyError."""
    _, data, store = made
    with pytest.raises(StoreMismatch, match=r"50 of 350 examples of .* \(first: id 'e300'\)"):
        KnowledgeSubset.about(store, data, examples(350))
    with pytest.raises(StoreMismatch, match="4 of 4 differ"):
        KnowledgeSubset.about(store, data, examples(seed=1).select(CHOSEN))


def test_views_of_a_selection_are_those_of_the_whole(linear, tmp_path):
    """The same view number must be the same pixels."""
    images = torch.arange(24.0).reshape(4, 1, 2, 3)
    data = Views(Shift(pixels=1), count=3).of(Arrays(images, classes="abcdefghij"))

    class Flat(linear):
        def outputs(self, batch):
            batch = type(batch)(batch.rows, batch.inputs.flatten(1), batch.labels, batch.view)
            return super().outputs(batch)

    store = annotate(Flat(), data, tmp_path / "s")
    part = KnowledgeSubset(store, data, torch.tensor([3, 1]))
    found = part.read(torch.tensor([0]), view=2).logits
    assert torch.equal(found, store.read(torch.tensor([3]), view=2).logits)
    part.check(data.select(torch.tensor([3, 1])))
    with pytest.raises(StoreMismatch, match="its preprocessing or its views are others"):
        part.check(Views(Shift(pixels=1), count=4).of(data.base.select(torch.tensor([3, 1]))))


def test_the_fingerprint_tells_selections_apart(made):
    """A checkpoint of other rows must not be resumed."""
    _, data, store = made
    prints = {KnowledgeSubset(store, data, rows).fingerprint for rows in (CHOSEN, CHOSEN.flip(0))}
    assert len(prints | {store.fingerprint}) == 3


def test_training_on_other_rows_is_refused(made):
    """They would be paired with another example's soft targets."""
    _, data, store = made
    part = KnowledgeSubset(store, data, CHOSEN)
    other = data.select(torch.tensor([17, 3, 251, 99]))
    with pytest.raises(StoreMismatch, match=r"1 of 4 differ \(first: id 'e251'\)"):
        distill(mlp(6, [], 10), part, other, SoftTargets(1.0), epochs=1)
    with pytest.raises(StoreMismatch, match="about 4 selected examples and noise has 300"):
        distill(mlp(6, [], 10), part, data, SoftTargets(1.0), epochs=1)


def test_other_classes_are_refused(made, examples):
    """The same rows under other class names."""
    _, data, store = made
    part = KnowledgeSubset(store, data, CHOSEN)
    with pytest.raises(StoreMismatch, match=r"is about the classes \[a, b, c, d, e, ...\] \(10\)"):
        part.check(examples(classes=4).select(CHOSEN))


def test_a_source_about_other_data_is_refused(made, examples, linear):
    """A selection cannot be right where the whole is wrong."""
    _, data, store = made
    with pytest.raises(StoreMismatch, match="annotated over other data"):
        KnowledgeSubset(store, examples(seed=1), CHOSEN)
    with pytest.raises(StoreMismatch, match="about 300 examples and noise has 20"):
        KnowledgeSubset(LiveTeacher(linear(), data), examples(20), CHOSEN[:2])


def test_rows_that_are_not_there_or_twice_are_refused(made):
    """A negative row would be answered from the end."""
    _, data, store = made
    with pytest.raises(StoreError, match="example -1 is not in this selection of 4"):
        KnowledgeSubset(store, data, CHOSEN).read(torch.tensor([0, -1]))
    with pytest.raises(DataError, match="appears twice"):
        KnowledgeSubset(store, data, torch.tensor([1, 1]))
