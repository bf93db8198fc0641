"""The teachers speak once."""

import os
import warnings

import jaxtyping
import numpy as np
import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import DataError, NoKnowledgeWarning, StoreError, StoreMismatch, TeacherError
from limbeck.store import KnowledgeStore
from limbeck.teachers import Ensemble
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets import Arrays
from limbeck.types import Outputs

CLASSES = ("a", "b", "c", "d")


class Known(Teacher):
    """Answers from a table, counting how often it is asked."""

    def __init__(self, logits, name="known"):
        self.name = name
        self.logits = torch.as_tensor(logits, dtype=torch.float32)
        self.asked = 0

    @property
    def fingerprint(self):
        return f"{self.name}{self.logits.sum():.6f}"

    def outputs(self, batch):
        self.asked += 1
        return Outputs(self.logits[batch.rows])


@pytest.fixture(autouse=True)
def unsynced(monkeypatch):
    """No test cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def data():
    inputs = np.arange(100, dtype=np.float32)[:, None]
    return Arrays(inputs, classes=CLASSES, ids=[f"e{i}" for i in range(100)], name="hundred")


@pytest.fixture
def logits():
    return 2 * torch.randn(100, 4, generator=torch.Generator().manual_seed(0))


def test_a_finished_store_is_reused_without_asking_the_teacher(data, logits, tmp_path):
    """Running a teacher twice for the same answers is what the store is there to avoid."""
    annotate(Known(logits), data, tmp_path / "s")
    before = (tmp_path / "s" / "manifest.json").stat().st_mtime_ns
    again = Known(logits)
    store = annotate(again, data, str(tmp_path / "s"), shard_rows=7, temperatures=(3.0,))
    assert again.asked == 0
    assert (tmp_path / "s" / "manifest.json").stat().st_mtime_ns == before
    assert isinstance(store, KnowledgeStore)


def test_another_mean_of_the_same_members_reuses_the_store(data, logits, tmp_path):
    """The mean is chosen when training; a request for another must get that other."""
    members = [Known(logits, "x"), Known(-logits, "y")]
    geometric = annotate(Ensemble(members, combine="geometric"), data, tmp_path / "s")
    teacher = Ensemble(members, combine="arithmetic", weights=[1.0, 3.0])
    asked = members[0].asked
    arithmetic = annotate(teacher, data, tmp_path / "s")
    assert members[0].asked == asked
    assert (geometric.combine, arithmetic.combine) == ("geometric", "arithmetic")
    rows = torch.arange(100)
    expected = teacher.knowledge(data.batch(rows)).log_probs(2.0)
    torch.testing.assert_close(arithmetic.read(rows).log_probs(2.0), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float32"}, "has dtype float16, not float32"),
        ({"top_k": 2}, "has top_k None, not 2"),
    ],
)
def test_a_store_of_another_request_is_never_overwritten(data, logits, tmp_path, options, message):
    """A student that expects one encoding must not get another."""
    annotate(Known(logits), data, tmp_path / "s")
    with pytest.raises(StoreMismatch, match=f"the store at .* {message}. Delete it, or annotate"):
        annotate(Known(logits), data, tmp_path / "s", **options)


def test_a_store_of_another_teacher_or_other_data_is_never_overwritten(data, logits, tmp_path):
    """Stale knowledge would be reused, or hours of it lost."""
    annotate(Known(logits), data, tmp_path / "s")
    with pytest.raises(StoreMismatch, match="'known' has other weights, configuration or prepro"):
        annotate(Known(logits + 1), data, tmp_path / "s")
    with pytest.raises(StoreMismatch, match="is about other data: hundred, 100 examples, where"):
        annotate(Known(logits), data.select(torch.arange(99)), tmp_path / "s")


def test_baked_combinations_are_part_of_the_request(data, logits, tmp_path):
    """A mix of one weighting is not the mix of another."""
    members = [Known(logits, "x"), Known(-logits, "y")]
    annotate(Ensemble(members, combine="geometric"), data, tmp_path / "s", keep="mix")
    other = Ensemble(members, combine="geometric", weights=[1.0, 2.0])
    with pytest.raises(StoreMismatch, match=r"has weights \(\), not \(0.33"):
        annotate(other, data, tmp_path / "s", keep="mix")


def test_one_hot_answers_warn_and_soft_ones_do_not(data, logits, tmp_path):
    """A teacher fitted on these rows teaches what their labels teach."""
    one_hot = torch.zeros(100, 4)
    one_hot[:98, 0] = 20
    message = r"98% of the soft targets put more than 0.999 on one class; .* fitted on these rows\?"
    for _ in range(2):
        with pytest.warns(NoKnowledgeWarning, match=message):
            annotate(Known(one_hot), data, tmp_path / "s")
    one_hot[97] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate(Known(one_hot), data, tmp_path / "97")


def test_opposite_one_hot_members_do_not_warn(data, tmp_path):
    """What counts is the combined soft target: members that disagree teach a lot."""
    a, b = torch.zeros(100, 4), torch.zeros(100, 4)
    a[:, 0], b[:, 1] = 20, 20
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        annotate(Ensemble([Known(a, "a"), Known(b, "b")]), data, tmp_path / "s")


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_answers_that_are_not_finite_are_refused_by_id(data, logits, tmp_path, bad):
    """One NaN in a store makes every student of it NaN."""
    logits[73, 2] = bad
    with pytest.raises(TeacherError, match=r"'known' gave logits that are NaN .* id 'e73'"):
        annotate(Known(logits), data, tmp_path / "s")


def test_finite_answers_whose_sum_is_not_are_stored(data, tmp_path):
    """Looking at the sum alone would refuse logits that are merely large."""
    huge = torch.full((100, 4), 3e38)
    huge[:, 0] = -3e38
    store = annotate(Known(huge), data, tmp_path / "s")
    assert store.read(torch.tensor([5])).logits.tolist() == [[[-60000, 0, 0, 0]]]


def test_hidden_features_too_large_for_float16_are_refused(data, logits, tmp_path):
    """Infinity in a feature makes the loss of every hint infinite."""

    class Loud(Known):
        hidden = ("x",)

        def outputs(self, batch):
            return Outputs(self.logits[batch.rows], {"x": 1e5 * batch.inputs})

    with pytest.raises(
        TeacherError, match=r"\(known.hidden.x\) exceed 65504.*hidden_dtype='float32"
    ):
        annotate(Loud(logits), data, tmp_path / "s")
    store = annotate(Loud(logits), data, tmp_path / "wide", hidden_dtype="float32")
    assert store.read(torch.tensor([99])).hidden["x"].item() == pytest.approx(99e5)


def test_another_number_of_classes_is_refused(data, logits, tmp_path):
    """Four columns against three classes would be read as something plausible."""
    with pytest.raises(
        TeacherError, match=r"scored \(100, 3\) .* has \(100, 4\). Give it a teacher"
    ):
        annotate(Known(logits[:, :3]), data, tmp_path / "s")


def test_encodings_that_cannot_be_had_are_refused(data, logits, tmp_path):
    """Each would otherwise surface as a wrong loss, or never."""
    teacher = Known(logits)
    mix = Ensemble([teacher, Known(logits, "b")], combine="arithmetic")
    for options, message in (
        ({"top_k": 5}, "top_k is 5, of 4 classes. Use 1 to 4"),
        ({"top_k": 0}, "top_k is 0, of 4 classes"),
        ({"top_k": 2, "temperatures": ()}, "needs at least one, each positive"),
        ({"top_k": 2, "temperatures": (1.0, -2.0)}, r"temperatures are \[1.0, -2.0\]"),
    ):
        with pytest.raises(StoreError, match=message):
            annotate(teacher, data, tmp_path / "s", **options)
    with pytest.raises(StoreError, match="only right at the temperature at which it was taken"):
        annotate(mix, data, tmp_path / "s", keep="mix")
    with pytest.raises(ValueError, match="batch_size is 0 and shard_rows is 8192"):
        annotate(teacher, data, tmp_path / "s", batch_size=0)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype is 'int8'. Use float16 or float32"),
        ({"hidden_dtype": "bfloat16"}, "hidden_dtype is 'bfloat16'. Use float16 or float32"),
        ({"keep": "all"}, "keep is 'all'. Use members or mix"),
    ],
)
def test_unknown_words_are_refused(data, logits, tmp_path, options, message):
    """A recipe's typing error must not become a default."""
    expected = (StoreError, jaxtyping.TypeCheckError)  # the latter where the type hook is on
    word = next(iter(options.values()))
    with pytest.raises(expected, match=f"{message}|'{word}'"):
        annotate(Known(logits), data, tmp_path / "s", **options)


def test_an_empty_transfer_set_is_refused(data, logits, tmp_path, monkeypatch):
    """A store of nothing would look finished."""
    monkeypatch.setattr(type(data), "__len__", lambda self: 0)
    with pytest.raises(DataError, match="hundred has no examples"):
        annotate(Known(logits), data, tmp_path / "s")


def test_a_folder_of_other_files_is_refused(data, logits, tmp_path):
    """A mistyped path must not fill a user's folder."""
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(StoreError, match="is not a knowledge store and not empty .*thesis.tex"):
        annotate(Known(logits), data, tmp_path)
    with pytest.raises(StoreError, match="a store cannot be written at .*thesis.tex"):
        annotate(Known(logits), data, tmp_path / "thesis.tex")


def test_progress_counts_rows_of_each_teacher(data, logits, tmp_path):
    """A bar that stops short, or starts anew, looks like a fault."""
    seen = []
    members = [Known(logits, "x"), Known(-logits, "y")]
    progress = lambda *told: seen.append(told)  # noqa: E731
    annotate(Ensemble(members), data, tmp_path / "s", batch_size=40, progress=progress)
    expected = [(f"annotate with {n}", d, 100) for n in "xy" for d in (40, 80, 100, 100)]
    assert seen == expected


def test_the_store_measures_what_encoding_cost(data, logits, tmp_path):
    """Other formats lose nats in the tail and nothing says so."""
    fidelity = annotate(Known(logits), data, tmp_path / "s").manifest.fidelity
    exact = logits.double().log_softmax(-1)
    stored = (logits - logits.amax(1, keepdim=True)).half().double().log_softmax(-1)
    kl = (exact.exp() * (exact - stored)).sum(1).numpy()
    assert np.quantile(kl, 0.5) * 0.9 < fidelity.kl_p50 < np.quantile(kl, 0.5) * 1.2
    assert np.quantile(kl, 0.99) * 0.9 < fidelity.kl_p99 < kl.max() * 1.2
    assert fidelity.argmax_agreement == 1.0
    float32 = annotate(Known(logits), data, tmp_path / "f", dtype="float32").manifest.fidelity
    assert float32.kl_p99 < 1e-12
