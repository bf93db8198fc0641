"""Reading back what was annotated, for every way of keeping it."""

import json

import jaxtyping
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.annotation import annotate
from limbeck.errors import StoreError
from limbeck.store import KnowledgeStore
from limbeck.store.places import Places
from limbeck.teachers import Ensemble
from limbeck.transfer_sets import Views
from limbeck.types import combine_log_probs

EVERY = torch.arange(300)


class Add:
    """A view of vectors: one random number added to each."""

    draws = 1

    def __call__(self, inputs, draws):
        return inputs + draws.to(inputs.dtype)


@pytest.fixture
def ensemble(linear):
    members = [linear("a", 1), linear("b", 2), linear("c", 3)]
    return lambda combine, weights=None: Ensemble(members, combine=combine, weights=weights)


@pytest.mark.parametrize("shard_rows", [65536, 64])
def test_reading_gives_what_the_teacher_says_to_the_right_row(
    linear, examples, tmp_path, shard_rows
):
    """A row that is off by one trains every student on its neighbour's answer."""
    data, teacher = examples(), linear()
    store = annotate(teacher, data, tmp_path / "s", dtype="float32", shard_rows=shard_rows)
    rows = torch.randperm(300, generator=torch.Generator().manual_seed(0))[:97]
    read = store.read(rows)
    expected = teacher.outputs(data.batch(rows)).logits.double()
    expected -= expected.amax(1, keepdim=True)
    assert read.logits.dtype == torch.float32
    torch.testing.assert_close(read.logits[0].double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shard_rows", [65536, 100])
def test_every_view_of_an_example_has_its_own_answer(linear, examples, tmp_path, shard_rows):
    """Answers about one view and pixels of another are the classic silent error of caches."""
    data, teacher = Views(Add(), count=3, seed=5).of(examples()), linear(hidden=("x",))
    store = annotate(teacher, data, tmp_path / "s", dtype="float32", shard_rows=shard_rows)
    rows = torch.tensor([299, 0, 17, 17, 150])
    for view in range(3):
        outputs, read = teacher.outputs(data.batch(rows, view)), store.read(rows, view)
        torch.testing.assert_close(read.log_probs(), outputs.logits.log_softmax(-1))
        torch.testing.assert_close(read.hidden["x"], outputs.hidden["x"], atol=5e-3, rtol=1e-3)
    assert store.hidden_shapes == {"x": (2, 3)}
    assert store.provides == {"logits", "hidden"}
    store.check(data, teacher)


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 5.0]])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_members_kept_apart_combine_as_the_ensemble_does(
    ensemble, examples, tmp_path, combine, weights, temperature
):
    """A mean that is taken before softening is another teacher's answer."""
    data, teacher = examples(), ensemble(combine, weights)
    store = annotate(teacher, data, tmp_path / "s", shard_rows=128)
    assert store.members == ("a", "b", "c")
    expected = teacher.knowledge(data.batch(EVERY)).log_probs(temperature).double()
    read = store.read(EVERY).log_probs(temperature).double()
    assert (expected.exp() * (expected - read)).sum(1).max() < 1e-5


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_stored_mix_is_the_geometric_mean_at_any_temperature(
    ensemble, examples, tmp_path, temperature
):
    """A mix of probabilities would be right at one temperature only."""
    data, teacher = examples(), ensemble("geometric", [1.0, 2.0, 5.0])
    store = annotate(teacher, data, tmp_path / "s", keep="mix", dtype="float32")
    expected = teacher.knowledge(data.batch(EVERY)).log_probs(temperature)
    torch.testing.assert_close(store.read(EVERY).log_probs(temperature), expected)
    assert store.members == ("mix",)


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_top_k_of_an_ensemble_lumps_the_mean_of_its_members(
    ensemble, examples, tmp_path, combine, temperature
):
    """The rest must be that of the mean: at T = 4 it is a third of the probability here."""
    data, teacher = examples(), ensemble(combine, [1.0, 2.0, 5.0])
    store = annotate(teacher, data, tmp_path / "s", top_k=4, dtype="float32", shard_rows=100)
    read = store.read(EVERY)
    told = read.log_probs(temperature).exp()
    whole = teacher.knowledge(data.batch(EVERY)).log_probs(temperature).exp()
    kept = whole.gather(1, read.kept)
    torch.testing.assert_close(told[:, :-1], kept, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(told[:, -1], 1 - kept.sum(1), atol=1e-5, rtol=1e-5)
    best = teacher.knowledge(data.batch(EVERY)).log_probs(1.0).topk(4).indices
    assert torch.equal(best.sort().values, read.kept.sort().values)
    assert store.temperatures == (1.0, 2.0, 4.0)
    mass = store.manifest.fidelity.mass_kept[store.temperatures.index(temperature)]
    assert mass == pytest.approx(kept.sum(1).double().mean().item(), abs=1e-6)


def test_a_temperature_that_was_not_annotated_is_refused(linear, examples, tmp_path):
    """Interpolating a rest that was never computed would be a silent guess."""
    store = annotate(linear(), examples(), tmp_path / "s", top_k=3, temperatures=(4.0, 1.0))
    with pytest.raises(ValueError, match=r"temperature 8.0 was not annotated .* \[1.0, 4.0\]"):
        store.read(EVERY).log_probs(8.0)


def test_keeping_all_classes_is_stored_dense(linear, examples, tmp_path):
    """A rest over no classes is -inf, and its gradient NaN."""
    store = annotate(linear(), examples(), tmp_path / "s", top_k=10)
    assert store.read(EVERY).kept is None
    assert store.temperatures is None


def test_weights_mean_and_members_are_chosen_when_training(ensemble, examples, tmp_path):
    """Leaving a teacher out must leave out its weight and features too."""
    data, teacher = examples(), ensemble("geometric", [1.0, 2.0, 5.0])
    store = annotate(teacher, data, tmp_path / "s", dtype="float32")
    logits = store.read(EVERY).logits.log_softmax(-1)
    chosen = store.combined("arithmetic", without=["b"])
    expected = combine_log_probs(logits[[0, 2]], "arithmetic", (1 / 6, 5 / 6))
    torch.testing.assert_close(chosen.read(EVERY).log_probs(), expected)
    assert chosen.members == ("a", "c")
    equal = store.combined(weights=[2.0, 2.0, 2.0]).read(EVERY).log_probs()
    torch.testing.assert_close(equal, combine_log_probs(logits, "geometric"))
    prints = {store.fingerprint, chosen.fingerprint, store.combined("arithmetic").fingerprint}
    assert len(prints) == 3
    assert store.combined().fingerprint == store.fingerprint


def test_choices_that_a_store_cannot_serve_are_refused(ensemble, examples, tmp_path):
    """A mix read as members, or a top-k of another mean, would train to a plausible loss."""
    data = examples()
    store = annotate(ensemble("geometric"), data, tmp_path / "s")
    with pytest.raises(StoreError, match="no member 'bb' to leave out"):
        store.combined(without=["bb"])
    with pytest.raises(StoreError, match="all members are left out"):
        store.combined(without=["a", "b", "c"])
    with pytest.raises(StoreError, match=r"weights \[1.0, 2.0\] do not fit 3 members"):
        store.combined(weights=[1.0, 2.0])
    with pytest.raises(StoreError, match=r"weights \[1.0, 2.0, -3.0\] do not fit"):
        store.combined(weights=[1.0, 2.0, -3.0])
    expected = (StoreError, jaxtyping.TypeCheckError)  # the latter where the type hook is on
    with pytest.raises(expected, match="combine is 'harmonic'. Use arithmetic or|'harmonic'"):
        store.combined("harmonic")
    mix = annotate(ensemble("geometric"), data, tmp_path / "mix", keep="mix")
    with pytest.raises(StoreError, match="keeps only the geometric mix"):
        mix.combined("arithmetic")
    top = annotate(ensemble("arithmetic"), data, tmp_path / "top", top_k=3)
    with pytest.raises(StoreError, match="were chosen for the arithmetic mean"):
        top.combined("geometric")


def test_hidden_features_of_an_ensemble_are_named_by_member(linear, examples, tmp_path):
    """Two members' 'x' under one name would overwrite each other."""
    members = [linear("a", 1, hidden=("x",)), linear("b", 2, hidden=("x", "y"))]
    for keep in ("members", "mix"):
        store = annotate(Ensemble(members), examples(), tmp_path / keep, keep=keep)
        assert set(store.hidden_shapes) == {"a.x", "b.x", "b.y"}
        assert set(store.read(EVERY).hidden) == {"a.x", "b.x", "b.y"}
    store = annotate(Ensemble(members), examples(), tmp_path / "members")
    assert set(store.combined(without=["b"]).hidden_shapes) == {"a.x"}


@pytest.mark.parametrize("keep", ["members", "mix"])
def test_a_small_store_is_copied_into_memory_and_reads_the_same(ensemble, examples, tmp_path, keep):
    """Read shard by shard at first, from one array once every shard has been seen."""
    store = annotate(ensemble("geometric"), examples(), tmp_path / "s", keep=keep, shard_rows=64)
    rows = torch.randperm(300, generator=torch.Generator().manual_seed(0))[:97]
    by_shards = store.read(rows)
    assert store.together is None
    assert torch.equal(store.read(rows).logits, by_shards.logits)
    assert store.together is not None
    assert store.together.shape == (300, len(store.members), 10)


@pytest.mark.parametrize("rows", [[0, 300], [-1]])
def test_rows_outside_the_store_are_refused(linear, examples, tmp_path, rows):
    """A negative row would be read from the end, as the answer about another example."""
    store = annotate(linear(), examples(), tmp_path / "s", shard_rows=64)
    with pytest.raises(StoreError, match=f"example {rows[-1]} is not in this store of 300"):
        store.read(torch.tensor(rows))
    with pytest.raises(StoreError, match="no view 1 in this store of 1"):
        store.read(torch.tensor([0]), 1)


@pytest.mark.parametrize("shard_rows", [65536, 64])
def test_an_empty_batch_reads_as_an_empty_batch(linear, examples, tmp_path, shard_rows):
    """The last, empty batch of a sampler must not crash a run."""
    store = annotate(linear(), examples(), tmp_path / "s", shard_rows=shard_rows)
    assert store.read(torch.arange(0)).logits.shape == (1, 0, 10)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 99), max_size=40), st.integers(1, 120))
def test_places_bring_every_row_back_to_where_it_was_asked_for(rows, shard_rows):
    """Sorting by shard without sorting back would shuffle answers within a batch."""
    places = Places(np.array(rows, dtype=np.int64), shard_rows)
    found = np.full(len(rows), -1)
    for shard, begin, end in places.groups:
        found[begin:end] = shard * shard_rows + places.positions[begin:end]
    assert found[places.back.numpy()].tolist() == rows


def test_shards_open_in_arrow_without_limbeck(linear, examples, tmp_path):
    """A store that only limbeck can read is a trap for its owner's data."""
    data = examples()
    annotate(linear(hidden=("x",)), data, tmp_path / "s", shard_rows=200)
    table = pa.ipc.open_file(str(tmp_path / "s" / "shard-00001.arrow")).read_all()
    assert table.column_names == ["check", "linear.logits", "linear.hidden.x"]
    assert table.schema.field("linear.logits").type.list_size == 10
    assert table["check"].to_numpy().tolist() == data.checks()[200:].tolist()
    assert table.schema.field("linear.hidden.x").metadata[b"shape"] == b"[2, 3]"


def test_fp16_of_100_classes_takes_at_most_2_percent_more_than_the_logits(
    linear, examples, tmp_path
):
    """Ids and row numbers in every row would cost more than the knowledge."""
    annotate(linear(classes=100), examples(60_000, classes=100), tmp_path / "s", batch_size=4096)
    files = [path for path in (tmp_path / "s").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 1.02 * 200 * 60_000


def test_describing_names_what_is_in_the_store(ensemble, examples, tmp_path):
    """`limbeck show` is how a user finds out what a folder holds."""
    store = annotate(ensemble("arithmetic"), examples(), tmp_path / "s", top_k=4)
    text = str(store)
    for part in ("300 examples", "a.values float16[4]", "kept by top 4 at T = 2", "arithmetic"):
        assert part in text


def test_a_missing_or_unfinished_store_is_told_apart(tmp_path):
    """'No such file' would not say what to do."""
    with pytest.raises(
        StoreError, match=r"no knowledge store at .*\(no manifest.json\). Write one"
    ):
        KnowledgeStore(tmp_path)
    (tmp_path / "journal.jsonl").write_text(json.dumps({}))
    with pytest.raises(StoreError, match="is not finished"):
        KnowledgeStore(tmp_path)
