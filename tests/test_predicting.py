import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from limbeck import predicting
from limbeck.errors import DataError, LimbeckError
from limbeck.predicting import Predictions, predict

NAMES = ["cat", "dog", 'a "quoted", name']
WEIGHTS = np.random.default_rng(3).normal(size=(6, 3)).astype(np.float32)


def classifier(
    path: Path,
    *,
    batch: int | str = "batch",
    metadata: dict[str, object] | None = None,
    softmax: bool = False,
    kind: int = TensorProto.FLOAT,
    output: str = "logits",
) -> Path:
    """A (2, 3) -> 3 classes linear ONNX model, written without torch and without limbeck."""
    nodes = [
        helper.make_node("Cast", ["inputs"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["cast"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["scores" if softmax else output]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], [output], axis=-1))
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("inputs", kind, [batch, 2, 3])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(WEIGHTS, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    for key, value in (metadata or {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=f"limbeck.{key}", value=text)
    onnx.save(model, path)
    return path


OURS: dict[str, object] = {
    "classes": NAMES,
    "input_shape": [2, 3],
    "input_scale": {"uint8": 255},
    "version": "0.1.0",
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return classifier(tmp_path / "student.onnx", metadata=OURS)


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(11, 2, 3)).astype(np.float32)


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def chances(rows: np.ndarray) -> np.ndarray:
    """Softmax of the linear scores in float64, row by row."""
    result = []
    for row in rows.reshape(len(rows), 6).astype(np.float64):
        powers = [np.exp(row @ WEIGHTS[:, number].astype(np.float64)) for number in range(3)]
        result.append([power / sum(powers) for power in powers])
    return np.array(result)


@pytest.mark.parametrize("batch_size", [1, 4, 11, 1024])
def test_probabilities_and_names_are_right_at_any_batch_size(model, rows, tmp_path, batch_size):
    """Rows lost or doubled at the batches' edges, or names in another order."""
    result = predict(model, saved(tmp_path / "rows.npz", inputs=rows), batch_size=batch_size)
    expected = chances(rows)
    assert result.probabilities.dtype == np.float32
    np.testing.assert_allclose(result.probabilities, expected, atol=1e-6)
    assert result.labels == tuple(NAMES[number] for number in expected.argmax(1))
    assert result.classes == tuple(NAMES)
    assert len(result) == 11


def test_torch_is_never_imported(model, rows, tmp_path):
    """A deployment image that needs 2 GB of torch to run a 100 kB file."""
    rows_path = saved(tmp_path / "rows.npz", inputs=rows)
    code = (
        "import sys; from limbeck.predicting import predict; "
        f"print(len(predict({str(model)!r}, {str(rows_path)!r}))); "
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'torch', 'sklearn', 'onnx', 'pandas', 'altair'}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["11", "[]"], done.stderr
    assert done.stderr == ""


def test_bytes_are_scaled_as_the_metadata_say(model, tmp_path):
    """Pixels of 0 to 255 given to a student trained on 0 to 1: plausible nonsense."""
    pixels = np.random.default_rng(1).integers(0, 256, size=(5, 2, 3), dtype=np.uint8)
    result = predict(model, saved(tmp_path / "rows.npz", inputs=pixels))
    np.testing.assert_allclose(result.probabilities, chances(pixels / 255.0), atol=1e-6)


def test_numbers_other_than_bytes_are_taken_as_they_are(model, tmp_path):
    """A table of whole numbers divided by 255."""
    counts = np.random.default_rng(1).integers(-2, 3, size=(5, 2, 3))
    result = predict(model, saved(tmp_path / "rows.npz", inputs=counts))
    np.testing.assert_allclose(result.probabilities, chances(counts), atol=1e-6)


def test_an_array_alone_in_its_file_needs_no_name(model, rows, tmp_path):
    """A refusal over a name, where there is nothing to choose."""
    named = predict(model, saved(tmp_path / "a.npz", inputs=rows, labels=np.zeros(11)))
    alone = predict(model, saved(tmp_path / "b.npz", pixels=rows))
    np.save(tmp_path / "c.npy", rows)
    bare = predict(model, tmp_path / "c.npy")
    assert named.labels == alone.labels == bare.labels


def test_a_model_of_others_gives_class_numbers(rows, tmp_path):
    """Only limbeck's own files usable."""
    path = classifier(tmp_path / "other.onnx", output="scores_out")
    result = predict(path, saved(tmp_path / "rows.npz", inputs=rows))
    np.testing.assert_allclose(result.probabilities, chances(rows), atol=1e-6)
    assert result.classes == ("0", "1", "2")
    assert set(result.labels) <= {"0", "1", "2"}


def test_probabilities_of_others_are_not_softened_again(rows, tmp_path):
    """A softmax of a softmax: right labels, wrong confidences."""
    path = classifier(tmp_path / "other.onnx", softmax=True, output="probabilities")
    result = predict(path, saved(tmp_path / "rows.npz", inputs=rows))
    np.testing.assert_allclose(result.probabilities, chances(rows), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_model_with_a_fixed_batch_gets_it(rows, tmp_path, batch):
    """The last, smaller batch refused by the runtime, or its padding among the results."""
    path = classifier(tmp_path / "other.onnx", batch=batch)
    result = predict(path, saved(tmp_path / "rows.npz", inputs=rows))
    np.testing.assert_allclose(result.probabilities, chances(rows), atol=1e-6)


def test_a_model_that_reads_bytes_gets_bytes(tmp_path):
    """Bytes scaled for a model that scales them itself."""
    path = classifier(tmp_path / "other.onnx", kind=TensorProto.UINT8)
    pixels = np.random.default_rng(1).integers(0, 3, size=(5, 2, 3), dtype=np.uint8)
    result = predict(path, saved(tmp_path / "rows.npz", inputs=pixels))
    np.testing.assert_allclose(result.probabilities, chances(pixels), atol=1e-6)


def test_large_logits_do_not_overflow(model, tmp_path):
    """NaN probabilities for the surest rows."""
    result = predict(model, saved(tmp_path / "rows.npz", inputs=np.full((1, 2, 3), 1e4)))
    assert np.isfinite(result.probabilities).all()
    assert result.probabilities.sum() == pytest.approx(1)


def test_the_summary_and_the_csv(tmp_path):
    """Names with commas or quotes that break the columns."""
    numbers = np.array([[0.25, 0.5, 0.25], [0.9, 0.05, 0.05], [0.2, 0.7, 0.1]], dtype=np.float32)
    result = Predictions(("dog", "cat", "dog"), numbers, tuple(NAMES))
    assert str(result) == "3 rows: 2 dog, 1 cat"
    path = result.save(tmp_path / "predictions.csv")
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table[0] == ["row", "label", "probability", *NAMES]
    assert table[1] == ["0", "dog", "0.5", "0.25", "0.5", "0.25"]
    assert len(table) == 4
    with pytest.raises(LimbeckError, match="cannot be written"):
        result.save(tmp_path / "absent" / "predictions.csv")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 6)), r"has shape \(4, 6\) and .*student.onnx reads \(rows, 2, 3\)"),
        (np.zeros((2, 3)), r"For a single row, add the axis: inputs\[None\]"),
        (np.zeros((4, 3, 2)), r"reads \(rows, 2, 3\)"),
        (np.zeros((0, 2, 3)), "has no rows"),
        (np.array(["a", "b"]), "holds <U1; rows are numbers"),
        (np.zeros((1, 2, 3), dtype=np.complex64), "holds complex64"),
    ],
)
def test_rows_that_do_not_fit_are_refused(model, tmp_path, array, message):
    """Rows reshaped until something comes out."""
    with pytest.raises(DataError, match=message):
        predict(model, saved(tmp_path / "rows.npz", inputs=array))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_rows_are_refused(model, rows, tmp_path, value):
    """A label for a row that says nothing."""
    rows[7, 0, 1] = value
    with pytest.raises(DataError, match=r"NaN or infinite numbers in 1 rows \(first: row 7\)"):
        predict(model, saved(tmp_path / "rows.npz", inputs=rows))


def test_unscaled_bytes_for_a_model_of_others_are_refused(tmp_path):
    """A guess at another model's preprocessing."""
    path = classifier(tmp_path / "other.onnx")
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    with pytest.raises(DataError, match="does not say what bytes are divided by"):
        predict(path, saved(tmp_path / "rows.npz", inputs=pixels))


def test_several_arrays_without_inputs_are_refused(model, rows, tmp_path):
    """The wrong one of two arrays."""
    path = saved(tmp_path / "rows.npz", pixels=rows, labels=np.zeros(11))
    with pytest.raises(
        DataError, match=r"holds the arrays pixels, labels\. Call the rows 'inputs'"
    ):
        predict(model, path)


def test_unreadable_rows_are_refused(model, tmp_path):
    """A pickle executed, or zipfile's traceback."""
    with pytest.raises(DataError, match=r"no rows at .*absent\.npz"):
        predict(model, tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("not numbers")
    np.savez(tmp_path / "objects.npz", inputs=np.array([{}], dtype=object))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "objects.npz").read_bytes()[:-30])
    for name in ("text.npz", "objects.npz", "empty.npz", "cut.npz"):
        with pytest.raises(DataError, match=f"{name} is not a .npz or .npy file of numbers"):
            predict(model, tmp_path / name)


def test_a_file_that_is_no_model_is_refused(rows, tmp_path):
    """The runtime's own error, with its C++ source line."""
    rows_path = saved(tmp_path / "rows.npz", inputs=rows)
    with pytest.raises(LimbeckError, match=r"no model at .*absent\.onnx"):
        predict(tmp_path / "absent.onnx", rows_path)
    with pytest.raises(LimbeckError, match=r"rows\.npz is not an ONNX model"):
        predict(rows_path, rows_path)


def test_a_model_that_is_no_classifier_of_one_input_is_refused(rows, tmp_path):
    """Scores read from an output that is something else."""
    rows_path = saved(tmp_path / "rows.npz", inputs=rows)
    shape = ["batch", 2, 3]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc"]
    add = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["c"])], "g", values[:2], values[2:]
    )
    relu = helper.make_graph([helper.make_node("Relu", ["a"], ["c"])], "g", values[:1], values[2:])
    for name, graph in (("add", add), ("relu", relu)):
        opset = [helper.make_opsetid("", 18)]
        onnx.save(
            helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / f"{name}.onnx"
        )
    with pytest.raises(LimbeckError, match="has the inputs a, b; a model to predict with has one"):
        predict(tmp_path / "add.onnx", rows_path)
    with pytest.raises(LimbeckError, match="has no output of scores"):
        predict(tmp_path / "relu.onnx", rows_path)
    path = classifier(tmp_path / "integers.onnx", kind=TensorProto.INT64)
    with pytest.raises(LimbeckError, match=r"reads tensor\(int64\); a model to predict with"):
        predict(path, rows_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("classes", "{", "the limbeck metadata of .* is damaged"),
        ("classes", 5, "the limbeck metadata of .* is damaged"),
        ("input_scale", {"float": 1}, "the limbeck metadata of .* is damaged"),
        ("classes", ["a", "b"], "names 2 classes and answers with 3"),
    ],
)
def test_damaged_metadata_are_refused(rows, tmp_path, key, value, message):
    """Names shifted against the logits."""
    path = classifier(tmp_path / "student.onnx", metadata=OURS | {key: value})
    with pytest.raises(LimbeckError, match=message):
        predict(path, saved(tmp_path / "rows.npz", inputs=rows))


def test_answers_that_are_not_finite_are_refused(model, tmp_path):
    """NaN probabilities, whose argmax is the first class."""
    rows_path = saved(tmp_path / "rows.npz", inputs=np.full((1, 2, 3), 3e38, dtype=np.float32))
    with pytest.raises(LimbeckError, match="answers some rows with NaN or infinite scores"):
        predict(model, rows_path)


@pytest.mark.parametrize(("most", "sizes"), [(13, [2, 2, 2, 2, 2, 1]), (5, [1] * 11), (600, [11])])
def test_of_large_rows_fewer_go_at_a_time(model, rows, tmp_path, monkeypatch, most, sizes):
    """A thousand photographs at once are gigabytes of floats."""
    seen, run = [], predicting.run
    monkeypatch.setattr(predicting, "MOST_NUMBERS", most)
    monkeypatch.setattr(
        predicting,
        "run",
        lambda session, batch, *a: seen.append(len(batch)) or run(session, batch, *a),
    )
    result = predict(model, saved(tmp_path / "rows.npz", inputs=rows))
    assert seen == sizes
    np.testing.assert_allclose(result.probabilities, chances(rows), atol=1e-6)


def test_a_senseless_batch_size_is_refused(model, tmp_path):
    """An endless loop over batches of nothing."""
    with pytest.raises(ValueError, match="batch_size is 0; at least one row"):
        predict(model, tmp_path / "rows.npz", batch_size=0)


def test_a_missing_runtime_is_named(model, tmp_path, monkeypatch):
    """An ImportError's traceback where one line of pip helps."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LimbeckError, match=r"needs onnxruntime.*pip install 'limbeck\[onnx\]'"):
        predict(model, tmp_path / "rows.npz")
