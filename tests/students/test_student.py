"""A student is built the same for the same seed, and is an ordinary module to everyone else."""

import copy

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.fingerprint import module_digest
from limbeck.students import Student, cnn, mlp
from limbeck.types import Batch

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""


def batch(count: int = 3, *shape: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(count, *(shape or (1, 8, 8)), generator=generator)
    return Batch(torch.arange(count), inputs, torch.zeros(count, dtype=torch.int64))


def test_the_same_seed_builds_the_same_weights_and_another_seed_others() -> None:
    """A student and its from-scratch twin must start from the same weights."""
    student = mlp(64, [16], 10)
    one, same, other = student.fresh(1), student.fresh(1), student.fresh(2)
    assert module_digest(one.module) == module_digest(same.module)
    assert module_digest(one.module) != module_digest(other.module)


def test_building_leaves_the_global_random_stream_alone() -> None:
    """A fresh student in between must not change the dropout masks of a run."""
    student = mlp(64, [16], 10)
    before = torch.get_rng_state()
    student.fresh(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_fresh_of_a_module_is_a_copy_with_its_weights() -> None:
    """A pretrained student must start from its weights and stay as it was given."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    student = Student(module)
    fresh = student.fresh(5)
    assert module_digest(fresh.module) == module_digest(module)
    with torch.no_grad():
        fresh.module[1].weight.zero_()
    assert bool(module[1].weight.any())


def test_fresh_keeps_what_is_known_about_the_student() -> None:
    """Hidden layers, classes and shape belong to the student, not to one set of weights."""
    student = mlp(64, [16], 10)
    student.hidden, student.classes, student.input_shape = ("layer1",), ("a", "b"), (1, 8, 8)
    fresh = student.fresh(1)
    assert (fresh.hidden, fresh.classes, fresh.input_shape) == (("layer1",), ("a", "b"), (1, 8, 8))
    assert fresh.architecture == student.architecture


def test_outputs_are_the_modules_with_and_without_hidden_layers() -> None:
    """Reading hidden layers must not change the logits."""
    student = mlp(64, [16, 8], 10)
    plain = student.outputs(batch())
    student.hidden = ("layer1", "layer2")
    read = student.outputs(batch())
    assert torch.equal(plain.logits, student.module(batch().inputs))
    assert torch.equal(plain.logits, read.logits)
    assert plain.hidden == {}
    assert {name: tuple(value.shape) for name, value in read.hidden.items()} == {
        "layer1": (3, 16),
        "layer2": (3, 8),
    }


def test_without_hidden_layers_nothing_is_called_but_the_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The inner loop must not pay for what it does not read."""
    monkeypatch.setattr("limbeck.students.student.capture", None)
    assert mlp(64, [16], 10).outputs(batch()).logits.shape == (3, 10)


def test_a_mistyped_layer_is_refused_when_the_student_is_made() -> None:
    """It must not wait for the first batch of a long run."""
    with pytest.raises(LimbeckError, match="no layer 'layr1'. Closest: 'layer1'"):
        Student(mlp(64, [16], 10).module, hidden=("layr1",))


def test_a_function_that_builds_no_module_is_an_error() -> None:
    """Its answer would fail much later, with an attribute error."""
    with pytest.raises(LimbeckError, match="returned str, not a torch.nn.Module"):
        Student(lambda: "model")  # type: ignore[arg-type, return-value]


def test_something_else_than_a_module_or_function_is_an_error() -> None:
    """A path in place of a module is a likely mistake."""
    with pytest.raises(NOTICED, match="found 'student.onnx'|Type-check error"):
        Student("student.onnx")  # type: ignore[arg-type]


class WithLogits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(64, 10)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        return {"logits": self.body(inputs.flatten(1))}


def test_a_module_that_returns_a_mapping_with_logits_can_be_a_student() -> None:
    """Hugging Face models must not need a wrapper."""
    assert Student(WithLogits()).outputs(batch()).logits.shape == (3, 10)
    hidden = Student(WithLogits(), hidden=("body",)).outputs(batch())
    assert torch.equal(hidden.logits, hidden.hidden["body"])


def test_parameters_are_counted_frozen_or_not_and_buffers_are_not() -> None:
    """The table's parameters are what is deployed, whatever was trained."""
    student = cnn((1, 8, 8), [4], 10, hidden=0)
    student.module.block1.requires_grad_(False)
    assert student.parameters_count() == 4 * 9 + 2 * 4 + 4 * 16 * 10 + 10


def test_a_student_can_be_copied_after_it_was_used() -> None:
    """A hook left behind would tie the copy to the original's activations."""
    student = cnn((1, 8, 8), [4], 10)
    student.hidden = ("layer1",)
    student.module.eval()
    expected = student.outputs(batch()).logits
    other = copy.deepcopy(student)
    with torch.no_grad():
        student.module.output.weight.zero_()
    assert torch.equal(other.outputs(batch()).logits, expected)


def test_a_used_student_can_be_exported() -> None:
    """Hooks would end up in, or break, the exported graph."""
    student = mlp(64, [16], 10)
    student.hidden = ("layer1",)
    student.outputs(batch())
    program = torch.export.export(student.module.eval(), (batch().inputs,))
    assert torch.allclose(program.module()(batch().inputs), student.outputs(batch()).logits)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_student_gives_the_same_outputs_whenever_its_layers_are_read() -> None:
    """torch.compile caches a graph; a stale one would return the activations of another batch."""
    student = mlp(64, [16], 10)
    student.module.compile()
    for count in (3, 5):
        plain = student.outputs(batch(count)).logits
        student.hidden = ("layer1",)
        read = student.outputs(batch(count))
        by_hand = student.module.layer1(batch(count).inputs.flatten(1))
        assert torch.allclose(read.logits, plain, atol=1e-6)
        assert torch.allclose(read.hidden["layer1"], by_hand, atol=1e-6)
        student.hidden = ()
        with torch.no_grad():
            student.module.layer1.linear.weight.add_(0.1)


def test_frozen_layers_stay_in_evaluation_mode_and_without_gradient() -> None:
    """Batch statistics and dropout would change a layer that is meant to stay as it is."""
    module = cnn((1, 8, 8), [4, 8], 10).module
    student = Student(module, frozen=("block1",))
    assert not any(p.requires_grad for p in student.module.block1.parameters())
    fresh = student.fresh(0)
    fresh.train()
    assert not any(part.training for part in fresh.module.block1.modules())
    assert all(part.training for part in fresh.module.block2.modules())
    assert not any(p.requires_grad for p in fresh.module.block1.parameters())
    assert all(p.requires_grad for p in fresh.module.block2.parameters())
    assert all(p.requires_grad for p in module.parameters())


def test_a_mistyped_frozen_layer_is_refused() -> None:
    """It would be trained without a word."""
    with pytest.raises(LimbeckError, match="no layer 'block'. Closest: 'block1'"):
        Student(cnn((1, 8, 8), [4], 10).module, frozen=("block",))


def test_freezing_every_weight_is_refused() -> None:
    """The first backward pass would fail with torch's own words."""
    with pytest.raises(LimbeckError, match="nothing to train. Freeze fewer layers"):
        Student(mlp(64, [], 10).module, frozen=("output",))
