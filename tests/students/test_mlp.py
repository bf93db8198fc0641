"""The multilayer perceptron computes what its definition says."""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from limbeck.students import mlp

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""


def test_logits_are_those_of_a_loop_in_numpy() -> None:
    """A missing or doubled ReLU trains, to a worse student."""
    student = mlp(6, [5, 4], 3)
    inputs = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0))
    state = {name: value.double().numpy() for name, value in student.module.state_dict().items()}
    values = inputs.double().numpy().reshape(7, 6)
    for layer in ("layer1.linear", "layer2.linear"):
        values = np.maximum(values @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
    values = values @ state["output.weight"].T + state["output.bias"]
    found = student.module(inputs).detach().double().numpy()
    np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-6)


def test_without_hidden_layers_it_is_logistic_regression() -> None:
    """The smallest student must be possible."""
    student = mlp(64, [], 10)
    assert student.parameters_count() == 64 * 10 + 10


def test_initial_weights_have_the_variance_of_he() -> None:
    """Wrong sizes of initial weights slow the training of deep students."""
    module = mlp(400, [300], 200).fresh(0).module
    hidden, output = module.layer1.linear.weight.detach(), module.output.weight.detach()
    assert float(hidden.std()) == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert float(output.std()) == pytest.approx((1 / 300) ** 0.5, rel=0.02)
    assert not module.layer1.linear.bias.any()


def test_dropout_drops_its_share_in_training_and_nothing_in_evaluation() -> None:
    """A dropout layer in the wrong place or forgotten regularises nothing."""
    module = mlp(1000, [1000], 2, dropout=0.5, input_dropout=0.2).module
    torch.manual_seed(0)
    ones = torch.ones(20, 1000)
    assert float((module.input_dropout(ones) == 0).float().mean()) == pytest.approx(0.2, abs=0.01)
    assert float((module.dropout1(ones) == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
    module.eval()
    assert torch.equal(module(ones), module(ones))


def test_its_layers_have_the_names_that_are_documented() -> None:
    """Recipes name layers by these paths."""
    names = {name for name, _ in mlp(4, [3, 3], 2, dropout=0.1).module.named_modules()}
    assert {"layer1", "layer1.linear", "layer2", "output"} <= names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": 0}, "inputs has 0; it takes whole numbers of 1 or more"),
        ({"inputs": 4.0}, "inputs has 4.0"),
        ({"classes": 1}, "classes has 1; it takes whole numbers of 2 or more"),
        ({"hidden": [0]}, "hidden has 0"),
        ({"hidden": 16}, r"hidden is 16; it is a list of widths, such as \[64, 32\]"),
        ({"hidden": "16"}, "hidden is '16'"),
        ({"hidden": [True]}, "hidden has True"),
        ({"dropout": 1.0}, "dropout is 1.0; it is a share of units from 0 to below 1"),
        ({"input_dropout": -0.1}, "input_dropout is -0.1"),
        ({"dropout": float("nan")}, "dropout is nan"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    """A recipe's typing error must be told in the recipe's words."""
    with pytest.raises(NOTICED, match=f"{message}|Type-check error"):
        mlp(**{"inputs": 4, "hidden": [3], "classes": 2, **arguments})  # type: ignore[arg-type]
