from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import limbeck as lb
from limbeck.bias_correction import BiasCorrection, correct_bias
from limbeck.errors import LimbeckError, StoreError
from limbeck.evaluation import score
from limbeck.store import KnowledgeSubset
from limbeck.transfer_sets import Arrays, digits

CLASSES = ("a", "b", "c")


def linear(seed: int, offset: float = 0.0) -> nn.Sequential:
    weights = np.random.default_rng(seed).normal(0, 1, (3, 4))
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    with torch.no_grad():
        module[1].weight.copy_(torch.from_numpy(weights))
        module[1].bias.copy_(torch.tensor([offset, 0.0, 0.0]))
    return module


@pytest.fixture
def student() -> lb.Student:
    student = lb.Student(linear(0, offset=-4.0))
    student.classes = CLASSES
    return student


@pytest.fixture
def teacher() -> lb.TorchModule:
    return lb.TorchModule(linear(0), classes=CLASSES)


@pytest.fixture
def rows() -> Arrays:
    generator = np.random.default_rng(7)
    inputs = generator.normal(0, 1, (200, 4)).astype(np.float32)
    labels = torch.from_numpy(inputs) @ linear(0)[1].weight.detach().T
    return Arrays(inputs, labels.argmax(dim=1), classes=CLASSES, name="rows")


def frequency(model: lb.Student | lb.Teacher, rows: Arrays, number: int) -> float:
    """The mean probability of a class, in numpy's float64."""
    scores = score(model, rows).numpy().astype(np.float64)
    powers = np.exp(scores)
    return float(np.mean([row[number] / row.sum() for row in powers]))


@pytest.mark.parametrize("stored", [False, True])
def test_the_teachers_frequencies_give_back_a_bias_that_was_taken_away(
    student, teacher, rows, tmp_path: Path, stored
):
    """Prevents a correction by anything else than what separates student and teacher."""
    source = lb.annotate(teacher, rows, tmp_path / "store", dtype="float32") if stored else teacher
    found = correct_bias(student, ["a"], teacher=source, transfer_set=rows)
    assert found.by == "frequency"
    assert found.amounts == {"a": pytest.approx(4.0, abs=1e-4)}
    assert frequency(found.student, rows, 0) == pytest.approx(frequency(teacher, rows, 0), abs=1e-5)
    assert "Over 200 examples" in found.how


def test_a_subset_of_a_store_is_a_teacher_too(student, teacher, rows, tmp_path: Path):
    """Prevents annotating again what a store of all rows knows already."""
    store = lb.annotate(teacher, rows, tmp_path / "store", dtype="float32")
    part = KnowledgeSubset(store, rows, torch.arange(0, 200, 2))
    found = correct_bias(student, ["a"], teacher=part, transfer_set=part.transfer_set)
    assert found.amounts == {"a": pytest.approx(4.0, abs=1e-4)}


def test_labels_are_not_read_when_matching_frequencies(student, teacher, rows):
    """Prevents a use of labels where the caller may have none."""
    without = Arrays(rows.inputs, classes=CLASSES)
    found = correct_bias(student, ["a"], teacher=teacher, transfer_set=without)
    assert found.amounts == {"a": pytest.approx(4.0, abs=1e-4)}


def test_classes_can_share_an_amount_or_have_their_own(student, teacher, rows):
    """Prevents `common` from being ignored."""
    apart = correct_bias(student, ["a", "b"], teacher=teacher, transfer_set=rows)
    common = correct_bias(student, ["a", "b"], teacher=teacher, transfer_set=rows, common=True)
    assert apart.amounts == {"a": pytest.approx(4.0, abs=1e-3), "b": pytest.approx(0.0, abs=1e-3)}
    assert common.amounts["a"] == common.amounts["b"] > 0


def test_validation_rows_choose_what_is_right_most_often(student, rows):
    """Prevents a bias that lowers the accuracy it was chosen by."""
    found = correct_bias(student, ["a"], validation=rows)
    assert found.by == "accuracy"
    right = score(found.student, rows).argmax(dim=1) == rows.labels
    assert int(right.sum()) >= 199
    assert "accuracy rose the most" in found.how


def test_a_given_amount_is_added_to_that_class_alone(student, rows):
    """Prevents a shift of the wrong class, or of the student that was given."""
    before = student.module(rows.inputs).detach().clone()
    found = correct_bias(student, ["c", "a"], amount=[2.0, -1.0])
    assert isinstance(found, BiasCorrection)
    assert found.amounts == {"c": 2.0, "a": -1.0}
    expected = before + torch.tensor([-1.0, 0.0, 2.0])
    torch.testing.assert_close(found.student.module(rows.inputs), expected)
    torch.testing.assert_close(student.module(rows.inputs), before)


def test_one_amount_goes_to_every_class_named(student):
    """Prevents an amount that is taken for the first class only."""
    found = correct_bias(student, ["a", "b"], amount=-7.6)
    assert found.amounts == {"a": -7.6, "b": -7.6}


def test_a_corrected_student_is_saved_and_trained_on_from_its_weights(tmp_path: Path):
    """Prevents a correction that is lost on the way to the disk or in the next run."""
    data = digits()
    student = lb.students.mlp(64, [8], 10)
    run = lb.distill(student, None, data.train, lb.HardLabels(), epochs=1)
    found = correct_bias(run.student, ["3"], amount=5.0).student
    lb.students.save(found, tmp_path / "saved")
    again = lb.students.load(tmp_path / "saved")
    assert data.validation is not None
    torch.testing.assert_close(score(again, data.validation), score(found, data.validation))
    torch.testing.assert_close(found.fresh(1).module.output.bias, found.module.output.bias)


def test_exactly_one_way_is_needed(student, teacher, rows):
    """Prevents a silent choice between two ways."""
    with pytest.raises(LimbeckError, match="0 ways to choose the amount are given"):
        correct_bias(student, ["a"])
    with pytest.raises(LimbeckError, match="2 ways to choose the amount are given"):
        correct_bias(student, ["a"], validation=rows, amount=1.0)


def test_frequencies_need_both_a_teacher_and_rows(student, teacher, rows):
    """Prevents frequencies over nothing."""
    with pytest.raises(LimbeckError, match="teacher is given without transfer_set"):
        correct_bias(student, ["a"], teacher=teacher)
    with pytest.raises(LimbeckError, match="transfer_set is given without teacher"):
        correct_bias(student, ["a"], transfer_set=rows)


def test_an_unknown_class_is_named_with_the_known_ones(student):
    """Prevents a correction of no class at all."""
    with pytest.raises(LimbeckError, match="the student has no class '3'. Known classes: a, b, c"):
        correct_bias(student, ["3"], amount=1.0)


@pytest.mark.parametrize("classes", [[], ["a", "a"], ["a", "b", "c"]])
def test_some_but_not_all_classes_are_corrected(student, classes):
    """Prevents a constant on all logits, which changes nothing."""
    with pytest.raises(LimbeckError, match="at least one and not all"):
        correct_bias(student, classes, amount=1.0)


@pytest.mark.parametrize("amount", [float("nan"), [1.0], [1.0, float("inf")]])
def test_amounts_are_finite_and_one_for_each_class(student, amount):
    """Prevents a NaN in a bias, which would answer one class for ever."""
    with pytest.raises(LimbeckError, match="Give one finite number, or one for each"):
        correct_bias(student, ["a", "b"], amount=amount)


def test_a_student_without_class_names_needs_them(rows):
    """Prevents a guess of which column a name means."""
    with pytest.raises(LimbeckError, match="does not know its classes' names"):
        correct_bias(lb.Student(linear(0)), ["a"], amount=1.0)


def test_data_of_other_classes_is_refused(student, rows):
    """Prevents the bias of another column."""
    other = Arrays(rows.inputs, rows.labels, classes=("c", "b", "a"))
    with pytest.raises(LimbeckError, match="the same classes in the same order"):
        correct_bias(student, ["a"], validation=other)


def test_a_store_of_the_top_classes_is_refused(student, teacher, rows, tmp_path: Path):
    """Prevents a frequency that leaves out the examples in which a class was dropped."""
    store = lb.annotate(teacher, rows, tmp_path / "store", top_k=2)
    with pytest.raises(StoreError, match="keeps only the top classes"):
        correct_bias(student, ["a"], teacher=store, transfer_set=rows)


def test_a_store_about_other_examples_is_refused(student, teacher, rows, tmp_path: Path):
    """Prevents frequencies of other examples than the student's."""
    store = lb.annotate(teacher, rows, tmp_path / "store")
    with pytest.raises(StoreError):
        correct_bias(student, ["a"], teacher=store, transfer_set=rows.select(torch.arange(5)))


def test_a_class_the_teacher_never_gives_is_refused(student, rows):
    """Prevents an infinite amount."""
    sure = lb.TorchModule(linear(0, offset=-1e4), classes=CLASSES)
    with pytest.raises(LimbeckError, match="no finite amount matches 0 or 1"):
        correct_bias(student, ["a"], teacher=sure, transfer_set=rows)
