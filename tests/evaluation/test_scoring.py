"""Every model's answers, in the data's order, without leaving a trace in the model."""

import numpy as np
import pytest
import torch
from torch import nn

from limbeck.errors import DataError, LimbeckError, TeacherError
from limbeck.evaluation import score
from limbeck.evaluation.scoring import labelled_rows
from limbeck.fitting import accuracy
from limbeck.students import Student
from limbeck.teachers import Ensemble, Teacher, TorchModule
from limbeck.transfer_sets import Arrays
from limbeck.types import Batch, Outputs


class Linear(Teacher):
    """A fixed linear map, which notes who is in memory."""

    fingerprint = "linear"
    in_memory: set[str] = set()  # noqa: RUF012

    def __init__(self, name: str, seed: int, classes: tuple[str, ...] | None = None) -> None:
        self.name, self.classes = name, classes
        draws = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(4, 3, generator=draws)
        self.most = 0

    def outputs(self, batch: Batch) -> Outputs:
        Linear.in_memory.add(self.name)
        self.most = max(self.most, len(Linear.in_memory))
        return Outputs(batch.inputs @ self.weight)

    def release(self) -> None:
        Linear.in_memory.discard(self.name)


class Answers(Teacher):
    """Answers what it was given."""

    name = "net"
    fingerprint = "answers"

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits

    def outputs(self, batch: Batch) -> Outputs:
        return Outputs(self.logits[batch.rows])


class Empty(Arrays):
    """A user's own transfer set may have nothing in it."""

    def __len__(self) -> int:
        return 0


def arrays(examples: int = 7, **settings: object) -> Arrays:
    inputs = np.random.default_rng(0).random((examples, 4), dtype=np.float32)
    labels = settings.pop("labels", np.arange(examples) % 3)
    return Arrays(inputs, labels, classes=["a", "b", "c"], name="wards.test", **settings)


def test_a_students_scores_are_its_log_softmax_in_batches_of_any_size() -> None:
    """The last, smaller batch left out, or raw logits taken for log-probabilities."""
    data = arrays()
    student = Student(nn.Linear(4, 3))
    logits = student.module(data.batch(torch.arange(7)).inputs).detach().double()
    expected = torch.log(torch.softmax(logits, dim=1))
    for size in (1, 3, 7, 100):
        found = score(student, data, batch_size=size)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_scoring_leaves_a_student_in_the_mode_and_with_the_buffers_it_had() -> None:
    """Batch-norm statistics that drift with the test part; a student left in evaluation mode."""
    student = Student(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)))
    student.module.train()
    student.module[1].eval()
    before = {name: value.clone() for name, value in student.module.state_dict().items()}
    score(student, arrays())
    assert [m.training for m in student.module.modules()] == [True, True, False]
    for name, value in student.module.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_teachers_classes_are_brought_into_the_datas_order() -> None:
    """Columns in another order: every accuracy is wrong and nothing looks broken."""
    data = arrays()
    plain = score(Linear("net", 0), data)
    turned = score(Linear("net", 0, classes=("c", "a", "b")), data)
    torch.testing.assert_close(turned, plain[:, [1, 2, 0]])


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
@pytest.mark.parametrize("weights", [None, [3.0, 1.0]])
def test_an_ensembles_scores_are_its_combined_probabilities(combine: str, weights) -> None:
    """The mean of logits in the place of the mean the ensemble was told to take."""
    data = arrays()
    members = [Linear("one", 1, ("a", "b", "c")), Linear("two", 2, ("b", "c", "a"))]
    found = score(Ensemble(members, combine=combine, weights=weights), data, batch_size=3)
    shares = [0.5, 0.5] if weights is None else [0.75, 0.25]
    inputs = data.batch(torch.arange(7)).inputs.double()
    parts = [
        torch.softmax(inputs @ m.weight.double(), dim=1)[:, order].numpy()
        for m, order in zip(members, ([0, 1, 2], [2, 0, 1]), strict=True)
    ]
    if combine == "arithmetic":
        expected = shares[0] * parts[0] + shares[1] * parts[1]
    else:
        expected = parts[0] ** shares[0] * parts[1] ** shares[1]
        expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.double().exp().numpy(), expected, rtol=1e-5)


def test_only_one_member_of_an_ensemble_is_in_memory() -> None:
    """Ten teachers that do not fit into memory together."""
    Linear.in_memory = set()
    members = [Linear(f"net-{i}", i) for i in range(4)]
    score(Ensemble(members), arrays(), batch_size=2)
    assert [m.most for m in members] == [1, 1, 1, 1]
    assert Linear.in_memory == set()


def test_progress_counts_the_examples_of_every_member() -> None:
    """A bar that is full after the first of ten members."""
    told: list[tuple[str, int, int]] = []
    members = [Linear("one", 1), Linear("two", 2)]
    score(Ensemble(members), arrays(), batch_size=4, progress=lambda *a: told.append(a))
    assert told == [("evaluate", done, 14) for done in (4, 7, 11, 14)]


def test_a_module_teacher_scores_as_its_module() -> None:
    """A teacher in training mode."""
    module = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    data = arrays()
    expected = module[0](data.batch(torch.arange(7)).inputs).log_softmax(dim=1)
    torch.testing.assert_close(score(TorchModule(module), data), expected.detach())


def test_an_impossible_class_is_allowed_but_not_a_row_of_them() -> None:
    """A tree's probability of 0 refused; a row without any probability let through as NaN."""
    logits = torch.zeros(7, 3)
    logits[2, 0] = -torch.inf
    assert torch.isneginf(score(Answers(logits), arrays())[2, 0])
    logits[2] = -torch.inf
    with pytest.raises(TeacherError, match=r"1 of 7 examples with NaN or infinity \(first: id"):
        score(Answers(logits), arrays())


def test_nan_of_a_teacher_is_refused_and_the_first_example_named() -> None:
    """NaN that counts as a wrong answer without a word."""
    logits = torch.zeros(7, 3)
    logits[4, 1] = torch.nan
    data = arrays(ids=list("tuvwxyz"))
    with pytest.raises(TeacherError, match=r"teacher 'net' .*first: id 'x'.*Check its weights"):
        score(Answers(logits), data)


def test_nan_of_a_student_is_refused() -> None:
    """A diverged student with an accuracy of one class's share."""
    student = Student(nn.Linear(4, 3))
    with torch.no_grad():
        student.module.bias.fill_(torch.nan)
    with pytest.raises(LimbeckError, match="the student scored 7 of 7 examples with NaN"):
        score(student, arrays())


def test_another_number_of_classes_is_refused() -> None:
    """Logits of ten classes against labels of three."""
    with pytest.raises(LimbeckError, match=r"the student scored \(7, 5\) .* needs \(7, 3\)"):
        score(Student(nn.Linear(4, 5)), arrays())
    with pytest.raises(TeacherError, match="Give the model the classes of the data"):
        score(Answers(torch.zeros(7, 4)), arrays())


def test_other_classes_are_refused() -> None:
    """A teacher of other classes whose columns happen to be as many."""
    with pytest.raises(TeacherError, match="not the same"):
        score(Linear("net", 0, classes=("a", "b", "d")), arrays())


def test_an_empty_set_is_refused() -> None:
    """An accuracy over nothing."""
    empty = Empty(np.zeros((1, 4)), classes=["a", "b", "c"], name="wards.none")
    with pytest.raises(DataError, match=r"wards.none is empty; there is nothing to score"):
        score(Student(nn.Linear(4, 3)), empty)
    with pytest.raises(DataError, match="there is nothing to measure on"):
        labelled_rows(empty)


def test_a_set_without_labels_is_refused() -> None:
    """Unlabelled rows, whose label is -1, counted as errors."""
    with pytest.raises(DataError, match="none of the 7 examples of wards.test has a label"):
        labelled_rows(arrays(labels=None))


def test_a_batch_size_below_one_is_refused() -> None:
    """A loop without end."""
    with pytest.raises(ValueError, match="batch_size is 0; it must be 1 or more"):
        score(Student(nn.Linear(4, 3)), arrays(), batch_size=0)


def test_large_examples_are_asked_about_in_small_batches() -> None:
    """A net that trains in batches of 32 photographs would run out of memory in validation."""
    seen: list[int] = []

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output = nn.Linear(1, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(len(images))
            return self.output(images.flatten(1)[:, :1])

    photographs = torch.zeros(70, 3, 224, 224, dtype=torch.uint8)
    data = Arrays(photographs, torch.zeros(70, dtype=torch.int64), classes=["a", "b", "c"])
    student = Student(Small())
    score(student, data)
    accuracy(student, data)
    assert seen == [16, 16, 16, 16, 6] * 2
    for shape, rows in (((28 * 28,), 1024), ((1, 28, 28), 167), ((3, 32, 32), 128)):
        assert Arrays(torch.zeros(1, *shape), classes=["a", "b", "c"]).rows_at_once == rows
