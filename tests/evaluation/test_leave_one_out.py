"""What each member of an ensemble adds, recomputed by hand from the members' own answers."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax

from limbeck.annotation import annotate
from limbeck.evaluation import leave_one_out
from limbeck.teachers import Ensemble, Teacher
from limbeck.transfer_sets import Arrays
from limbeck.types import Batch, Outputs

LOGITS = 2 * np.random.default_rng(0).normal(size=(3, 60, 4))
LABELS = np.where(np.arange(60) % 5 == 0, -1, np.arange(60) % 4)


class Table(Teacher):
    """Answers from a table."""

    fingerprint = ""

    def __init__(self, number: int) -> None:
        self.name = self.fingerprint = f"net-{number}"
        self.logits = torch.tensor(LOGITS[number], dtype=torch.float32)

    def outputs(self, batch: Batch) -> Outputs:
        return Outputs(self.logits[batch.rows])


@pytest.fixture
def data() -> Arrays:
    inputs = np.random.default_rng(1).random((60, 2), dtype=np.float32)
    return Arrays(inputs, LABELS, classes=list("abcd"), name="toy.train")


def geometric(members: list[int]) -> np.ndarray:
    return softmax(np.log(softmax(LOGITS[members], axis=-1)).mean(axis=0), axis=-1)


def test_each_row_is_the_ensemble_without_that_teacher(data: Arrays, tmp_path) -> None:
    """A member's own agreement in the place of the agreement of the others without it."""
    ensemble = Ensemble([Table(i) for i in range(3)], combine="geometric")
    store = annotate(ensemble, data, tmp_path / "store", dtype="float32")
    table = leave_one_out(store, data)
    together = geometric([0, 1, 2])
    known = LABELS >= 0
    assert [row.name for row in table] == ["net-0", "net-1", "net-2"]
    for i, row in enumerate(table):
        others = geometric([j for j in range(3) if j != i])
        same = together.argmax(axis=1) == others.argmax(axis=1)
        assert row.agreement == pytest.approx(same.mean())
        assert row.kl_nats == pytest.approx(rel_entr(together, others).sum(axis=1).mean(), rel=1e-4)
        change = [(p.argmax(axis=1) == LABELS)[known].mean() for p in (others, together)]
        assert row.accuracy_points == pytest.approx(100 * (change[0] - change[1]))
        assert (row.examples, row.labelled) == (60, int(known.sum()))


def test_from_a_top_k_store_the_rest_is_no_class(data: Arrays, tmp_path) -> None:
    """The column of the dropped classes taken for class number k.

    With one of four classes dropped, the rest is that class, and all but the hits are as dense.
    """
    ensemble = Ensemble([Table(i) for i in range(3)], combine="arithmetic")
    settings = {"dtype": "float32", "top_k": 3, "temperatures": (1.0,)}
    store = annotate(ensemble, data, tmp_path / "store", **settings)
    kept = store.read(torch.arange(60)).kept.numpy()
    probs = softmax(LOGITS, axis=-1)

    def accuracy(p: np.ndarray) -> float:
        best = p.argmax(axis=1)
        known = (best[:, None] == kept).any(axis=1)
        return ((best == LABELS) & known)[LABELS >= 0].mean()

    for i, row in enumerate(leave_one_out(store, data)):
        others = probs[[j for j in range(3) if j != i]].mean(axis=0)
        together = probs.mean(axis=0)
        same = together.argmax(axis=1) == others.argmax(axis=1)
        assert row.agreement == pytest.approx(same.mean())
        assert row.kl_nats == pytest.approx(rel_entr(together, others).sum(axis=1).mean(), rel=1e-4)
        assert row.accuracy_points == pytest.approx(100 * (accuracy(others) - accuracy(together)))


def test_without_labels_there_is_no_accuracy(tmp_path) -> None:
    """An accuracy over no examples."""
    inputs = np.random.default_rng(1).random((60, 2), dtype=np.float32)
    data = Arrays(inputs, classes=list("abcd"), name="toy.train")
    store = annotate(Ensemble([Table(0), Table(1)]), data, tmp_path / "store")
    assert [row.accuracy_points for row in leave_one_out(store, data)] == [None, None]


def test_a_single_teacher_and_a_stored_mix_have_no_table(data: Arrays, tmp_path) -> None:
    """An ensemble of none, or a mix taken apart that cannot be."""
    alone = annotate(Table(0), data, tmp_path / "alone")
    mix = annotate(Ensemble([Table(0), Table(1)]), data, tmp_path / "mix", keep="mix")
    assert leave_one_out(alone, data) == ()
    assert leave_one_out(mix, data) == ()
