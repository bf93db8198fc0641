"""One model on one test set: what is counted, what is left out, and the way through JSON."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss
from torch import nn

from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation import Evaluation, evaluate, score
from limbeck.evaluation.size import parameters_and_bytes
from limbeck.students import Student, mlp, save
from limbeck.teachers import Ensemble, OnnxModel, Teacher, TorchModule
from limbeck.transfer_sets import Arrays
from limbeck.types import Batch, Outputs

LABELS = np.array([0, 1, 2, -1, 0, 1, -1, 2, 2, 0])
KNOWN = np.flatnonzero(LABELS >= 0)


def wards(labels=LABELS, **settings) -> Arrays:
    inputs = np.random.default_rng(0).random((len(LABELS), 4), dtype=np.float32)
    return Arrays(inputs, labels, classes=["a", "b", "c"], name="wards.test", **settings)


def student() -> Student:
    return mlp(4, [5], 3).fresh(3)


def test_unlabelled_rows_are_left_out_and_counted() -> None:
    """Rows without a label counted as errors, or left out without a word."""
    data = wards()
    found = evaluate(student(), data, latency=False)
    probs = score(student(), data).exp().double().numpy()[KNOWN]
    probs /= probs.sum(axis=1, keepdims=True)
    labels = LABELS[KNOWN]
    assert (found.examples, found.unlabelled) == (8, 2)
    assert found.accuracy.estimate == pytest.approx(accuracy_score(labels, probs.argmax(axis=1)))
    assert found.nll_nats == pytest.approx(log_loss(labels, probs, labels=range(3)), rel=1e-6)
    macro_f1 = f1_score(labels, probs.argmax(axis=1), average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(macro_f1)
    assert [row.examples for row in found.per_class] == [3, 2, 3]
    assert (found.model, found.data) == ("student", "wards.test")
    assert found.latency == ()


def test_agreement_is_over_the_labelled_rows_of_the_teachers_scores() -> None:
    """The teacher's scores of all rows set against the student's of the labelled ones."""
    data, other = wards(), mlp(4, [5], 3).fresh(8)
    theirs = score(other, data)
    found = evaluate(student(), data, teacher_scores=theirs, latency=False)
    same = score(student(), data).argmax(dim=1) == theirs.argmax(dim=1)
    assert found.teacher_agreement == pytest.approx(same[KNOWN].double().mean().item())
    assert evaluate(student(), data, latency=False).teacher_agreement is None


def test_groups_are_those_of_the_labelled_rows() -> None:
    """A group's accuracy over other rows than the group's."""
    groups = {"ward": list("xxyyxxyyxy")}
    found = evaluate(student(), wards(groups=groups), latency=False)
    right = score(student(), wards()).argmax(dim=1).numpy() == LABELS
    for row in found.groups:
        rows = [i for i in KNOWN if groups["ward"][i] == row.value]
        assert row.examples == len(rows)
        assert row.accuracy == pytest.approx(right[rows].mean())
    assert [row.value for row in found.groups] == ["x", "y"]


def test_errors_are_counted_over_all_examples_or_those_of_a_class() -> None:
    """Unlabelled examples counted as errors, or a class's share taken for a number."""
    found = evaluate(student(), wards(), latency=False)
    wrong = (score(student(), wards()).argmax(dim=1).numpy() != LABELS)[KNOWN]
    assert found.errors() == wrong.sum() > 0
    for number, name in enumerate("abc"):
        assert found.errors(name) == wrong[LABELS[KNOWN] == number].sum()
    with pytest.raises(LimbeckError, match=r"wards.test has no class 'd'. Known classes: a, b, c"):
        found.errors("d")


def test_an_evaluation_survives_json() -> None:
    """Tuples that come back as lists, rows that come back as dictionaries."""
    data = wards(groups={"ward": list("xxyyxxyyxy")})
    found = evaluate(student(), data, teacher_scores=score(student(), data))
    again = Evaluation.from_dict(json.loads(json.dumps(found.as_dict())))
    assert again == found
    assert asdict(found) == found.as_dict()
    assert found.latency_at(1) == found.latency[0]
    assert found.latency_at(64) == found.latency[1]
    assert found.latency_at(3) is None


@pytest.mark.parametrize("facts", [{}, {"per_class": [{"nonsense": 1}]}])
def test_what_is_no_evaluation_is_refused(facts: dict[str, object]) -> None:
    """A KeyError for a file of another kind."""
    with pytest.raises(LimbeckError, match="this is no evaluation that limbeck wrote"):
        Evaluation.from_dict(facts)


def test_its_text_names_units_and_what_was_left_out() -> None:
    """A number without its unit, and an accuracy without its n."""
    text = str(evaluate(student(), wards(), teacher_scores=score(student(), wards())))
    assert "student on wards.test (8 examples, 2 without a label left out)" in text
    assert "NLL (nats)" in text
    assert "agreement with the teacher  100.00%" in text
    assert "95% interval" in text
    assert "latency at batch 64" in text


def test_a_set_without_labels_cannot_be_evaluated() -> None:
    """An accuracy of zero on unlabelled data."""
    with pytest.raises(DataError, match="has a label; measuring needs labels"):
        evaluate(student(), wards(labels=None))


def test_bytes_are_those_of_the_saved_file(tmp_path) -> None:
    """Parameters times four, which forgets buffers and the file's header."""
    model = Student(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    count, size = parameters_and_bytes(model)
    save(model, tmp_path)
    assert size == (tmp_path / "student.safetensors").stat().st_size
    assert count == 4 * 3 + 3 + 6


def test_the_size_of_an_ensemble_is_its_members_and_they_are_released() -> None:
    """Ten teachers in memory to count their weights."""
    built = []

    def build() -> nn.Module:
        built.append(nn.Linear(4, 3))
        return built[-1]

    state = {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}
    one = TorchModule(nn.Linear(4, 3), name="one")
    count, size = parameters_and_bytes(Ensemble([one, TorchModule(build, name="two")]))
    assert count == 30
    assert size == 2 * len(safetensors.torch.save(state))


def test_a_teacher_that_does_not_tell_its_size_has_none() -> None:
    """A size of 0 in the table, or the sum of those that happen to be known."""

    class Unknown(Teacher):
        name, fingerprint = "unknown", "unknown"

        def outputs(self, batch: Batch) -> Outputs:
            return Outputs(torch.zeros(len(batch), 3))

    assert parameters_and_bytes(Unknown()) == (None, None)
    assert parameters_and_bytes(Ensemble([Unknown(), TorchModule(nn.Linear(4, 3))])) == (None, None)


def test_the_size_of_an_onnx_teacher_is_its_file(tmp_path) -> None:
    """No size for the one kind of teacher that is a file."""
    onnx = pytest.importorskip("onnx", reason="needs limbeck[onnx]")
    pytest.importorskip("onnxruntime", reason="needs limbeck[onnx]")
    from onnx import TensorProto, helper

    kind, path = TensorProto.FLOAT, tmp_path / "net.onnx"
    ends = [helper.make_tensor_value_info(name, kind, ["batch", 3]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=opsets), path)
    assert parameters_and_bytes(OnnxModel(path)) == (None, path.stat().st_size)
