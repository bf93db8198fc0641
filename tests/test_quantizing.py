"""INT8 students: what rounding costs, the gate in front of it, and the finishing that mends it."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import tokenizers
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from limbeck import quantizing
from limbeck.cli.main import main
from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation import in_turns as timing
from limbeck.exporting import Export, export
from limbeck.objectives import HardLabels, Hints, SoftTargets
from limbeck.predicting import predict
from limbeck.quantization import quantize_file
from limbeck.quantized_training import RoundedInput, RoundedWeight, about_answers, best_input
from limbeck.quantizing import Cost, calibration_rows, quantize
from limbeck.students import Student, cnn, mlp, text_cnn, text_gru
from limbeck.training import Run, Training, distill
from limbeck.transfer_sets import Splits, Texts, Tokenization, digits

WORDS = ("dull", "bright")
TEXTS = [f"a {'very ' * (i % 9)}{WORDS[i % 2]} film" for i in range(80)]
Made = Callable[[str], tuple[Run, Export]]
BUILD: dict[str, Callable[[], Student]] = {
    "mlp": lambda: mlp(64, [32, 16], 10),
    "cnn": lambda: cnn((1, 8, 8), [4], 10),
    "text cnn": lambda: text_cnn(7, 2, 8, embedding=8),
    "gru": lambda: text_gru(7, 2, 8, embedding=8),
}


@pytest.fixture(scope="module")
def data() -> Splits:
    return digits()


@pytest.fixture(scope="module")
def made(data: Splits, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Each student's run and its float file, made once."""
    kept: dict[str, tuple[Run, Export]] = {}
    labels = [i % 2 for i in range(len(TEXTS))]
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "a", "very", *WORDS, "film"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    texts = Texts(TEXTS, Tokenization(tokenizer, max_length=12), labels, classes=WORDS)

    def make(name: str) -> tuple[Run, Export]:
        if name not in kept:
            of_texts = name in ("text cnn", "gru")
            train, validation = (texts, texts) if of_texts else (data.train, data.validation)
            training = Training(epochs=4, batch_size=16)
            run = distill(BUILD[name](), None, train, HardLabels(), training, validation=validation)
            path = tmp_path_factory.mktemp("int8") / "student.onnx"
            kept[name] = run, export(run.student, path)
        return kept[name]

    return make


@pytest.fixture(scope="module")
def harmed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Export]:
    """An MLP with huge weights from a pixel that is always dark: they change no answer."""
    run, exported = made("mlp")
    student = copy.copy(run.student)
    student.module = copy.deepcopy(run.student.module)
    first = next(layer for layer in student.module.modules() if isinstance(layer, nn.Linear))
    with torch.no_grad():
        first.weight[:, 0] = 500.0
    model = onnx.load(exported.path)
    (stored,) = [each for each in model.graph.initializer if list(each.dims) == [32, 64]]
    stored.CopyFrom(numpy_helper.from_array(first.weight.detach().numpy(), stored.name))
    path = tmp_path_factory.mktemp("harmed") / "student.onnx"
    onnx.save(model, path)
    return replace(run, student=student), replace(exported, path=path)


def written(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> Path:
    """A model of six inputs, written without torch and without limbeck."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 6])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", None])],
        [numpy_helper.from_array(value.astype(np.float32), k) for k, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, path)
    return path


def weights_of(path: Path) -> dict[str, np.ndarray]:
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n == "text cnn" else []) for n in BUILD],
)
def test_students_of_every_kind_pass_and_are_smaller(made: Made, name: str) -> None:
    """A kind of student that ONNX Runtime's tool breaks, and nobody tried."""
    run, exported = made(name)
    found = quantize(run, exported, gate=2.0)
    assert found.path == exported.path.with_name("student.int8.onnx")
    assert found.cost.part == "validation"
    assert found.cost.points <= 2.0
    assert found.cost.agreement > 0.97
    assert found.updates == 0
    assert "(gate: 2 points)" in str(found)
    assert "gate:" not in str(replace(found, gate=100.0))
    assert (found.bytes, found.float_bytes) == (found.path.stat().st_size, exported.bytes)
    stored = {str(value.dtype) for value in weights_of(found.path).values() if value.ndim > 1}
    assert {"int8"} <= stored
    assert ("float32" in stored) == (name == "gru")  # which ONNX Runtime has no bytes for


@pytest.mark.parametrize("name", ["mlp", "gru"])
def test_predict_reads_both_files_and_the_cost_is_theirs(
    made: Made, data: Splits, tmp_path: Path, name: str
) -> None:
    """An INT8 file without class names, tokenizer or scale; figures of another file."""
    run, exported = made(name)
    found = quantize(run, exported, gate=2.0)
    validation = run.validation
    assert validation is not None
    batch = validation.batch(torch.arange(len(validation)))
    np.savez(tmp_path / "rows.npz", inputs=batch.inputs.numpy())
    given: dict[str, Any] = {"rows_path": tmp_path / "rows.npz"} if name == "mlp" else {}
    given = given or {"texts": list(batch.texts or ())}
    full, twin = (predict(path, **given) for path in (exported.path, found.path))
    truth = [full.classes[label] for label in batch.labels.tolist()]
    right, twin_right, same = (
        sum(a == b for a, b in zip(one, other, strict=True)) / len(truth)
        for one, other in ((full.labels, truth), (twin.labels, truth), (full.labels, twin.labels))
    )
    assert found.cost == Cost("validation", len(truth), right, twin_right, same)


def test_a_layer_answers_as_integers_say(tmp_path: Path) -> None:
    """Ranges from other rows than the given ones, or one range for all channels."""
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(3, 6)) * np.array([[1.0], [10.0], [0.1]])
    bias = generator.normal(size=3)
    x = generator.normal(size=(50, 6)).astype(np.float32)
    layer = helper.make_node("Gemm", ["inputs", "weight", "bias"], ["logits"], transB=1)
    path = written(tmp_path / "a.onnx", [layer], {"weight": weight, "bias": bias})
    quantize_file(path, tmp_path / "b.onnx", torch.from_numpy(x))
    step = (x.max() - x.min()) / 255
    zero = np.rint(-x.min() / step)
    bytes_of_rows = np.clip(np.rint(x / step) + zero, 0, 255)
    steps = np.abs(weight).max(axis=1, keepdims=True) / 127
    expected = (bytes_of_rows - zero) @ np.rint(weight / steps).T * (step * steps.T) + bias
    found = timing.session_of(tmp_path / "b.onnx").run(None, {"inputs": x})[0]
    scale = np.abs(expected).max(axis=0)
    assert (np.abs(found - expected).max(axis=0) < 2e-3 * scale).all()
    assert (np.abs(found - (x @ weight.T + bias)).max(axis=0) > 4e-3 * scale).all()


def test_the_logits_are_not_rounded(made: Made) -> None:
    """Ties between classes, which the first class wins: an answer lost on one row in a hundred."""
    run, exported = made("mlp")
    path = quantize(run, exported, gate=2.0).path
    nodes = onnx.load(path).graph.node
    (last,) = [node for node in nodes if "logits" in node.output]
    assert last.op_type == "Gemm"
    assert {node.op_type for node in nodes} == {
        "Gemm", "Reshape", "QuantizeLinear", "DequantizeLinear",
    }  # fmt: skip


def test_the_file_names_nothing_of_this_machine_and_is_the_same_again(made: Made) -> None:
    """A temporary folder's name in a deployed file; two files of one student that differ."""
    run, exported = made("mlp")
    content = quantize(run, exported, gate=2.0).path.read_bytes()
    assert b"/tmp" not in content
    facts = [
        {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        for path in (exported.path, exported.path.with_suffix(".int8.onnx"))
    ]
    assert facts[0] == facts[1]
    assert quantize(run, exported, gate=2.0).path.read_bytes() == content


def test_a_student_that_rounding_ruins_is_mended(harmed: tuple[Run, Export], data: Splits) -> None:
    """One outlier in a thousand weights, and INT8 answers at random."""
    run, exported = harmed
    found = quantize(run, exported, test=data.test, gate=3.0)
    assert found.plain.points > 30
    assert found.cost.points <= 3.0
    assert found.updates == 272  # 4 passes over 68 batches of 16
    assert found.test is not None
    assert found.test.points < 5.0
    text = str(found)
    assert f"Plain quantisation lost {found.plain.points:.2f} points; 272 updates" in text
    assert "599 test rows" in text
    first = next(layer for layer in run.student.module.modules() if isinstance(layer, nn.Linear))
    assert bool((first.weight[:, 0] == 500.0).all())  # the run's own student is left as it was


def test_a_student_that_fails_its_gate_leaves_no_file(
    harmed: tuple[Run, Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ruined file that is deployed because it is there; an older one, of another student."""
    run, exported = harmed
    twin = exported.path.with_suffix(".int8.onnx")
    twin.write_bytes(b"older")
    monkeypatch.setattr(quantizing, "finish", lambda run, rows, progress: (run.student, 7))
    monkeypatch.setattr(quantizing, "export", lambda student, path: exported)
    with pytest.raises(LimbeckError) as told:
        quantize(run, exported)
    text = str(told.value)
    assert "INT8 costs more than its gate of 0.2 points" in text
    assert "after 7 updates of finishing" in text
    assert "One of these 120 rows is 0.83 points" in text
    assert [path.name for path in twin.parent.iterdir()] == ["student.onnx"]


def test_the_gate_falls_back_to_test_rows_and_needs_labels(made: Made, data: Splits) -> None:
    """A gate that passes because it was measured on nothing, or on rows it was trained on."""
    run, exported = made("mlp")
    alone = replace(run, job=replace(run.job, validation=None))
    found = quantize(alone, exported, test=data.test, gate=2.0)
    assert found.cost.part == "test"
    assert found.cost == found.test
    assert str(found).count("test rows") == 1
    with pytest.raises(DataError, match="no labelled rows to measure what INT8 costs"):
        quantize(alone, exported)


def test_mistakes_are_told(made: Made, tmp_path: Path, data: Splits) -> None:
    """The twin of another student; a gate that lets everything pass, NaN."""
    run, exported = made("mlp")
    other, _ = made("cnn")
    with pytest.raises(LimbeckError, match="answers otherwise than the student of this run"):
        quantize(other, exported)
    with pytest.raises(LimbeckError, match=r"there is no .*gone.onnx. Export the student first"):
        quantize(run, replace(exported, path=tmp_path / "gone.onnx"))
    for gate in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"gate is .*; it is in points"):
            quantize(run, exported, gate=gate)
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(LimbeckError, match="ONNX Runtime cannot quantise"):
        quantize_file(tmp_path / "broken.onnx", tmp_path / "b.onnx", torch.rand(2, 1, 8, 8))


def test_a_student_without_a_product_is_refused(tmp_path: Path) -> None:
    """An INT8 file that is a copy of the float one."""
    path = written(tmp_path / "a.onnx", [helper.make_node("Softplus", ["inputs"], ["logits"])], {})
    with pytest.raises(LimbeckError, match="nothing that ONNX Runtime can quantise"):
        quantize_file(path, tmp_path / "b.onnx", torch.rand(4, 6))


def test_ranges_come_from_the_whole_transfer_set(made: Made) -> None:
    """Ranges of the first rows, which of data sorted by class are of one class."""
    run, _ = made("mlp")
    rows = calibration_rows(run.student, run.transfer_set)
    assert len(rows) == 1000
    ends = run.transfer_set.batch(torch.tensor([0, len(run.transfer_set) - 1])).inputs
    assert torch.equal(rows[[0, -1]], ends)


def test_rounding_while_training_is_rounding_to_steps() -> None:
    """A student that learns to live with another rounding than the file's."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 7, generator=generator, dtype=torch.float64).float()
    limits = weight.abs().amax(dim=1) / 2
    found = RoundedWeight(limits)(weight)
    step = limits.numpy()[:, None] / 127
    expected = np.clip(np.rint(weight.numpy() / step), -127, 127) * step
    assert np.abs(found.numpy() - expected).max() < 1e-5
    values = torch.linspace(-3, 3, 101)
    rounded = RoundedInput(-1.0, 2.0)
    step = 3 / 255
    expected = (np.clip(np.rint(values.numpy() / step) + 85, 0, 255) - 85) * step
    assert np.abs(rounded(values).numpy() - expected).max() < 1e-5
    rounded.rounds = False
    assert torch.equal(rounded(values), values.clamp(-1, 2))


def test_gradients_pass_through_the_rounding_but_not_where_it_cuts() -> None:
    """A student that cannot learn, since the rounding's own gradient is 0."""
    values = torch.tensor([-2.0, 0.3, 1.0, 5.0], requires_grad=True)
    RoundedInput(-1.0, 2.0)(values).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_the_range_is_the_one_that_changes_the_layer_least() -> None:
    """An outlier that is worth nothing to the layer and takes all the steps."""
    layer = nn.Linear(3, 2, bias=False)
    inputs = torch.rand(64, 3)
    inputs[0, 2] = 1000.0
    with torch.no_grad():
        layer.weight[:, 2] = 1e-6
        found = best_input(layer, inputs)
        assert found is not None
        assert found.high < 2.0
        layer.weight[:, 2] = 1.0
        wide = best_input(layer, inputs)
    assert wide is not None
    assert wide.high == 1000.0
    assert best_input(nn.Embedding(3, 2), torch.tensor([[1, 2]])) is None


def test_the_finishing_has_no_terms_about_layers(made: Made) -> None:
    """Layers that match hidden features, random again, that pull the student elsewhere."""
    run, _ = made("mlp")
    hints = Hints(teacher_layer="a", student_layer="b")
    both = replace(run, job=replace(run.job, objective=0.5 * SoftTargets(2.0) + 0.5 * hints))
    assert about_answers(both).terms == ((0.5, SoftTargets(2.0)),)
    only = replace(run, job=replace(run.job, objective=hints))
    assert about_answers(only) == HardLabels()


def test_the_two_files_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ratio that says when another program ran."""
    calls: list[str] = []

    class Session:
        def __init__(self, path: Path) -> None:
            self.name = path.name

        def run(self, *_: object) -> None:
            calls.append(self.name)

    monkeypatch.setattr(timing, "session_of", Session)
    found = timing.in_turns(Path("a"), Path("b"), np.zeros((1, 2)), runs=20)
    assert calls == ["a", "b"] * (20 + timing.WARM_UP)
    assert found.runs == 20
    assert found.ratio == found.second_p50_ms / found.first_p50_ms


def test_a_cost_reads_as_a_sentence() -> None:
    """A loss whose sign has to be guessed."""
    assert str(Cost("test", 1000, 0.9, 0.889, 0.97)) == (
        "1.10 points of accuracy lost on 1,000 test rows (90.00% to 88.90%), 97.00% with the "
        "float student's class"
    )
    assert str(Cost("test", 1000, 0.9, 0.9, 1.0)).startswith("0.00 points of accuracy lost")


def test_the_command_writes_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A gate that is asked for and not looked at."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(
        "name: small\ndata: digits\nstudent: {mlp: {hidden: [16]}}\nobjective: hard_labels\n"
        "training: {epochs: 3}\n"
    )
    assert main(["export", "small.yaml", "--gate", "1"]) == 2
    assert "--gate is what INT8 may lose, and there is no --int8" in capsys.readouterr().err
    assert main(["export", "small.yaml", "--int8", "--gate", "5"]) == 0
    printed = capsys.readouterr().out
    assert "runs/small/student.int8.onnx (" in printed
    assert "(gate: 5 points)" in printed
    monkeypatch.setattr(quantizing, "passes", lambda cost, gate: False)
    monkeypatch.setattr(quantizing, "finish", lambda run, rows, progress: (run.student, 7))
    written_before = SimpleNamespace(path=Path("runs/small/student.onnx"))
    monkeypatch.setattr(quantizing, "export", lambda student, path: written_before)
    assert main(["export", "small.yaml", "--int8"]) == 2
    assert "error: INT8 costs more than its gate of 0.2 points" in capsys.readouterr().err
    assert not Path("runs/small/student.int8.onnx").exists()
    assert Path("runs/small/student.onnx").exists()
