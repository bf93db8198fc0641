"""A multilayer perceptron as a student: flatten, ReLU layers, an output layer.

Initial weights are normal with variance 2 / (inputs of the layer) before a ReLU, which keeps the
size of the activations from layer to layer, and 1 / (inputs of the layer) in the output layer;
biases start at 0. He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015,
https://arxiv.org/abs/1502.01852, section 2.2.
"""

import functools
import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from limbeck.students.student import Student

__all__ = ["check_count", "check_dropout", "checked_widths", "dense", "he_initialised", "mlp"]


def mlp(
    inputs: int,
    hidden: Sequence[int],
    classes: int,
    *,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> Student:
    """A multilayer perceptron; inputs of any shape are flattened.

    Its layers' module paths are "layer1", "layer2", ... (after the ReLU, before the dropout; the
    value before the ReLU is "layer1.linear") and "output".

    Args:
        inputs: Numbers in one example, >= 1; an image has channels x height x width.
        hidden: Width of each hidden layer, >= 1; empty for logistic regression.
        classes: How many classes, >= 2.
        dropout: Share of each hidden layer's units dropped in training, in [0, 1).
        input_dropout: Share of the inputs dropped in training, in [0, 1).

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> student = mlp(64, [16], 10)
    """
    check_count("inputs", inputs, least=1)
    check_count("classes", classes, least=2)
    hidden = checked_widths("hidden", hidden)
    check_dropout("dropout", dropout)
    check_dropout("input_dropout", input_dropout)
    arguments = {
        "inputs": inputs,
        "hidden": list(hidden),
        "classes": classes,
        "dropout": dropout,
        "input_dropout": input_dropout,
    }
    build = functools.partial(build_mlp, inputs, hidden, classes, dropout, input_dropout)
    return Student(build, architecture={"mlp": arguments})


def build_mlp(
    inputs: int, hidden: tuple[int, ...], classes: int, dropout: float, input_dropout: float
) -> nn.Module:
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    if input_dropout:
        layers["input_dropout"] = nn.Dropout(input_dropout)
    width = inputs
    for number, units in enumerate(hidden, start=1):
        layers[f"layer{number}"] = dense(width, units)
        if dropout:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        width = units
    layers["output"] = nn.Linear(width, classes)
    return he_initialised(nn.Sequential(layers))


def dense(inputs: int, units: int) -> nn.Sequential:
    """A linear layer and its ReLU, as the submodules `linear` and `relu`."""
    return nn.Sequential(OrderedDict(linear=nn.Linear(inputs, units), relu=nn.ReLU()))


def he_initialised(module: nn.Module) -> nn.Module:
    """The module with the initial weights of He et al.; its layer `output` has no ReLU after it."""
    for name, layer in module.named_modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            gain = 1.0 if name == "output" else math.sqrt(2.0)
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return module


def checked_widths(name: str, widths: Sequence[int]) -> tuple[int, ...]:
    """The widths as a tuple; a ValueError unless they are a list of whole numbers from 1."""
    if isinstance(widths, (str, int, float)) or not isinstance(widths, Sequence):
        raise ValueError(f"{name} is {widths!r}; it is a list of widths, such as [64, 32].")
    for width in widths:
        check_count(name, width, least=1)
    return tuple(widths)


def check_count(name: str, value: int, *, least: int) -> None:
    """Raise a ValueError unless the value is a whole number of at least this size."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} has {value!r}; it takes whole numbers of {least} or more.")


def check_dropout(name: str, value: float) -> None:
    """Raise a ValueError unless the value is a share in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(f"{name} is {value!r}; it is a share of units from 0 to below 1.")
