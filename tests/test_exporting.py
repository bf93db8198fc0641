import copy
import json
import sys
import warnings
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import limbeck
from limbeck import exporting, parity
from limbeck.errors import LimbeckError
from limbeck.exporting import Export, export
from limbeck.students.student import Student
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import UNLABELLED, Batch


class Rows(TransferSet):
    """Just enough of a transfer set: inputs without labels."""

    def __init__(self, inputs: Tensor, classes: tuple[str, ...]) -> None:
        self.name = "rows"
        self.inputs = inputs
        self.classes = classes
        self.ids = [str(row) for row in range(len(inputs))]
        self.labels = torch.full((len(inputs),), UNLABELLED)
        self.groups = {}
        self.input_shape = tuple(inputs.shape[1:])

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Tensor, view: int = 0) -> Batch:
        return Batch(rows, self.inputs[rows], self.labels[rows], view)

    @property
    def fingerprint(self) -> str:
        return "rows"

    def checks(self) -> np.ndarray:
        return np.zeros(len(self), dtype=np.uint16)

    def select(self, rows: Tensor, name: str = "") -> TransferSet:
        return Rows(self.inputs[rows], self.classes)


NAMES = ("cat", "dog", "<b>é</b>")


def flat_net() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(36, 16),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(16, 3),
    )


def image_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(36, 3),
    )


def student_of(build, *, examples: int = 40) -> Student:
    """A student whose batch-norm statistics are not the initial ones."""
    student = Student(build)
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand(examples, 1, 6, 6, generator=generator)
    student.module.train()
    with torch.no_grad():
        for _ in range(3):
            student.module(inputs + 0.5)
    student.module.eval()
    student.classes, student.input_shape, student.probe = NAMES, (1, 6, 6), inputs
    return student


@pytest.fixture(scope="module")
def student() -> Student:
    return student_of(image_net)


@pytest.fixture(scope="module")
def exported(student: Student, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export(student, tmp_path_factory.mktemp("export") / "student.onnx")


@pytest.fixture(scope="module")
def written(student: Student) -> onnx.ModelProto:
    assert student.probe is not None
    return exporting.onnx_model(student.module, student.probe, None)


@pytest.fixture
def quick(written: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of `student` take what torch wrote once; what is done with it is all real."""

    def copied(module: nn.Module, rows: Tensor, _: None) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(written)
        return model

    monkeypatch.setattr(exporting, "onnx_model", copied)


def run(path: Path, inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"inputs": inputs})[0]


@pytest.mark.parametrize("build", [flat_net, image_net])
def test_the_file_answers_like_the_student_in_evaluation_mode(build, tmp_path):
    """Dropout active, or batch statistics of the batch, in the deployed file."""
    student = student_of(build)
    result = export(student, tmp_path / "student.onnx")
    inputs = torch.rand(17, 1, 6, 6)
    with torch.inference_mode():
        expected = student.module(inputs).numpy()
    assert np.abs(run(result.path, inputs.numpy()) - expected).max() < 1e-5
    assert result.largest_difference < 1e-5
    assert result.agreement == 1.0
    assert result.examples == 40


@pytest.mark.parametrize("size", [1, 2, 7, 300])
def test_any_batch_size_works(exported, student, size):
    """A batch size frozen to the example's, which fails only in production."""
    inputs = torch.rand(size, 1, 6, 6)
    answer = run(exported.path, inputs.numpy())
    with torch.inference_mode():
        assert np.abs(answer - student.module(inputs).numpy()).max() < 1e-5


def test_the_metadata_say_how_to_use_the_file(exported):
    """A deployed model whose class order or input shape nobody remembers."""
    model = onnx.load(exported.path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["limbeck.classes"]) == list(NAMES)
    assert json.loads(metadata["limbeck.input_shape"]) == [1, 6, 6]
    assert json.loads(metadata["limbeck.input_scale"]) == {"uint8": 255}
    assert metadata["limbeck.version"] == limbeck.__version__
    assert [value.name for value in model.graph.input] == ["inputs"]
    assert [value.name for value in model.graph.output] == ["logits"]


def test_it_is_one_file_that_names_nothing_of_this_machine(exported):
    """Weights in a second file that is lost on copying; stack traces with the user's folders."""
    assert [path.name for path in exported.path.parent.iterdir()] == ["student.onnx"]
    content = exported.path.read_bytes()
    assert b"site-packages" not in content
    assert b".py" not in content
    assert str(Path.home()).encode() not in content
    assert exported.bytes == len(content)


def test_exporting_twice_writes_the_same_bytes(student, exported, tmp_path):
    """A file that cannot be compared with the one deployed last week."""
    again = export(student, tmp_path / "again.onnx")
    assert again.path.read_bytes() == exported.path.read_bytes()


def test_the_student_is_left_as_it_was(tmp_path):
    """Training goes on in evaluation mode after an export in the middle of it."""
    student = student_of(image_net)
    student.module.train()
    student.module[1].eval()
    before = {name: value.clone() for name, value in student.module.state_dict().items()}
    export(student, tmp_path / "student.onnx")
    assert [part.training for part in student.module] == [True, False, True, True, True, True, True]
    assert student.module.training
    for name, value in student.module.state_dict().items():
        assert torch.equal(value, before[name])


def test_it_is_quiet(tmp_path, capfd):
    """The exporter's warnings about itself in the user's terminal, and filters changed for good."""
    filters = list(warnings.filters)
    export(student_of(flat_net), tmp_path / "student.onnx")
    assert warnings.filters == filters
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_a_result_reads_as_a_sentence_and_cannot_change(exported):
    """A figure without its unit or its n."""
    text = str(exported)
    assert text.startswith(f"{exported.path} (")
    assert "kB): on 40 real rows its logits differ from torch's by at most" in text
    assert text.endswith("the top class is the same on 100.00%.")
    with pytest.raises(FrozenInstanceError):
        exported.bytes = 0  # type: ignore[misc]


@pytest.mark.usefixtures("quick")
def test_real_rows_are_compared_up_to_ten_thousand(student, tmp_path):
    """Parity shown on a handful of easy rows, or an hour spent on all of a million."""
    result = export(student, tmp_path / "a.onnx", data=Rows(torch.rand(703, 1, 6, 6), NAMES))
    assert result.examples == 703
    many = Rows(torch.rand(10_500, 1, 6, 6), NAMES)
    assert export(student, tmp_path / "b.onnx", data=many).examples == 10_000


def test_of_a_large_student_fewer_rows_are_compared(student, tmp_path, monkeypatch):
    """Ten minutes of a transformer's forward passes that show what one minute does."""
    many = Rows(torch.rand(2_000, 1, 6, 6), NAMES)
    monkeypatch.setattr(exporting, "MOST_WORK", 1_500 * student.parameters_count())
    assert export(student, tmp_path / "a.onnx", data=many).examples == 1_500
    monkeypatch.setattr(exporting, "MOST_WORK", 1)
    assert export(student, tmp_path / "b.onnx", data=many).examples == 1_000


def test_the_batches_are_of_several_sizes_and_cover_every_row():
    """A comparison at one batch size only, or one that skips the last rows."""
    rows = torch.arange(1200).float().unsqueeze(1)
    parts = list(parity.batches(rows))
    assert [len(part) for part in parts] == [1, 3, 64, 512, 512, 108]
    assert torch.equal(torch.cat(parts), rows)
    assert [len(part) for part in parity.batches(rows[:2])] == [1, 1]
    assert [len(part) for part in parity.batches(rows[:1])] == [1]


def test_large_images_are_compared_few_at_a_time_and_not_ten_thousand(
    student, tmp_path, monkeypatch
):
    """Gigabytes of photographs, as floats, where a thousand show the same."""
    photographs = torch.zeros(1).expand(140, 3, 224, 224)
    assert [len(part) for part in parity.batches(photographs)] == [1, 3, 64, 64, 8]
    many = Rows(torch.rand(2_000, 1, 6, 6), NAMES)
    monkeypatch.setattr(exporting, "MOST_NUMBERS", 1_200 * 36)
    assert export(student, tmp_path / "a.onnx", data=many).examples == 1_200


@pytest.mark.usefixtures("quick")
def test_a_student_without_class_names_gets_those_of_the_data_or_numbers(student, tmp_path):
    """Labels that cannot be told apart in the deployed file."""
    student = copy.copy(student)
    student.classes = ()
    assert export(student, tmp_path / "a.onnx").classes == ("0", "1", "2")
    data = Rows(torch.rand(3, 1, 6, 6), NAMES)
    assert export(student, tmp_path / "b.onnx", data=data).classes == NAMES


def test_one_real_row_is_enough(tmp_path):
    """A batch of one taken for a constant of the model."""
    student = student_of(flat_net)
    result = export(student, tmp_path / "a.onnx", data=Rows(torch.rand(1, 1, 6, 6), NAMES))
    assert result.examples == 1
    assert "on 1 real row its" in str(result)


@pytest.mark.usefixtures("quick")
def test_a_file_that_answers_differently_is_refused_and_not_left(student, tmp_path, monkeypatch):
    """Deploying another model than the one that was measured; losing the good older file."""
    path = tmp_path / "student.onnx"
    path.write_bytes(b"older")
    true_model = exporting.onnx_model

    def shifted(module: nn.Module, rows: Tensor, _: None) -> onnx.ModelProto:
        model = true_model(module, rows, None)
        bias = next(value for value in model.graph.initializer if value.name == "6.bias")
        values = onnx.numpy_helper.to_array(bias) + np.float32(2e-4)
        bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
        return model

    monkeypatch.setattr(exporting, "onnx_model", shifted)
    with pytest.raises(LimbeckError, match=r"on 40 rows its logits differ by up to 2\.0e-04 \(tol"):
        export(student, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["student.onnx"]
    assert path.read_bytes() == b"older"
    assert export(student, path, tolerance=1e-3).largest_difference == pytest.approx(2e-4, rel=0.1)


def test_a_flipped_class_is_refused_but_not_a_tie(tmp_path, monkeypatch):
    """A wrong answer inside the tolerance; an exact tie that stops a good export."""
    rows = torch.zeros(2, 4)
    expected = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.99999, 0.0]])
    flipped = torch.tensor([[1.0, 0.0, 0.0], [0.99999, 1.0, 0.0]])
    monkeypatch.setattr(parity, "runtime_logits", lambda path, rows, padding: flipped)
    assert parity.measure(tmp_path, rows, expected, 1e-4) == (pytest.approx(1e-5, rel=0.1), 0.5)
    gap = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.99985, 0.0]])
    swapped = torch.tensor([[1.0, 0.0, 0.0], [0.99991, 0.99992, 0.0]])
    monkeypatch.setattr(parity, "runtime_logits", lambda path, rows, padding: swapped)
    with pytest.raises(LimbeckError, match="1 top classes differ"):
        parity.measure(tmp_path, rows, gap, 1e-4)


def test_nan_answers_of_the_file_never_pass(tmp_path, monkeypatch):
    """A comparison with NaN is False both ways, so a sloppy check lets it through."""
    broken = torch.full((2, 3), float("nan"))
    monkeypatch.setattr(parity, "runtime_logits", lambda path, rows, padding: broken)
    with pytest.raises(LimbeckError, match="differ by up to nan"):
        parity.measure(tmp_path, torch.zeros(2, 4), torch.eye(3)[:2], 1e-4)


class OneSize(nn.Module):
    """A forward that assumes the number of rows it was first called with."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        scores: Tensor = self.layer(inputs)
        return scores + 1 if inputs.sum().item() > 100 else scores


def plain(module: nn.Module) -> Student:
    student = Student(module)
    student.classes, student.input_shape, student.probe = NAMES, (4,), torch.rand(5, 4)
    return student


def test_a_forward_with_branches_on_values_is_refused(tmp_path):
    """One branch frozen into the file."""
    with pytest.raises(LimbeckError, match="torch cannot write this student as ONNX"):
        export(plain(OneSize()), tmp_path / "student.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_student_that_is_no_classifier_is_refused(tmp_path):
    """A logits output of another shape, which predict would misread."""
    with pytest.raises(LimbeckError, match=r"answers one row with shape \(1, 1, 3\)"):
        export(plain(nn.Sequential(nn.Linear(4, 3), nn.Unflatten(1, (1, 3)))), tmp_path / "a.onnx")


def test_other_class_counts_are_refused(tmp_path):
    """Names shifted against the logits."""
    student = plain(nn.Linear(4, 5))
    with pytest.raises(LimbeckError, match="answers with 5 logits and its data has 3 classes"):
        export(student, tmp_path / "a.onnx")


def test_rows_of_another_shape_are_refused(student, tmp_path):
    """Parity proved on data the student never sees."""
    with pytest.raises(LimbeckError, match=r"rows has inputs of shape \(1, 8, 8\)"):
        export(student, tmp_path / "a.onnx", data=Rows(torch.rand(3, 1, 8, 8), NAMES))


def test_no_rows_no_export(student, tmp_path):
    """An unchecked file that looks checked."""
    with pytest.raises(LimbeckError, match="no real rows of its own"):
        export(Student(flat_net), tmp_path / "a.onnx")
    with pytest.raises(LimbeckError, match="rows has no rows"):
        export(student, tmp_path / "a.onnx", data=Rows(torch.rand(0, 1, 6, 6), NAMES))


def test_a_student_that_answers_nan_is_refused(tmp_path):
    """A diverged student deployed."""
    student = plain(nn.Linear(4, 3))
    with torch.no_grad():
        student.module.bias[0] = float("nan")
    with pytest.raises(LimbeckError, match="NaN or infinite logits"):
        export(student, tmp_path / "a.onnx")


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("inf"), float("nan")])
def test_a_senseless_tolerance_is_refused(student, tmp_path, tolerance):
    """A check that cannot fail."""
    with pytest.raises(ValueError, match=r"tolerance is .*; a difference that passes is > 0"):
        export(student, tmp_path / "a.onnx", tolerance=tolerance)


@pytest.mark.usefixtures("quick")
def test_a_path_that_cannot_be_written_is_a_sentence(student, tmp_path):
    """A traceback at the end of a long run."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LimbeckError, match="cannot be written"):
        export(student, tmp_path / "file" / "student.onnx")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LimbeckError, match=r"folder cannot be written"):
        export(student, tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_weights_beyond_the_format_are_refused(tmp_path, monkeypatch):
    """A 2 GB protobuf that fails after minutes with an unreadable message."""
    monkeypatch.setattr(exporting, "LARGEST_FILE", 10)
    with pytest.raises(LimbeckError, match="an ONNX file holds 2 GB"):
        export(plain(nn.Linear(4, 3)), tmp_path / "a.onnx")


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    """An ImportError's traceback where one line of pip helps."""
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(LimbeckError, match=r"onnxscript is missing.*pip install 'limbeck\[onnx\]'"):
        export(plain(nn.Linear(4, 3)), tmp_path / "a.onnx")
