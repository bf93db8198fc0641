"""Hidden features per token, from a teacher into a store and back."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from limbeck.annotation import annotate
from limbeck.errors import LimbeckError, StoreError, StoreMismatch, TeacherError
from limbeck.objectives import HardLabels, Hints, Objective, SimilarityPreserving
from limbeck.store import KnowledgeStore, KnowledgeSubset, LiveTeacher, verify
from limbeck.store.choosing import projection
from limbeck.store.files import map_columns, write_columns
from limbeck.store.format import MANIFEST
from limbeck.store.manifest import load_manifest, manifest_bytes
from limbeck.students import mlp
from limbeck.teachers import Ensemble
from limbeck.teachers.teacher import Teacher
from limbeck.training import Training, distill
from limbeck.transfer_sets import Arrays, Views
from limbeck.types import Outputs

EXAMPLES, WIDTH = 60, 5
EVERY = torch.arange(EXAMPLES)


class Speaker(Teacher):
    """Token i of an example of input x says x + i in all columns; padding says NaN."""

    def __init__(self, name="speaker", *, hidden=("vectors", "maps", "pooled"), add=0.0):
        self.name, self.hidden, self.add = name, hidden, add
        self.asked = []

    @property
    def fingerprint(self):
        return self.name

    def outputs(self, batch):
        self.asked += batch.rows.tolist()
        counts = tokens_of(batch.rows)
        t = int(counts.max())
        vectors, maps = torch.full((len(counts), t, WIDTH), torch.nan), None
        maps = torch.full((len(counts), 2, t, t), torch.nan)
        for place, (count, x) in enumerate(zip(counts.tolist(), batch.inputs, strict=True)):
            vectors[place, :count] = vector(x, count) + self.add
            maps[place, :, :count, :count] = attention(x, count)
        said = {"vectors": vectors, "maps": maps, "pooled": batch.inputs[:, :3]}
        per_token = {n: counts for n in ("vectors", "maps") if n in self.hidden}
        logits = batch.inputs[:, :1] * torch.tensor([1.0, -1.0])
        return Outputs(logits, {n: said[n] for n in self.hidden}, per_token)


def tokens_of(rows):
    return (rows * 7) % 9 + 1


def vector(x, count):
    """(count, WIDTH)"""
    return x[0] + torch.arange(count)[:, None] * torch.linspace(1, 2, WIDTH)


def attention(x, count):
    """(2, count, count)"""
    i, j = torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij")
    return torch.stack([x[1] + i - j / 3, x[2] - i])


class Add:
    draws = 1

    def __call__(self, inputs, draws):
        return inputs + draws.to(inputs.dtype)


@pytest.fixture
def data():
    inputs = torch.randn(EXAMPLES, 4, generator=torch.Generator().manual_seed(0))
    labels = (inputs[:, 0] < 0).long()
    return Arrays(inputs, labels, classes=["no", "yes"], name="spoken")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rewritten(folder, shard, columns):
    """A shard with other columns and a manifest that fits them."""
    write_columns(folder / shard, columns)
    raw = (folder / shard).read_bytes()
    manifest = load_manifest(folder)
    shards = tuple(
        dataclasses.replace(s, bytes=len(raw), sha256=hashlib.sha256(raw).hexdigest())
        if s.file == shard
        else s
        for s in manifest.shards
    )
    (folder / MANIFEST).write_bytes(manifest_bytes(dataclasses.replace(manifest, shards=shards)))


@pytest.mark.parametrize("shard_rows", [65536, 16])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("hidden_dtype", ["float16", "float32"])
def test_each_example_gets_its_own_tokens_back(data, tmp_path, shard_rows, views, hidden_dtype):
    """A token that is read from its neighbour's text trains a student on noise."""
    data = Views(Add(), count=views, seed=3).of(data) if views > 1 else data
    store = annotate(
        Speaker(), data, tmp_path / "s", hidden_dtype=hidden_dtype, shard_rows=shard_rows
    )
    rows = torch.tensor([59, 0, 17, 17, 33, 8, 21])
    counts = tokens_of(rows)
    for view in range(views):
        read, inputs = store.read(rows, view), data.batch(rows, view).inputs
        assert read.lengths["vectors"].tolist() == read.lengths["maps"].tolist() == counts.tolist()
        assert read.hidden["vectors"].shape == (7, counts.max(), WIDTH)
        assert read.hidden["maps"].shape == (7, 2, counts.max(), counts.max())
        assert "pooled" not in read.lengths
        for place, count in enumerate(counts.tolist()):
            x = inputs[place]
            vectors, maps = read.hidden["vectors"][place], read.hidden["maps"][place]
            near = {"atol": 1e-5 if hidden_dtype == "float32" else 1e-2, "rtol": 1e-3}
            torch.testing.assert_close(vectors[:count], vector(x, count), **near)
            torch.testing.assert_close(maps[:, :count, :count], attention(x, count), **near)
            assert not vectors[count:].any()
            assert not maps[:, count:].any()
            assert not maps[:, :, count:].any()
            torch.testing.assert_close(read.hidden["pooled"][place], x[:3], **near)
    assert store.hidden_shapes == {"vectors": (-1, WIDTH), "maps": (2, -1, -1), "pooled": (3,)}


def test_padding_takes_no_place_on_disk(data, tmp_path):
    """IMDB's texts are 230 tokens in the mean and 512 at most: padding would double a store."""
    store = annotate(Speaker(hidden=("vectors",)), data, tmp_path / "s", shard_rows=32)
    tokens = int(tokens_of(EVERY).sum())
    columns = [map_columns(path) for path in sorted((tmp_path / "s").glob("*.arrow"))]
    items = sum(len(c["speaker.hidden.vectors"].items) for c in columns)
    assert items == tokens
    assert store.manifest.ragged[0].items == tokens
    assert store.manifest.ragged[0].longest == 9
    assert f"{tokens / EXAMPLES:.1f} per row, at most 9 tokens" in str(store)
    assert f"of which {tokens / EXAMPLES * WIDTH * 2 + 4 + 4:.10g} are knowledge" in str(store)


def test_the_format_has_version_2_only_where_something_varies(data, tmp_path):
    """A limbeck that knows version 1 alone must refuse what it cannot read, and nothing else."""
    assert annotate(Speaker(), data, tmp_path / "a").manifest.format_version == 2
    fixed = annotate(Speaker(hidden=("pooled",)), data, tmp_path / "b")
    first = annotate(Speaker(hidden=("vectors",)), data, tmp_path / "c", hidden_tokens=1)
    assert fixed.manifest.format_version == first.manifest.format_version == 1
    for new in ("hidden_tokens", "hidden_width", "projection_seed", "tokenizer"):
        assert new not in (tmp_path / "b" / MANIFEST).read_text()


def test_the_first_token_alone_is_a_feature_like_any_other(data, tmp_path):
    """[CLS] is what most students learn from; it takes t times less."""
    teacher = Speaker(hidden=("vectors", "pooled"))
    store = annotate(teacher, data, tmp_path / "s", hidden_tokens=1, hidden_dtype="float32")
    read = store.read(EVERY)
    assert read.lengths == {}
    assert store.hidden_shapes == {"vectors": (WIDTH,), "pooled": (3,)}
    expected = data.batch(EVERY).inputs[:, :1].expand(-1, WIDTH)
    torch.testing.assert_close(read.hidden["vectors"], expected)
    student = mlp(4, (8,), 2)
    layer = "layer1"
    objective = 0.1 * Hints("vectors", layer) + HardLabels()
    assert distill(student, store, data, objective, Training(epochs=1), seed=0).history
    assert verify(tmp_path / "s", teacher, data).ok


def test_the_first_tokens_are_kept_of_those_that_have_them(data, tmp_path):
    """A text that is shorter must not be filled up with padding."""
    teacher = Speaker(hidden=("vectors",))
    store = annotate(teacher, data, tmp_path / "s", hidden_tokens=4, shard_rows=10)
    read = store.read(EVERY)
    assert read.lengths["vectors"].tolist() == tokens_of(EVERY).clamp(max=4).tolist()
    inputs = data.batch(EVERY).inputs
    for place, count in enumerate(read.lengths["vectors"].tolist()):
        expected = vector(inputs[place], count)
        found = read.hidden["vectors"][place]
        torch.testing.assert_close(found[:count], expected, atol=1e-2, rtol=1e-3)
        assert not found[count:].any()
    assert "the first 4 of each example" in str(store)
    assert verify(tmp_path / "s", teacher, data).ok


@pytest.mark.parametrize("hidden_tokens", [None, 1])
def test_a_projection_keeps_what_its_seed_says(data, tmp_path, hidden_tokens):
    """Another matrix in the next version would make the store's columns meaningless."""
    teacher = Speaker(hidden=("vectors",))
    options = {"hidden_width": 2, "projection_seed": 5, "hidden_tokens": hidden_tokens}
    store = annotate(teacher, data, tmp_path / "s", hidden_dtype="float32", **options)
    q = reference_projection(WIDTH, 2, 5)
    read, inputs = store.read(EVERY).hidden["vectors"], data.batch(EVERY).inputs
    for place, count in enumerate(tokens_of(EVERY).tolist()):
        expected = vector(inputs[place], count).double().numpy() @ q
        found = read[place, :count] if hidden_tokens is None else read[place]
        wanted = expected if hidden_tokens is None else expected[0]
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)
    assert store.manifest.subject.projection_seed == 5
    assert '"projection_seed": 5' in (tmp_path / "s" / MANIFEST).read_text()
    assert "2, a random projection (seed 5)" in str(store)
    assert verify(tmp_path / "s", teacher, data).ok


def reference_projection(d, width, seed):
    """The docstring's definition in Python integers and floats."""
    key = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, "projection"))
    key = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little") >> 1
    mask = 2**64 - 1

    def uniform(row, number):
        z = ((row * 2**32 + number + 1) * 0x9E3779B97F4A7C15 & mask) ^ key
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return ((z ^ z >> 31) >> 11) * 2.0**-53

    def normal(row, column):
        u, v = uniform(row, column), uniform(row, width + column)
        return np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)

    matrix = np.array([[normal(i, j) for j in range(width)] for i in range(d)])
    columns = []
    for column in matrix.T:  # Gram and Schmidt
        for other in columns:
            column = column - (column @ other) * other
        columns.append(column / np.linalg.norm(column))
    return np.stack(columns, axis=1)


def test_a_projection_has_orthonormal_columns_and_keeps_lengths():
    """Distances must survive it, up to sqrt(w / d)."""
    q = projection(384, 64, 0).double()
    torch.testing.assert_close(q.T @ q, torch.eye(64, dtype=torch.float64), atol=1e-6, rtol=0)
    vectors = torch.randn(500, 384, generator=torch.Generator().manual_seed(1)).double()
    shrunk = (vectors @ q).norm(dim=1) / vectors.norm(dim=1)
    assert shrunk.mean().item() == pytest.approx((64 / 384) ** 0.5, rel=0.02)
    assert not torch.allclose(projection(384, 64, 0), projection(384, 64, 1))


def test_members_of_an_ensemble_keep_their_own_tokens(data, tmp_path):
    """Two teachers may cut one text into different tokens."""
    members = [Speaker("a"), Speaker("b", hidden=("vectors",), add=10.0)]
    store = annotate(Ensemble(members), data, tmp_path / "s", shard_rows=16, hidden_dtype="float32")
    read = store.read(EVERY[5:9])
    assert set(read.lengths) == {"a.vectors", "a.maps", "b.vectors"}
    inside = torch.arange(9) < read.lengths["a.vectors"][:, None]
    difference = (read.hidden["b.vectors"] - read.hidden["a.vectors"])[inside]
    torch.testing.assert_close(difference, torch.full_like(difference, 10.0))
    without = store.combined(without=["a"])
    assert set(without.read(EVERY[:2]).lengths) == {"b.vectors"}
    live = LiveTeacher(Ensemble(members), data)
    assert live.hidden_shapes == store.hidden_shapes
    said = live.read(EVERY[5:9])
    for layer, value in read.hidden.items():
        torch.testing.assert_close(said.hidden[layer], value)
    assert {n: v.tolist() for n, v in said.lengths.items()} == {
        n: v.tolist() for n, v in read.lengths.items()
    }


def test_parts_of_knowledge_keep_their_token_counts(data, tmp_path):
    """A batch that is cut for memory must know each example's length still."""
    store = annotate(Speaker(), data, tmp_path / "s")
    read = store.read(EVERY)
    part = read.part(torch.tensor([4, 2])).to("cpu")
    assert part.lengths["vectors"].tolist() == tokens_of(torch.tensor([4, 2])).tolist()
    subset = KnowledgeSubset(store, data, torch.tensor([9, 4]))
    assert subset.hidden_shapes == store.hidden_shapes
    again = subset.read(torch.tensor([1])).hidden["vectors"][0]
    torch.testing.assert_close(again, store.read(torch.tensor([4])).hidden["vectors"][0])


def test_an_interrupted_store_resumes_to_the_same_bytes(data, tmp_path):
    """Offsets of a shard that is redone must be those of an uninterrupted run."""

    class Interrupted(Exception):
        pass

    def interrupt(what, done, total):
        if done >= 40:
            raise Interrupted

    make = lambda: Ensemble([Speaker("a"), Speaker("b")])  # noqa: E731
    annotate(make(), data, tmp_path / "whole", shard_rows=8, batch_size=4)
    with pytest.raises(Interrupted):
        annotate(make(), data, tmp_path / "s", shard_rows=8, batch_size=4, progress=interrupt)
    resumed = make()
    annotate(resumed, data, tmp_path / "s", shard_rows=8, batch_size=4)
    assert content(tmp_path / "s") == content(tmp_path / "whole")
    assert sorted(set(resumed.members[0].asked)) == [0, *range(32, EXAMPLES)]


def test_a_teacher_that_says_something_else_is_found(data, tmp_path):
    """Neither another value nor another number of tokens may pass."""
    teacher = Speaker(hidden=("vectors", "maps"))
    annotate(teacher, data, tmp_path / "s", shard_rows=20)
    assert verify(tmp_path / "s", teacher, data).ok
    assert verify(tmp_path / "s", Speaker(hidden=("vectors",)), data).ok
    changed = verify(tmp_path / "s", Speaker(hidden=("vectors", "maps"), add=0.1), data)
    assert changed.differing == EXAMPLES
    outputs = teacher.outputs

    def shorter(batch):
        said = outputs(batch)
        counts = said.lengths["vectors"]
        fewer = torch.where(batch.rows == 5, counts - 1, counts)
        return Outputs(said.logits, said.hidden, dict(said.lengths, vectors=fewer))

    teacher.outputs = shorter
    assert verify(tmp_path / "s", teacher, data).differing == 1


@pytest.mark.parametrize("damage", ["shifted", "beyond"])
def test_offsets_that_were_damaged_do_not_become_knowledge(data, tmp_path, damage):
    """The manifest may fit the damage, if a tool rewrote both."""
    store = annotate(Speaker(hidden=("vectors",)), data, tmp_path / "s", shard_rows=30)
    columns = dict(map_columns(tmp_path / "s" / "shard-00001.arrow"))
    column = columns["speaker.hidden.vectors"]
    offsets = column.offsets.copy()
    offsets[3 if damage == "shifted" else -2] = 0 if damage == "shifted" else 2**20
    columns["speaker.hidden.vectors"] = dataclasses.replace(column, offsets=offsets)
    rewritten(tmp_path / "s", "shard-00001.arrow", columns)
    store = KnowledgeStore(tmp_path / "s")
    store.read(EVERY[:30])
    with pytest.raises(StoreError, match=r"shard-00001.arrow is not a shard .*offset"):
        store.read(EVERY)
    assert verify(tmp_path / "s").damaged == ("shard-00001.arrow",)


def test_a_manifest_and_its_columns_must_agree_on_what_varies(data, tmp_path):
    """A column of vectors that is taken for one of maps would be read askew."""
    annotate(Speaker(hidden=("vectors",)), data, tmp_path / "s")
    manifest = load_manifest(tmp_path / "s")
    field = manifest.fields[-1]
    for changes in (
        {"ragged": ()},
        {"format_version": 1},
        {"fields": (*manifest.fields[:-1], dataclasses.replace(field, shape=(-1, -1)))},
        {"fields": (*manifest.fields[:-1], dataclasses.replace(field, shape=(2, -1)))},
        {"fields": (*manifest.fields[:-1], dataclasses.replace(field, shape=(-1, 0)))},
    ):
        raw = manifest_bytes(dataclasses.replace(manifest, **changes))
        (tmp_path / "s" / MANIFEST).write_bytes(raw)
        with pytest.raises(StoreError, match=r"manifest.json is damaged: not understood"):
            KnowledgeStore(tmp_path / "s")
    other = dataclasses.replace(field, shape=(WIDTH, -1, -1))
    raw = manifest_bytes(dataclasses.replace(manifest, fields=(*manifest.fields[:-1], other)))
    (tmp_path / "s" / MANIFEST).write_bytes(raw)
    with pytest.raises(StoreError, match="other columns than the manifest says"):
        KnowledgeStore(tmp_path / "s").read(EVERY)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "has hidden_tokens 3, not all"),
        ({"hidden_tokens": 2, "hidden_width": 2}, "has hidden_tokens 3, not 2"),
        ({"hidden_tokens": 3}, "has hidden_width 2, not all"),
        (
            {"hidden_tokens": 3, "hidden_width": 2, "projection_seed": 1},
            "has projection_seed 0, not 1",
        ),
        (
            {"hidden_tokens": 3, "hidden_width": 2, "hidden_dtype": "float32"},
            "has hidden_dtype float16, not float32",
        ),
    ],
)
def test_a_store_of_other_tokens_is_not_taken_for_the_one_asked_for(
    data, tmp_path, wanted, message
):
    """Features that were projected otherwise look like any others."""
    teacher = Speaker(hidden=("vectors",))
    kept = {"hidden_tokens": 3, "hidden_width": 2}
    annotate(teacher, data, tmp_path / "s", **kept)
    annotate(teacher, data, tmp_path / "s", **kept)
    with pytest.raises(StoreMismatch, match=message):
        annotate(teacher, data, tmp_path / "s", **wanted)


@pytest.mark.parametrize(
    ("hidden", "options", "message"),
    [
        (("vectors",), {"hidden_tokens": 0}, "hidden_tokens is 0. Use 1 or more"),
        (("vectors",), {"hidden_width": 0}, "hidden_width is 0. Use 1 or more"),
        (("vectors",), {"hidden_width": 5}, "hidden_width is 5 and layer 'vectors' is 5 wide"),
        (("maps",), {"hidden_tokens": 2}, "'maps' gives attention maps, which are kept whole"),
        (("maps",), {"hidden_width": 1}, "'maps' gives attention maps, which are kept whole"),
        (("pooled",), {"hidden_tokens": 1}, r"hidden layers \(pooled\) answers per token"),
        ((), {"hidden_width": 1}, r"hidden layers \(none\) answers per token"),
    ],
)
def test_a_choice_that_cannot_be_had_ends_in_a_sentence(data, tmp_path, hidden, options, message):
    """Before the teacher has run for hours."""
    teacher = Speaker(hidden=hidden)
    with pytest.raises(StoreError, match=message):
        annotate(teacher, data, tmp_path / "s", **options)
    assert len(teacher.asked) <= 2


@pytest.mark.parametrize("fault", ["counts", "shape", "missing"])
def test_token_counts_that_do_not_fit_are_refused(data, tmp_path, fault):
    """Counts beyond the answer would make the store's offsets lie."""
    teacher = Speaker(hidden=("vectors",))
    outputs = teacher.outputs

    def wrong(batch):
        said = outputs(batch)
        counts = said.lengths["vectors"]
        counts = {"counts": counts + 1, "shape": counts, "missing": counts[:-1]}[fault]
        value = said.hidden["vectors"]
        value = value[:, :, :, None] if fault == "shape" else value
        return Outputs(said.logits, {"vectors": value}, {"vectors": counts})

    teacher.outputs = wrong
    message = r"teacher 'speaker' gave layer 'vectors' as \(1, |lengths"
    with pytest.raises((TeacherError, TypeCheckError), match=message):  # the type hook is first
        annotate(teacher, data, tmp_path / "s")


def test_nan_at_a_token_is_refused_and_nan_at_padding_is_not(data, tmp_path):
    """Attention to padding alone is 0 / 0, which concerns nobody."""
    annotate(Speaker(), data, tmp_path / "s")
    with pytest.raises(TeacherError, match="gave vectors that are NaN or infinite"):
        annotate(Speaker(add=float("nan")), data, tmp_path / "t")
    with pytest.raises(TeacherError, match=r"\(speaker.hidden.vectors\) exceed 65504"):
        annotate(Speaker(add=1e5), data, tmp_path / "u")


class TokenMean(Objective):
    """Draws a logit to the mean of a layer's tokens less the mean of their numbers, which is x."""

    needs = frozenset({"hidden"})
    teacher_layers = ("vectors",)

    def forward(self, student, teacher, labels):
        counts = teacher.lengths["vectors"]
        mean = teacher.hidden["vectors"][:, :, 0].sum(dim=1) / counts
        return (student.logits[:, 0] - (mean - (counts - 1) / 2)).square().mean()


def test_an_objective_reads_tokens_and_their_counts_while_a_student_trains(data, tmp_path):
    """Without the counts, padding would count as tokens."""
    store = annotate(Speaker(hidden=("vectors",)), data, tmp_path / "s", shard_rows=16)
    student = mlp(4, (16,), 2)
    run = distill(student, store, data, TokenMean(), Training(epochs=80, batch_size=16), seed=0)
    assert run.history.loss[-1] < 0.15  # padding counted as tokens leaves more than 1


@pytest.mark.parametrize("objective", [Hints("vectors", "x"), SimilarityPreserving("vectors", "x")])
def test_an_objective_of_fixed_shapes_refuses_a_layer_per_token(data, tmp_path, objective):
    """Flattened with its padding, a text's features would depend on the batch it is in."""
    store = annotate(Speaker(hidden=("vectors",)), data, tmp_path / "s")
    student = mlp(4, (8,), 2)
    layer = "layer1"
    objective = type(objective)("vectors", layer)
    with pytest.raises(LimbeckError, match=r"teacher's layer 'vectors' answers for each token"):
        distill(student, store, data, objective, Training(epochs=1), seed=0)
