"""Teachers from a path; what could run code is never read."""

import sys
from pathlib import Path

import joblib
import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
import xgboost
from jaxtyping import TypeCheckError
from onnx import TensorProto, helper
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

from limbeck.errors import TeacherError
from limbeck.fingerprint import module_digest
from limbeck.students import Student, cnn, mlp, save
from limbeck.teachers import Estimator, OnnxModel, Teacher, TorchModule
from limbeck.types import Batch

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice."""


def batch() -> Batch:
    inputs = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Batch(torch.arange(5), inputs, torch.zeros(5, dtype=torch.int64))


def saved(folder: Path, *, classes: tuple[str, ...] = ("a", "b", "c")) -> Student:
    student = cnn((1, 8, 8), [4], 3).fresh(3)
    student.module(torch.rand(9, 1, 8, 8))
    student.classes, student.hidden = classes, ("layer1",)
    save(student, folder)
    return student


def test_a_saved_student_becomes_a_teacher(tmp_path: Path) -> None:
    """A recipe trains its teachers and loads them again; they must be known again."""
    student = saved(tmp_path / "net.1")
    teacher = Teacher.load(tmp_path / "net.1")
    direct = TorchModule.from_student(student)
    assert isinstance(teacher, TorchModule)
    assert (teacher.name, teacher.classes, teacher.hidden) == ("net", ("a", "b", "c"), ("layer1",))
    assert torch.equal(teacher.outputs(batch()).logits, direct.outputs(batch()).logits)
    assert teacher.fingerprint == direct.fingerprint


def test_a_saved_student_is_read_when_needed_and_can_be_released(tmp_path: Path) -> None:
    """Ten loaded teachers must not be in memory at once."""
    saved(tmp_path)
    teacher = Teacher.load(tmp_path)
    assert isinstance(teacher, TorchModule)
    assert teacher.loaded is None
    first = teacher.outputs(batch()).logits
    teacher.release()
    assert teacher.loaded is None
    assert torch.equal(teacher.outputs(batch()).logits, first)


def test_a_student_answers_in_bfloat16_if_asked_and_is_another_teacher(tmp_path: Path) -> None:
    """Half the time of a transformer; a store of the one is not a store of the other."""
    saved(tmp_path)
    half, full = Teacher.load(tmp_path, precision="bfloat16"), Teacher.load(tmp_path)
    assert isinstance(half, TorchModule)
    assert next(half.module.parameters()).dtype is torch.bfloat16
    found, expected = half.outputs(batch()), full.outputs(batch())
    assert found.logits.dtype is found.hidden["layer1"].dtype is torch.float32
    assert torch.allclose(found.logits, expected.logits, atol=0.05)
    assert not torch.equal(found.logits, expected.logits)
    assert half.fingerprint != full.fingerprint


def test_a_precision_that_there_is_not_is_told(tmp_path: Path) -> None:
    """A typo; a precision for what has none."""
    saved(tmp_path / "net")
    with pytest.raises(NOTICED, match="it is 'float32' or 'bfloat16'|Type-check error"):
        Teacher.load(tmp_path / "net", precision="float16")  # type: ignore[arg-type]
    (tmp_path / "model.onnx").touch()
    with pytest.raises(TeacherError, match="Leave `precision` out"):
        Teacher.load(tmp_path / "model.onnx", precision="bfloat16")


def test_name_classes_and_layers_can_be_given(tmp_path: Path) -> None:
    """What the file says is only the default."""
    saved(tmp_path, classes=())
    assert Teacher.load(tmp_path).classes is None
    teacher = Teacher.load(tmp_path, name="big", classes=("x", "y", "z"), hidden=("block1",))
    assert (teacher.name, teacher.classes) == ("big", ("x", "y", "z"))
    assert tuple(teacher.outputs(batch()).hidden) == ("block1",)


def test_a_damaged_student_is_told_when_it_is_needed(tmp_path: Path) -> None:
    """Its checksum is checked each time it is read."""
    saved(tmp_path)
    teacher = Teacher.load(tmp_path)
    path = tmp_path / "student.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(TeacherError, match="student.safetensors is not the file"):
        teacher.outputs(batch())


def test_a_folder_without_a_student_is_told(tmp_path: Path) -> None:
    """A folder of checkpoints is a likely mistake."""
    with pytest.raises(TeacherError, match="no saved student at .*no student.json"):
        Teacher.load(tmp_path)


def test_a_student_that_limbeck_cannot_build_is_told_at_once(tmp_path: Path) -> None:
    """Not only when the first batch is scored."""
    save(Student(mlp(64, [4], 3).module), tmp_path)
    with pytest.raises(TeacherError, match=r"made from a module.*load\(.*module=...\)"):
        Teacher.load(tmp_path)


def test_an_onnx_file_is_loaded(tmp_path: Path) -> None:
    """By its ending."""
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["logits"])], "g", values, outputs)
    opsets = [helper.make_opsetid("", 17)]
    path = tmp_path / "my net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    teacher = Teacher.load(path)
    assert isinstance(teacher, OnnxModel)
    assert teacher.name == "my_net"


@pytest.mark.parametrize("ending", [".json", ".ubj"])
def test_an_xgboost_model_is_loaded_from_its_own_format(tmp_path: Path, ending: str) -> None:
    """Of which only trees and numbers are read."""
    inputs, labels = load_digits(return_X_y=True)
    inputs = (inputs / 16).astype(np.float32)
    model = xgboost.XGBClassifier(n_estimators=2, max_depth=2, n_jobs=1)
    model.fit(inputs[:200], labels[:200])
    path = tmp_path / f"trees{ending}"
    model.save_model(path)
    teacher = Teacher.load(path, classes=tuple("abcdefghij"))
    assert isinstance(teacher, Estimator)
    images = torch.from_numpy(inputs[200:205]).view(-1, 1, 8, 8)
    given = Batch(torch.arange(5), images, torch.zeros(5, dtype=torch.int64))
    found = teacher.outputs(given).logits.softmax(1).numpy()
    np.testing.assert_allclose(found, model.predict_proba(inputs[200:205]), atol=1e-6)
    assert (teacher.name, teacher.classes) == ("trees", tuple("abcdefghij"))


def test_a_json_file_that_is_no_xgboost_model_is_told(tmp_path: Path) -> None:
    """student.json itself is a likely mistake."""
    (tmp_path / "student.json").write_text('{"format": 1}')
    with pytest.raises(TeacherError, match="student.json is not an XGBoost model"):
        Teacher.load(tmp_path / "student.json")


def test_without_xgboost_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an optional library."""
    (tmp_path / "trees.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(TeacherError, match=r"Install it: pip install 'limbeck\[boosting\]'"):
        Teacher.load(tmp_path / "trees.json")


class Armed:
    """A pickle of this touches a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("ending", [".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin"])
def test_a_pickle_is_refused_and_never_read(tmp_path: Path, ending: str) -> None:
    """Reading one runs whatever its writer wanted."""
    path = tmp_path / f"model{ending}"
    joblib.dump(Armed(tmp_path / "ran"), path)
    with pytest.raises(TeacherError, match="is a pickle, which can run any code.*safetensors"):
        Teacher.load(path)
    assert not (tmp_path / "ran").exists()
    joblib.load(path)
    assert (tmp_path / "ran").exists(), "the trap works, so not springing it means something"


def test_weights_alone_need_a_function(tmp_path: Path) -> None:
    """They do not say which model they belong to."""
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(TeacherError, match=r"weights without their model.*TorchModule\(build, wei"):
        Teacher.load(path)


@pytest.mark.parametrize("name", ["model.tflite", "model"])
def test_another_kind_of_file_is_told(tmp_path: Path, name: str) -> None:
    """And which kinds there are."""
    (tmp_path / name).write_text("")
    with pytest.raises(TeacherError, match="is no kind of teacher that can be loaded. Give a fol"):
        Teacher.load(tmp_path / name)


def test_a_missing_path_is_told(tmp_path: Path) -> None:
    """Before its ending is looked at."""
    with pytest.raises(TeacherError, match="there is no teacher at .*gone.onnx. Correct the path"):
        Teacher.load(tmp_path / "gone.onnx")


def test_hidden_layers_of_what_is_no_module_are_told(tmp_path: Path) -> None:
    """An ONNX graph's inner values cannot be read by module path."""
    (tmp_path / "m.onnx").write_text("")
    with pytest.raises(TeacherError, match="hidden layers are read from torch modules only"):
        Teacher.load(tmp_path / "m.onnx", hidden=("layer1",))


def test_loading_leaves_a_saved_student_as_it_is(tmp_path: Path) -> None:
    """A teacher is never changed, on disk neither."""
    student = saved(tmp_path)
    before = (tmp_path / "student.safetensors").read_bytes()
    Teacher.load(tmp_path).outputs(batch())
    assert (tmp_path / "student.safetensors").read_bytes() == before
    assert module_digest(student.module)


def test_an_estimator_that_is_given_needs_no_file() -> None:
    """The way for scikit-learn, of which there is no safe file."""
    inputs, labels = load_digits(return_X_y=True)
    model = GaussianNB().fit((inputs / 16).astype(np.float32), labels)
    assert Estimator(model).outputs(batch()).logits.shape == (5, 10)
