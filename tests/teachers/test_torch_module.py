"""Torch modules as teachers: evaluation mode, no gradients, nothing changed, everything told."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from limbeck.errors import TeacherError
from limbeck.fingerprint import module_digest
from limbeck.students import cnn, mlp
from limbeck.teachers import TorchModule
from limbeck.types import Batch


def batch(*shape: int) -> Batch:
    inputs = torch.rand(*(shape or (6, 1, 8, 8)), generator=torch.Generator().manual_seed(1))
    count = len(inputs)
    return Batch(torch.arange(count), inputs, torch.zeros(count, dtype=torch.int64))


def net(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    layers = OrderedDict(
        flatten=nn.Flatten(),
        layer1=nn.Linear(64, 5),
        norm=nn.BatchNorm1d(5),
        dropout=nn.Dropout(0.5),
        output=nn.Linear(5, classes),
    )
    return nn.Sequential(layers)


class Answers(nn.Module):
    """Whatever a function makes of the inputs."""

    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, inputs: Tensor) -> object:
        return self.answer(inputs)


def test_it_answers_as_the_module_in_evaluation_mode() -> None:
    """The reference is a product of matrices, with the running statistics of the norm."""
    module = net()
    module.norm.running_mean.copy_(torch.arange(5.0))
    values = batch().inputs.double().flatten(1) @ module.layer1.weight.double().T
    values = values + module.layer1.bias - torch.arange(5.0)
    values = values / (1 + 1e-5) ** 0.5
    expected = values @ module.output.weight.double().T + module.output.bias
    assert torch.allclose(TorchModule(module).outputs(batch()).logits.double(), expected, atol=1e-5)


def test_a_module_in_train_mode_is_scored_in_evaluation_mode_and_never_changed() -> None:
    """A frozen teacher in train mode drifts: torchdistill 1.0 to 1.1.5 trained from such ones."""
    module = net().train()
    teacher = TorchModule(module)
    before = module_digest(module)
    first = teacher.outputs(batch()).logits
    module.train()  # a training loop elsewhere may do this between two batches
    module.dropout.train()
    second = teacher.outputs(batch()).logits
    assert torch.equal(first, second)
    assert module_digest(module) == before


def test_a_single_submodule_left_in_train_mode_is_put_right() -> None:
    """Looking only at the outermost flag would miss it."""
    module = net().eval()
    teacher = TorchModule(module)
    before = module_digest(module)
    module.norm.train()
    teacher.outputs(batch())
    assert module_digest(module) == before


def test_answers_carry_no_graph_and_can_enter_a_loss() -> None:
    """KD_Lib keeps the teacher's graph; tensors of inference mode could not enter a loss."""
    outputs = TorchModule(net(), hidden=("layer1",)).outputs(batch())
    assert not outputs.logits.requires_grad
    assert not outputs.hidden["layer1"].requires_grad
    weight = torch.ones(3, requires_grad=True)
    (outputs.logits * weight).sum().backward()
    assert weight.grad is not None


def test_hidden_layers_are_those_of_the_module() -> None:
    """The right layer, at the right batch."""
    module = net()
    outputs = TorchModule(module, hidden=("layer1",)).outputs(batch())
    assert torch.equal(outputs.hidden["layer1"], module.layer1(batch().inputs.flatten(1)).detach())


def test_an_unknown_layer_names_the_closest() -> None:
    """Before the first batch, not after an hour."""
    with pytest.raises(TeacherError, match="teacher 'big' has no layer 'layr1'. Closest: 'layer1'"):
        TorchModule(net(), hidden=("layr1",), name="big")
    teacher = TorchModule(net)
    teacher.hidden = ("otuput",)
    with pytest.raises(TeacherError, match="Closest: 'output'"):
        teacher.outputs(batch())


def test_weights_come_from_a_safetensors_file(tmp_path: Path) -> None:
    """The usual way: a function in the user's file, and weights beside it."""
    trained = net()
    with torch.no_grad():
        trained.output.bias.add_(1)
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(trained.state_dict(), path)
    for module in (net, net()):
        teacher = TorchModule(module, weights=path)
        expected = TorchModule(trained).outputs(batch()).logits
        assert torch.equal(teacher.outputs(batch()).logits, expected)
        assert teacher.fingerprint == TorchModule(trained).fingerprint


def test_weights_of_another_model_are_told(tmp_path: Path) -> None:
    """Loading what fits leaves random weights in the rest."""
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"layer1.weight": torch.zeros(5, 64)}, path)
    message = "another model than the teacher 'net': missing: 'layer1.bias', .* and 4 more"
    with pytest.raises(TeacherError, match=message):
        TorchModule(net(), weights=path, name="net")
    with pytest.raises(TeacherError, match="missing: 'layer1.bias'"):
        TorchModule(net, weights=path).outputs(batch())
    safetensors.torch.save_file(net(4).state_dict(), path)
    with pytest.raises(TeacherError, match=r"'output.weight' of shape \(4, 5\) and the teacher"):
        TorchModule(net(), weights=path)


def test_missing_or_damaged_weights_are_told(tmp_path: Path) -> None:
    """At once, though the module is built later."""
    with pytest.raises(TeacherError, match="there are no weights at .*gone.safetensors"):
        TorchModule(net, weights=tmp_path / "gone.safetensors")
    with pytest.raises(TeacherError, match="there are no weights at .*gone.safetensors"):
        TorchModule(net(), weights=tmp_path / "gone.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    with pytest.raises(TeacherError, match="bad.safetensors cannot be read as a .safetensors"):
        TorchModule(net(), weights=tmp_path / "bad.safetensors")


def test_release_forgets_a_built_module_and_builds_it_again() -> None:
    """Ten teachers must not be in memory at once."""
    builds = []

    def build() -> nn.Module:
        builds.append(1)
        return net()

    teacher = TorchModule(build)
    assert builds == []
    first = teacher.outputs(batch()).logits
    teacher.release()
    assert teacher.loaded is None
    assert torch.equal(teacher.outputs(batch()).logits, first)
    assert len(builds) == 2


def test_the_fingerprint_of_a_built_module_leaves_nothing_in_memory() -> None:
    """An ensemble's fingerprint would otherwise load all of its members."""
    teacher = TorchModule(net)
    assert teacher.fingerprint == TorchModule(net()).fingerprint
    assert teacher.loaded is None


def test_a_given_module_stays_when_released() -> None:
    """It could not be had again."""
    teacher = TorchModule(net())
    teacher.release()
    assert teacher.outputs(batch()).logits.shape == (6, 3)


def test_a_function_without_weights_builds_the_same_module_each_time() -> None:
    """Random weights drawn anew after each release would be another teacher each time."""

    def build() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 3))

    teacher = TorchModule(build)
    first = teacher.outputs(batch()).logits
    teacher.release()
    torch.manual_seed(99)
    assert torch.equal(teacher.outputs(batch()).logits, first)


def test_a_teacher_that_changed_between_two_loads_is_refused(tmp_path: Path) -> None:
    """Half a store from each of two teachers would look like one."""
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file(net().state_dict(), path)
    teacher = TorchModule(net, weights=path)
    teacher.outputs(batch())
    teacher.release()
    changed = {name: value + 1 for name, value in net().state_dict().items()}
    safetensors.torch.save_file(changed, path)
    with pytest.raises(TeacherError, match="is not what it was when first built"):
        teacher.outputs(batch())


def test_a_function_that_builds_no_module_is_told() -> None:
    """A function that forgot to return is a likely slip."""
    with pytest.raises(TeacherError, match="builds teacher 'teacher' returned NoneType"):
        TorchModule(lambda: None).outputs(batch())  # type: ignore[arg-type, return-value]


def test_the_fingerprint_tells_every_part_that_changes_the_answer() -> None:
    """A store must not be taken for another teacher's."""

    class Gelu(nn.Sequential):
        pass

    changed = net()
    with torch.no_grad():
        changed.output.bias[0] += 1e-6
    moved = net()
    moved.norm.running_mean[0] += 1e-6
    prints = [
        TorchModule(net()).fingerprint,
        TorchModule(changed).fingerprint,
        TorchModule(moved).fingerprint,
        TorchModule(net(), mean=[0.5], std=[1.0]).fingerprint,
        TorchModule(net(), mean=[0.5], std=[2.0]).fingerprint,
        TorchModule(net(), classes=("a", "b", "c")).fingerprint,
        TorchModule(net(), classes=("b", "a", "c")).fingerprint,
        TorchModule(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(64, 3))).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert all(len(text) == 64 for text in prints)


def test_an_activation_without_weights_is_part_of_the_fingerprint() -> None:
    """Two modules of the same weights and other activations are two teachers."""

    def with_activation(activation: nn.Module) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 4), activation, nn.Linear(4, 3))

    relu, gelu = with_activation(nn.ReLU()), with_activation(nn.GELU())
    assert module_digest(relu) == module_digest(gelu)
    assert TorchModule(relu).fingerprint != TorchModule(gelu).fingerprint


def test_name_hidden_layers_and_addresses_are_no_part_of_the_fingerprint() -> None:
    """The same teacher under another name, or in another process, must be known again."""

    class Addressed(nn.Linear):
        def extra_repr(self) -> str:
            return f"{object()}"

    assert TorchModule(net(), name="a").fingerprint == TorchModule(net(), name="b").fingerprint
    assert TorchModule(net(), hidden=("layer1",)).fingerprint == TorchModule(net()).fingerprint
    torch.manual_seed(0)
    teacher = TorchModule(Addressed(2, 2))
    assert teacher.fingerprint == teacher.fingerprint


def test_inputs_are_normalised_as_told() -> None:
    """Transfer sets hold images in [0, 1]; teachers want what they were trained on."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    teacher = TorchModule(module, mean=[0.5], std=[0.25])
    expected = module((batch().inputs - 0.5) / 0.25)
    assert torch.allclose(teacher.outputs(batch()).logits, expected, atol=1e-6)


@pytest.mark.parametrize("wrap", [dict, SimpleNamespace])
def test_modules_that_return_an_object_with_logits_work(wrap: type) -> None:
    """Hugging Face models are such modules."""
    teacher = TorchModule(Answers(lambda inputs: wrap(logits=inputs.flatten(1)[:, :3] * 5)))
    assert torch.equal(teacher.outputs(batch()).logits, batch().inputs.flatten(1)[:, :3] * 5)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda inputs: (inputs, inputs), "teacher 'teacher' returned a tuple"),
        (lambda inputs: inputs.flatten(1)[:, 0], r"gave one number per example \(shape \(6,\)\)"),
        (lambda inputs: inputs.flatten(1)[:, :1], r"one number per example \(shape \(6, 1\)\)"),
        (lambda inputs: inputs, r"gave logits of shape \(6, 1, 8, 8\) for 6 examples"),
        (lambda inputs: inputs.flatten(1)[:1], r"shape \(1, 64\) for 6 examples"),
        (lambda inputs: inputs.flatten(1)[:, :4], "scored 4 classes and was given 3 class names"),
        (lambda inputs: inputs.flatten(1)[:, :3].softmax(1), "with probabilities.*last softmax"),
        (lambda inputs: inputs @ torch.ones(3, 3), r"on inputs of shape .6, 1, 8, 8.: .*nn.Flat"),
    ],
)
def test_an_answer_that_is_not_one_logit_per_class_is_told(
    answer: Callable[[Tensor], object], message: str
) -> None:
    """Broadcasting turns most of these into a plausible loss."""
    teacher = TorchModule(Answers(answer), classes=("a", "b", "c"))
    with pytest.raises(TeacherError, match=message):
        teacher.outputs(batch())


def test_a_bfloat16_module_is_given_bfloat16_and_answers_float32() -> None:
    """Half-precision checkpoints are common, and fail on float32 inputs."""
    module = net().bfloat16()
    outputs = TorchModule(module, hidden=("layer1",)).outputs(batch())
    assert outputs.logits.dtype is torch.float32
    assert outputs.hidden["layer1"].dtype is torch.float32
    exact = TorchModule(net()).outputs(batch()).logits
    assert torch.allclose(outputs.logits, exact, atol=0.05)


def test_autocast_of_a_training_loop_does_not_reach_the_teacher() -> None:
    """The same inputs must give the same answer wherever the teacher is asked."""
    teacher = TorchModule(net())
    plain = teacher.outputs(batch()).logits
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(teacher.outputs(batch()).logits, plain)


def test_a_student_can_teach_and_train_on() -> None:
    """Sharing the module would freeze the student's dropout, and move the teacher."""
    student = cnn((1, 8, 8), [4], 3, dropout=0.5)
    student.classes, student.hidden = ("a", "b", "c"), ("layer1",)
    student.module.train()
    teacher = TorchModule.from_student(student, name="small")
    first = teacher.outputs(batch())
    assert student.module.training
    with torch.no_grad():
        student.module.output.weight.zero_()
    assert torch.equal(teacher.outputs(batch()).logits, first.logits)
    assert (teacher.name, teacher.classes) == ("small", ("a", "b", "c"))
    assert tuple(first.hidden) == ("layer1",)


def test_an_untrained_student_does_not_know_its_classes() -> None:
    """An empty tuple of classes would be refused as another number of classes."""
    assert TorchModule.from_student(mlp(64, [4], 3)).classes is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "my net"}, "a teacher's name is 'my net'"),
        ({"mean": [0.5]}, "mean is given without std"),
        ({"classes": ["a", "a"]}, "the class name 'a' is there twice"),
    ],
)
def test_wrong_settings_are_told(arguments: dict[str, object], message: str) -> None:
    """Each setting is checked by the sentence that names it."""
    with pytest.raises(ValueError, match=message):
        TorchModule(net(), **arguments)  # type: ignore[arg-type]
