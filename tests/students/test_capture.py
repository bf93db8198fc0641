"""What is read of a forward pass is what the layers returned, and nothing is left behind."""

from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students.capture import capture, check_layers, logits_of


def net(**layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(OrderedDict(layers))


def two_layers() -> nn.Sequential:
    return net(layer1=nn.Linear(4, 3), relu=nn.ReLU(), output=nn.Linear(3, 2))


def test_activations_are_those_of_a_forward_pass_by_hand() -> None:
    """Reading another layer than the one named would train hints to the wrong target."""
    model, inputs = two_layers(), torch.randn(5, 4)
    with capture(model, ("layer1", "relu")) as features:
        model(inputs)
    by_hand = inputs @ model.layer1.weight.T + model.layer1.bias
    assert torch.allclose(features["layer1"], by_hand)
    assert torch.allclose(features["relu"], by_hand.clamp(min=0))


def test_nested_layers_are_read_by_their_path() -> None:
    """Layers of real models lie inside others."""
    model = net(body=two_layers(), head=nn.Linear(2, 2))
    with capture(model, ("body.layer1",)) as features:
        model(torch.randn(5, 4))
    assert features["body.layer1"].shape == (5, 3)


def test_gradients_flow_through_what_was_read() -> None:
    """A detached activation would make every hint loss a constant."""
    model = two_layers()
    with capture(model, ("layer1",)) as features:
        model(torch.randn(5, 4))
    features["layer1"].sum().backward()
    assert model.layer1.weight.grad is not None
    assert bool((model.layer1.weight.grad != 0).any())


def test_no_hook_is_left_behind_even_after_an_error() -> None:
    """A hook left on the module breaks copying, export and the next pass."""
    model = two_layers()
    with pytest.raises(RuntimeError, match="shapes"), capture(model, ("layer1",)):
        model(torch.randn(5, 7))
    with pytest.raises(LimbeckError, match="nothere"), capture(model, ("layer1", "nothere")):
        pass
    assert all(len(layer._forward_hooks) == 0 for layer in model.modules())


def test_a_mistyped_layer_names_the_closest_and_lists_all() -> None:
    """torchdistill answers a mistyped layer with a bare KeyError."""
    message = "the student has no layer 'layr1'. Closest: 'layer1'. All layers: layer1, relu"
    with pytest.raises(LimbeckError, match=message):
        check_layers(two_layers(), ("layr1",))


def test_a_long_list_of_layers_is_cut() -> None:
    """An error of three hundred names hides its first sentence."""
    model = nn.Sequential(*(nn.ReLU() for _ in range(30)))
    with pytest.raises(LimbeckError, match="10, 11 and 18 more"):
        check_layers(model, ("relu",), whose="teacher")


def test_a_model_without_layers_has_none_to_name() -> None:
    """The closest of no names must not fail."""
    with pytest.raises(LimbeckError, match="no layer 'x'. All layers: none"):
        check_layers(nn.Linear(2, 2), ("x",))


def test_a_text_in_place_of_a_list_is_refused() -> None:
    """The letters of a text would be looked up as layers."""
    with pytest.raises(LimbeckError, match=r"Give a list of module paths: \('layer1',\)"):
        check_layers(two_layers(), "layer1")


def test_a_layer_that_did_not_run_is_an_error() -> None:
    """A missing activation must not surface as a KeyError in an objective."""
    model = two_layers()
    with (
        pytest.raises(LimbeckError, match="layer 'relu' did not run"),
        capture(model, ("relu",)),
    ):
        model.layer1(torch.randn(5, 4))


def test_a_layer_that_runs_twice_is_an_error() -> None:
    """A shared ReLU would silently give the activation of its last use."""
    shared = nn.ReLU()
    model = net(a=nn.Linear(4, 4), relu=shared, b=nn.Linear(4, 4), again=shared)
    with (
        pytest.raises(LimbeckError, match="'relu' runs more than once"),
        capture(model, ("relu",)),
    ):
        model(torch.randn(5, 4))


def test_a_layer_that_is_named_twice_is_read_once() -> None:
    """Two objectives may read the same layer."""
    model = two_layers()
    with capture(model, ("layer1", "layer1")) as features:
        model(torch.randn(5, 4))
    assert tuple(features) == ("layer1",)


def test_a_layer_overwritten_in_place_is_an_error() -> None:
    """ReLU(inplace=True) changes the activation of the layer before it, after it was read."""
    model = net(layer1=nn.Linear(4, 3), relu=nn.ReLU(inplace=True), output=nn.Linear(3, 2))
    with (
        pytest.raises(LimbeckError, match="'layer1' is overwritten by a later one"),
        capture(model, ("layer1",)),
    ):
        model(torch.randn(5, 4))
    with capture(model, ("relu",)) as features:
        model(torch.randn(5, 4))
    assert bool((features["relu"] >= 0).all())


def test_layers_can_be_read_in_inference_mode() -> None:
    """Tensors of inference mode do not count changes in place and must not be asked."""
    model = two_layers()
    with torch.inference_mode(), capture(model, ("layer1",)) as features:
        model(torch.randn(5, 4))
    assert features["layer1"].shape == (5, 3)


class Tuples(nn.Module):
    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        return inputs * 2, None


class Names(nn.Module):
    def forward(self, inputs: Tensor) -> str:
        return "text"


class After(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        self.layer(inputs)
        return inputs


def test_of_a_layer_that_returns_several_values_the_first_counts() -> None:
    """Transformer blocks return a tuple that begins with the hidden states."""
    inputs = torch.randn(2, 3)
    model = After(Tuples())
    with capture(model, ("layer",)) as features:
        model(inputs)
    assert torch.equal(features["layer"], inputs * 2)


def test_a_layer_that_returns_no_tensor_is_an_error() -> None:
    """Anything but a tensor would fail later, inside an objective."""
    model = After(Names())
    with (
        pytest.raises(LimbeckError, match="'layer' returned a str, not a tensor"),
        capture(model, ("layer",)),
    ):
        model(torch.randn(2, 3))


@pytest.mark.parametrize("wrap", [dict, SimpleNamespace])
def test_logits_are_found_in_objects_and_mappings(wrap: type) -> None:
    """Hugging Face models return an object that is also a mapping."""
    logits = torch.randn(2, 3)
    assert logits_of(wrap(logits=logits, loss=None)) is logits


@pytest.mark.parametrize(
    ("answer", "kind"), [(None, "nothing"), ((1, 2), "a tuple"), ({"scores": 1}, "a dict")]
)
def test_an_answer_without_logits_is_an_error(answer: object, kind: str) -> None:
    """Taking the first of several tensors might take the loss, or the features."""
    with pytest.raises(LimbeckError, match=f"the student returned {kind}"):
        logits_of(answer)
