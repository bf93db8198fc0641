"""The learning curve, on a teacher and students that train in milliseconds."""

import numpy as np
import pytest
import torch

import limbeck as lb
from limbeck import seeding
from limbeck.errors import LimbeckError
from limbeck.evaluation.curve import LearningCurve
from limbeck.learning_curves import learning_curve, top_class
from limbeck.together import train_together
from limbeck.transfer_sets import Arrays

SETTINGS = {"seeds": 2, "sizes": (0.1, 0.25, 0.5, 1.0), "device": "cpu"}
TRAINING = lb.Training(epochs=3, batch_size=32, optimizer=lb.AdamW(learning_rate=0.03))


@pytest.fixture
def data() -> Arrays:
    inputs = torch.randn((300, 6), generator=seeding.generator("curve"))
    labels = (inputs @ torch.linspace(-1, 1, 6) > 0).long()
    labels[::2] = -1
    return Arrays(inputs, labels, classes=["no", "yes"], name="noise")


@pytest.fixture
def store(data, tmp_path) -> lb.KnowledgeStore:
    module = torch.nn.Linear(6, 2)
    with torch.no_grad():
        module.weight.copy_(torch.stack([torch.linspace(1, -1, 6), torch.linspace(-1, 1, 6)]))
        module.bias.zero_()
    return lb.annotate(lb.TorchModule(module), data, tmp_path / "store")


@pytest.fixture
def curve(data, store) -> LearningCurve:
    return learning_curve(
        lb.students.mlp(6, [], 2), store, data, lb.SoftTargets(1.0), TRAINING, **SETTINGS
    )


def test_a_curve_has_every_size_and_carries_on_from_the_whole(curve):
    """Prevents an extrapolation that starts from the training part instead of all rows."""
    assert [point.examples for point in curve.points] == [24, 60, 120, 240]
    assert (curve.examples, curve.held_out) == (300, 60)
    assert all(len(point.risks) == 2 and len(point.accuracies) == 2 for point in curve.points)
    assert [multiple for multiple, _ in curve.ahead] == [2.0, 4.0]
    assert curve.now.estimate == pytest.approx(curve.law.at(300.0))
    assert curve.ahead[0][1].estimate == pytest.approx(curve.law.at(600.0))
    assert "60 held-out examples of noise" in curve.sentence


def test_risks_are_those_of_students_trained_by_hand(curve, data, store):
    """Prevents held-out rows in the training part, and answers of other rows."""
    order = seeding.permutation(300, "held out")
    judged, rest = order[:60].sort().values, order[60:]
    mine = rest[seeding.permutation(240, 1, "nested parts")][:60]
    assert not set(judged.tolist()) & set(mine.tolist())
    whole = store.read(torch.arange(300)).log_probs()
    answers = dict(zip(data.ids, whole, strict=True))
    live = lb.LiveTeacher(Recited(answers, data.select(mine)), data.select(mine))
    run = lb.distill(
        lb.students.mlp(6, [], 2), live, data.select(mine), lb.SoftTargets(1.0), TRAINING,
        epochs=12, seed=1, device="cpu",
    )  # fmt: skip
    run.student.module.eval()
    with torch.no_grad():
        said = run.student.module(data.batch(judged).inputs).argmax(dim=1)
    wrong = sum(int(s) != int(whole[r].argmax()) for s, r in zip(said, judged, strict=True))
    assert curve.points[1].risks[1] == pytest.approx(wrong / 60, abs=1.01 / 60)


class Recited(lb.Teacher):
    """Says what it was told about each id."""

    name = "recited"
    fingerprint = "recited"

    def __init__(self, answers, data):
        self.answers, self.data = answers, data

    def outputs(self, batch):
        rows = [self.answers[self.data.ids[row]] for row in batch.rows]
        return lb.Outputs(torch.stack(rows))


def test_the_largest_part_is_foretold_from_the_others(data, store):
    """A law is believed where it has been right; the largest part must not be in its own fit."""
    found = learning_curve(
        lb.students.mlp(6, [], 2), store, data, lb.SoftTargets(1.0), TRAINING,
        seeds=2, sizes=(0.1, 0.2, 0.3, 0.5, 1.0), device="cpu",
    )  # fmt: skip
    assert found.foretold is not None
    risks = [point.risk for point in found.points]
    assert found.foretold.estimate <= max(risks[:-1])
    short = learning_curve(
        lb.students.mlp(6, [], 2), store, data, lb.SoftTargets(1.0), TRAINING, **SETTINGS
    )
    assert short.foretold is None


def test_every_part_gets_as_many_updates_as_the_largest(data, store, monkeypatch):
    """A small part trained for fewer updates would make every curve look steep."""
    jobs = {}

    def recorded(runs, **settings):
        jobs.update({len(job.transfer_set): job for job, _ in runs})
        return train_together(runs, **settings)

    monkeypatch.setattr("limbeck.learning_curves.train_together", recorded)
    training = lb.Training(epochs=5, batch_size=50)
    learning_curve(
        lb.students.mlp(6, [], 2), store, data, lb.SoftTargets(1.0), training, **SETTINGS
    )
    assert list(jobs) == [24, 60, 120, 240]
    for size, job in jobs.items():
        assert job.updates == pytest.approx(25, abs=np.ceil(size / 50) / 2)


def test_the_top_class_of_a_top_k_store_is_that_of_the_dense_one(data, tmp_path):
    """The kept classes are numbered anew in every row."""
    inputs = torch.randn((50, 6), generator=seeding.generator("top"))
    wide = Arrays(inputs, classes="abcdefgh", name="wide")
    teacher = lb.TorchModule(torch.nn.Linear(6, 8))
    dense = lb.annotate(teacher, wide, tmp_path / "dense", dtype="float32")
    few = lb.annotate(teacher, wide, tmp_path / "few", top_k=3, temperatures=(2.0, 4.0))
    assert torch.equal(top_class(dense), top_class(few))


def test_without_labels_there_is_no_accuracy(data, store):
    """No label is needed; a missing one must not count as a mistake."""
    bare = data.relabelled(torch.full((300,), -1))
    found = learning_curve(
        lb.students.mlp(6, [], 2), store, bare, lb.SoftTargets(1.0), TRAINING, **SETTINGS
    )
    assert all(point.accuracies == () for point in found.points)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"sizes": (0.5, 1.0)}, "needs at least four shares of the rows"),
        ({"sizes": (0.5, 0.2, 0.7, 1.0)}, "ascending"),
        ({"sizes": (0.001, 0.0011, 0.5, 1.0)}, r"are parts of \[0, 0, 120, 240\] rows"),
        ({"seeds": 1}, "seeds is 1; the intervals need at least 2"),
        ({"held_out": 1.0}, "held_out is 1.0; it is a share above 0 and below 1"),
        ({"confidence": 95.0}, "confidence is 95.0; it is a share above 0 and below 1"),
        ({"multiples": (0.0,)}, r"multiples is \[0.0\]; name at least one, above 0"),
        ({"training": lb.Training(patience=3)}, "patience is 3, which stops by a validation part"),
    ],
)
def test_what_no_curve_can_be_drawn_from_is_refused(data, store, wrong, match):
    """Before any training: a curve takes long."""
    settings = {"training": TRAINING, **SETTINGS, **wrong}
    with pytest.raises(LimbeckError, match=match):
        learning_curve(lb.students.mlp(6, [], 2), store, data, lb.SoftTargets(1.0), **settings)
