"""ONNX files as teachers, against the formula they were written from."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from jaxtyping import TypeCheckError
from onnx import TensorProto, helper, numpy_helper

from limbeck.errors import TeacherError
from limbeck.teachers import OnnxModel
from limbeck.types import Batch

WEIGHT = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
FLOAT = TensorProto.FLOAT

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""


def batch(count: int = 7) -> Batch:
    inputs = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Batch(torch.arange(count), inputs, torch.zeros(count, dtype=torch.int64))


def expected(count: int = 7) -> np.ndarray:
    return batch(count).inputs.flatten(1).double().numpy() @ WEIGHT.astype(np.float64)


def write(
    path: Path,
    *,
    shape: tuple[int | str, ...] = ("n", 64),
    softmax: bool = False,
    kind: int = FLOAT,
    classes: object = None,
    label: bool = False,
    zipmap: bool = False,
    inputs: int = 1,
    sum_rows: bool = False,
) -> Path:
    """A linear model; with more inputs or outputs than a teacher can use, where asked."""
    weight = WEIGHT.astype(helper.tensor_dtype_to_np_dtype(kind))
    nodes = [helper.make_node("Flatten", ["x"], ["flat"], axis=1)] if len(shape) > 2 else []
    name = "probabilities" if softmax else "logits" if label is False else "scores"
    source = "flat" if len(shape) > 2 else "x"
    nodes.append(helper.make_node("MatMul", [source, "w"], ["product" if softmax else name]))
    if softmax:
        nodes.append(helper.make_node("Softmax", ["product"], [name], axis=1))
    outputs = [helper.make_tensor_value_info(name, kind, [None, 3])]
    if label:
        nodes.append(helper.make_node("ArgMax", [name], ["label"], axis=1, keepdims=0))
        outputs.insert(0, helper.make_tensor_value_info("label", TensorProto.INT64, [None]))
    if zipmap:
        nodes.append(
            helper.make_node(
                "ZipMap", [name], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]
            )
        )
        mapped = helper.make_map_type_proto(
            TensorProto.INT64, helper.make_tensor_type_proto(FLOAT, [])
        )
        outputs[-1:] = [
            helper.make_value_info("maps", helper.make_sequence_type_proto(mapped)),
        ]
    if sum_rows:
        nodes.append(helper.make_node("ReduceSum", [name], ["sum"], keepdims=1))
        outputs = [helper.make_tensor_value_info("sum", kind, [None, None])]
    values = [helper.make_tensor_value_info("x", kind, list(shape))]
    values += [helper.make_tensor_value_info(f"x{i}", kind, [1]) for i in range(1, inputs)]
    for extra in range(1, inputs):
        nodes.append(helper.make_node("Identity", [f"x{extra}"], [f"y{extra}"]))
    graph = helper.make_graph(
        nodes, "linear", values, outputs, [numpy_helper.from_array(weight, "w")]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if classes is not None:
        model.metadata_props.add(key="limbeck.classes", value=json.dumps(classes))
    onnx.save(model, path)
    return path


def test_it_answers_as_the_formula_in_the_file(tmp_path: Path) -> None:
    """Flattened, as the model takes (examples, features)."""
    teacher = OnnxModel(write(tmp_path / "linear.onnx"))
    logits = teacher.outputs(batch()).logits
    assert logits.dtype is torch.float32
    np.testing.assert_allclose(logits.numpy(), expected(), rtol=1e-4, atol=1e-5)
    assert teacher.name == "linear"


def test_images_are_given_as_images(tmp_path: Path) -> None:
    """A convolutional network needs its axes."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", shape=("n", 1, 8, 8)))
    np.testing.assert_allclose(teacher.outputs(batch()).logits, expected(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 4, 7, 8])
def test_a_fixed_batch_size_is_met_by_filling_up(tmp_path: Path, count: int) -> None:
    """Many exported models have one, and the last batch seldom fits."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", shape=(4, 64)))
    np.testing.assert_allclose(
        teacher.outputs(batch(count)).logits, expected(count), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_float_types_are_converted(tmp_path: Path, kind: int) -> None:
    """Half-precision exports are common."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", kind=kind))
    logits = teacher.outputs(batch()).logits
    assert logits.dtype is torch.float32
    np.testing.assert_allclose(logits.numpy(), expected(), atol=0.05)


def test_probabilities_become_their_logarithm(tmp_path: Path) -> None:
    """As with predict_proba."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", softmax=True), output="probabilities")
    powers = np.exp(expected())
    found = teacher.outputs(batch()).logits.double().exp().numpy()
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-3, atol=2e-7)


def test_probabilities_that_are_taken_for_logits_are_refused(tmp_path: Path) -> None:
    """Their softmax is nearly uniform, and distilling it does nothing."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", softmax=True))
    with pytest.raises(TeacherError, match="answers with probabilities.*output='probabilities'"):
        teacher.outputs(batch())


def test_logits_that_are_taken_for_probabilities_are_refused(tmp_path: Path) -> None:
    """The logarithm of a logit is nonsense, and NaN only where it is negative."""
    teacher = OnnxModel(write(tmp_path / "m.onnx"), output="probabilities")
    with pytest.raises(TeacherError, match="sum to .* Leave out output='probabilities'"):
        teacher.outputs(batch())


def test_class_names_come_from_the_file_unless_given(tmp_path: Path) -> None:
    """limbeck's export writes them."""
    path = write(tmp_path / "m.onnx", classes=["a", "b", "c"])
    assert OnnxModel(path).classes == ("a", "b", "c")
    assert OnnxModel(path, classes=("x", "y", "z")).classes == ("x", "y", "z")
    assert OnnxModel(write(tmp_path / "n.onnx")).classes is None
    assert OnnxModel(write(tmp_path / "o.onnx", classes={"a": 1})).classes is None


def test_another_number_of_class_names_is_told(tmp_path: Path) -> None:
    """Names are what columns are put in order by."""
    teacher = OnnxModel(write(tmp_path / "m.onnx"), classes=("a", "b"))
    with pytest.raises(TeacherError, match="scored 3 classes and was given 2 class names"):
        teacher.outputs(batch())


def test_inputs_are_normalised_as_told(tmp_path: Path) -> None:
    """The graph may expect what its training code did beforehand."""
    teacher = OnnxModel(write(tmp_path / "m.onnx"), mean=[0.5], std=[0.25])
    normal = (batch().inputs.flatten(1).double().numpy() - 0.5) / 0.25
    np.testing.assert_allclose(
        teacher.outputs(batch()).logits, normal @ WEIGHT, rtol=1e-4, atol=1e-4
    )


def test_of_several_outputs_one_must_be_named(tmp_path: Path) -> None:
    """scikit-learn's converter writes labels first."""
    path = write(tmp_path / "m.onnx", label=True)
    message = r"has 2 outputs: label \(tensor\(int64\)\), scores \(tensor\(float\)\). Name the one"
    with pytest.raises(TeacherError, match=message):
        OnnxModel(path)
    teacher = OnnxModel(path, output_name="scores")
    np.testing.assert_allclose(teacher.outputs(batch()).logits, expected(), rtol=1e-4, atol=1e-5)
    with pytest.raises(TeacherError, match="has no output 'score'. It has: label .*, scores"):
        OnnxModel(path, output_name="score")
    with pytest.raises(TeacherError, match="output 'label' of .* is tensor.int64., not a tensor"):
        OnnxModel(path, output_name="label")


def test_an_output_called_logits_needs_no_name(tmp_path: Path) -> None:
    """It says what it is."""
    path = write(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Identity", ["logits"], ["copy"]))
    model.graph.output.insert(0, helper.make_tensor_value_info("copy", FLOAT, [None, 3]))
    onnx.save(model, path)
    assert OnnxModel(path).output_name == "logits"


def test_maps_of_scikit_learns_converter_are_told(tmp_path: Path) -> None:
    """A sequence of dictionaries is no tensor; the converter can be told not to."""
    path = write(tmp_path / "m.onnx", label=True, zipmap=True)
    with pytest.raises(TeacherError, match=r"'maps' of .* is seq.*options=\{'zipmap': False\}"):
        OnnxModel(path, output_name="maps")


def test_several_inputs_are_told(tmp_path: Path) -> None:
    """A transfer set has one."""
    with pytest.raises(TeacherError, match=r"has 2 inputs: x \(tensor\(float\)\), x1"):
        OnnxModel(write(tmp_path / "m.onnx", inputs=2))


def test_an_input_of_whole_numbers_is_told(tmp_path: Path) -> None:
    """Tokens are no floats."""
    values = [helper.make_tensor_value_info("x", TensorProto.INT64, ["n", 64])]
    outputs = [helper.make_tensor_value_info("y", FLOAT, ["n", 64])]
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=FLOAT)]
    graph = helper.make_graph(nodes, "g", values, outputs)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
    with pytest.raises(TeacherError, match=r"takes x \(tensor\(int64\)\). Export it with a float"):
        OnnxModel(tmp_path / "m.onnx")


def test_inputs_of_another_shape_are_told(tmp_path: Path) -> None:
    """Both shapes, in one sentence."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", shape=("n", 1, 4, 16)))
    message = r"failed on inputs of shape \(7, 1, 8, 8\): it takes \['n', 1, 4, 16\]"
    with pytest.raises(TeacherError, match=message):
        teacher.outputs(batch())


def test_an_answer_for_the_whole_batch_is_told(tmp_path: Path) -> None:
    """A loss or a mean in the graph is no row per example."""
    teacher = OnnxModel(write(tmp_path / "m.onnx", sum_rows=True))
    with pytest.raises(TeacherError, match=r"an answer of shape \(1, 1\) for 7 examples"):
        teacher.outputs(batch())


def test_a_missing_or_broken_file_is_told(tmp_path: Path) -> None:
    """onnxruntime's own errors are long."""
    with pytest.raises(TeacherError, match="gone.onnx cannot be read: No such file"):
        OnnxModel(tmp_path / "gone.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(TeacherError, match="bad.onnx is not an ONNX model that onnxruntime can"):
        OnnxModel(tmp_path / "bad.onnx")


def test_without_onnxruntime_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an optional library."""
    path = write(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(TeacherError, match=r"Install it: pip install 'limbeck\[onnx\]'"):
        OnnxModel(path)


def test_release_closes_the_session_and_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """Half a store from each of two files would look like one."""
    path = write(tmp_path / "m.onnx")
    teacher = OnnxModel(path)
    first = teacher.outputs(batch()).logits
    teacher.release()
    assert teacher.session is None
    assert torch.equal(teacher.outputs(batch()).logits, first)
    teacher.release()
    write(path, classes=["a", "b", "c"])
    with pytest.raises(TeacherError, match="m.onnx changed since it was first read"):
        teacher.outputs(batch())


def test_the_fingerprint_is_of_the_content_and_the_options(tmp_path: Path) -> None:
    """Not of the path or the name; but of whatever changes the answer."""
    path = write(tmp_path / "m.onnx")
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    same = OnnxModel(path).fingerprint
    assert OnnxModel(copy, name="other").fingerprint == same
    others = [
        OnnxModel(path, output="probabilities"),
        OnnxModel(path, mean=[0.5], std=[1.0]),
        OnnxModel(path, classes=("a", "b", "c")),
        OnnxModel(write(tmp_path / "o.onnx", shape=("m", 64))),
    ]
    assert len({same, *(teacher.fingerprint for teacher in others)}) == 5
    (tmp_path / "copy.onnx.data").write_bytes(b"weights beside")
    assert OnnxModel(copy).fingerprint != same


def test_an_unknown_kind_of_output_is_told(tmp_path: Path) -> None:
    """A typing error must not mean logits."""
    with pytest.raises(NOTICED, match="'logits' or 'probabilities'|Type-check error"):
        OnnxModel(tmp_path / "m.onnx", output="probability")  # type: ignore[arg-type]
