"""What every teacher must do, whatever library it comes from."""

import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import xgboost
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import nn

from limbeck.fingerprint import module_digest
from limbeck.specialists import Specialist, WithSpecialists
from limbeck.students import cnn, save
from limbeck.teachers import Ensemble, Estimator, OnnxModel, Teacher, TorchModule, Transformers
from limbeck.types import Batch

CLASSES = 10
DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = (DIGITS / 16).astype(np.float32)


def module() -> nn.Module:
    """With everything that behaves differently while training."""
    torch.manual_seed(0)
    layers = OrderedDict(
        convolution=nn.Conv2d(1, 4, 3),
        norm=nn.BatchNorm2d(4),
        relu=nn.ReLU(),
        flatten=nn.Flatten(),
        dropout=nn.Dropout(0.5),
        output=nn.Linear(4 * 36, CLASSES),
    )
    net = nn.Sequential(layers)
    net(torch.from_numpy(DIGITS[:50]).view(-1, 1, 8, 8))
    return net


def onnx_file(folder: Path) -> Path:
    weight = np.random.default_rng(0).normal(size=(64, CLASSES)).astype(np.float32)
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 64])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [3, CLASSES])]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["logits"])]
    graph = helper.make_graph(
        nodes, "linear", values, outputs, [numpy_helper.from_array(weight, "w")]
    )
    path = folder / "linear.onnx"
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def forest(folder: Path) -> Teacher:
    model = RandomForestClassifier(5, random_state=0)
    return Estimator(model.fit(DIGITS[:300], LABELS[:300]), name="forest")


def saved(folder: Path) -> Teacher:
    student = cnn((1, 8, 8), [4], CLASSES, dropout=0.5)
    save(student, folder / "student")
    return Teacher.load(folder / "student", hidden=("layer1",))


def with_specialists(folder: Path) -> Teacher:
    names = tuple(map(str, range(CLASSES)))
    asked = TorchModule(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).requires_grad_(False))
    with torch.no_grad():
        for parameter in asked.module.parameters():
            parameter.copy_(torch.arange(float(parameter.numel())).view_as(parameter).sin())
    sets = ((1, 4, 7), (4, 8, 9), (0, 2, 3))
    return WithSpecialists(
        TorchModule(module), [Specialist(asked, each, names, prior=0.3) for each in sets]
    )


def vision(folder: Path) -> Teacher:
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        image_size=8,
        patch_size=4,
        num_channels=1,
        num_labels=CLASSES,
    )
    torch.manual_seed(0)
    model = transformers.ViTForImageClassification(config).train()
    model.save_pretrained(folder / "vit")
    (folder / "vit" / "preprocessor_config.json").write_text('{"do_normalize": false}')
    return Transformers(folder / "vit", hidden=("hidden_states.1",))


KINDS: dict[str, Callable[[Path], Teacher]] = {
    "module in train mode": lambda folder: TorchModule(module().train(), hidden=("norm",)),
    "built module": lambda folder: TorchModule(module, mean=[0.3], std=[0.4]),
    "saved student": saved,
    "forest": forest,
    "margins": lambda folder: Estimator(
        make_pipeline(StandardScaler(), LinearSVC()).fit(DIGITS[:300], LABELS[:300])
    ),
    "xgboost": lambda folder: Estimator(
        xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(DIGITS[:300], LABELS[:300])
    ),
    "onnx": lambda folder: OnnxModel(onnx_file(folder)),
    "mixed ensemble": lambda folder: Ensemble(
        [TorchModule(module, hidden=("relu",)), forest(folder), OnnxModel(onnx_file(folder))],
        combine="arithmetic",
        weights=[1.0, 2.0, 3.0],
    ),
    "with specialists": with_specialists,
    "transformers": vision,
}


@pytest.fixture(params=list(KINDS))
def teacher(request: pytest.FixtureRequest, tmp_path: Path) -> Teacher:
    return KINDS[request.param](tmp_path)


def batch(rows: slice = slice(300, 320)) -> Batch:
    inputs = torch.from_numpy(DIGITS[rows]).view(-1, 1, 8, 8).clone()
    return Batch(torch.arange(len(inputs)), inputs, torch.from_numpy(LABELS[rows]))


def test_logits_are_finite_float32_of_examples_and_classes(teacher: Teacher) -> None:
    """Whatever reaches the store has this form."""
    logits = teacher.outputs(batch()).logits
    assert (logits.dtype, tuple(logits.shape)) == (torch.float32, (20, CLASSES))
    assert bool(torch.isfinite(logits).all())
    assert not logits.requires_grad


def test_hidden_features_are_those_it_announces(teacher: Teacher) -> None:
    """A store's fields are made from the announcement."""
    hidden = teacher.outputs(batch()).hidden
    assert tuple(hidden) == teacher.hidden
    assert all(len(value) == 20 and value.dtype is torch.float32 for value in hidden.values())


def test_the_same_batch_gets_the_same_answer(teacher: Teacher) -> None:
    """Dropout left on, or batch statistics, would show here."""
    first, second = teacher.outputs(batch()).logits, teacher.outputs(batch()).logits
    assert torch.equal(first, second)


def test_an_example_gets_the_same_answer_in_any_batch(teacher: Teacher) -> None:
    """A store is written in other batches than a student reads."""
    whole = teacher.outputs(batch()).logits
    for rows in (slice(300, 301), slice(300, 307)):
        part = teacher.outputs(batch(rows)).logits
        assert torch.allclose(part, whole[: len(part)], atol=1e-5)


def test_answering_changes_neither_the_inputs_nor_the_teacher(teacher: Teacher) -> None:
    """The student sees the same inputs next, and the store the same teacher."""
    given, before = batch(), teacher.fingerprint
    inputs = given.inputs.clone()
    teacher.outputs(given)
    assert torch.equal(given.inputs, inputs)
    assert teacher.fingerprint == before


def test_weights_and_buffers_hash_the_same_before_and_after() -> None:
    """Batch-norm statistics of a teacher in train mode drift at every step."""
    net = module().train()
    before, buffers = module_digest(net), {k: v.clone() for k, v in net.named_buffers()}
    teacher = TorchModule(net)
    for _ in range(3):
        net.train()
        teacher.outputs(batch())
    assert module_digest(net) == before
    assert all(torch.equal(value, buffers[name]) for name, value in net.named_buffers())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_answering_draws_no_random_numbers(teacher: Teacher) -> None:
    """A live teacher must not change the student's dropout masks."""
    torch.manual_seed(5)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    teacher.outputs(batch())
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_after_a_release_the_answer_is_the_same(teacher: Teacher) -> None:
    """Members of an ensemble are released and loaded again."""
    first = teacher.outputs(batch()).logits
    teacher.release()
    assert torch.equal(teacher.outputs(batch()).logits, first)


def test_knowledge_is_what_the_outputs_say(teacher: Teacher) -> None:
    """Objectives read the one, evaluation the other."""
    outputs, knowledge = teacher.outputs(batch()), teacher.knowledge(batch())
    assert knowledge.logits.shape == (len(teacher.members), 20, CLASSES)
    assert torch.allclose(knowledge.log_probs(1.0), outputs.logits.log_softmax(1), atol=1e-5)
    assert list(knowledge.hidden) == list(outputs.hidden)


def test_names_are_fit_for_a_store_and_unique(teacher: Teacher) -> None:
    """Fields of a store are named after members."""
    names = [teacher.name, *(member.name for member in teacher.members)]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names)
    members = [member.name for member in teacher.members]
    assert len(set(members)) == len(members)


def test_fingerprints_tell_the_kinds_apart(tmp_path: Path) -> None:
    """Each kind hashes what makes it answer as it does."""
    prints = [kind(tmp_path).fingerprint for kind in KINDS.values()]
    assert len(set(prints)) == len(KINDS)
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in prints)


def test_it_scores_digits_it_was_fitted_for() -> None:
    """Inputs that are flattened, scaled or ordered wrongly give accuracy by chance."""
    teacher = forest(Path())
    found = teacher.outputs(batch(slice(300, 500))).logits.argmax(1)
    assert float((found == batch(slice(300, 500)).labels).float().mean()) > 0.5
