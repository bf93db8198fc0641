"""A small plain convolutional network as a student, for images of one fixed size.

Each block is a 3 x 3 convolution, batch normalisation, ReLU and 2 x 2 max-pooling, in the manner of
VGG: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition",
2014, https://arxiv.org/abs/1409.1556, section 2.1. Initial weights are those of `mlp`.
"""

import functools
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from limbeck.students.mlp import (
    check_count,
    check_dropout,
    checked_widths,
    dense,
    he_initialised,
)
from limbeck.students.student import Student

__all__ = ["cnn"]


def cnn(
    input_shape: Sequence[int],
    channels: Sequence[int],
    classes: int,
    *,
    hidden: int = 64,
    dropout: float = 0.0,
    batch_norm: bool = True,
) -> Student:
    """A convolutional network: one block per entry of `channels`, a hidden layer, an output layer.

    Its layers' module paths are "block1", "block2", ... (after pooling; the map before it is
    "block1.relu"), "layer1" (after the ReLU, before the dropout) and "output".

    Args:
        input_shape: (channels, height, width) of one image, each >= 1.
        channels: Channels of each block, >= 1, at least one block; each halves height and width.
        classes: How many classes, >= 2.
        hidden: Width of the hidden layer, >= 0; 0 leaves it out.
        dropout: Share of the units before the output layer dropped in training, in [0, 1).
        batch_norm: Whether the blocks normalise their channels over the batch.

    Raises:
        ValueError: if a number is out of its range, or the blocks halve the image to nothing.

    Example:
        >>> student = cnn((1, 8, 8), [16, 32], 10)
    """
    shape = checked_widths("input_shape", input_shape)
    if len(shape) != 3:
        raise ValueError(f"input_shape is {shape}; images have (channels, height, width).")
    blocks = checked_widths("channels", channels)
    if not blocks:
        raise ValueError("channels is empty; give one number per block, such as [16, 32].")
    most = min(shape[1:]).bit_length() - 1
    if len(blocks) > most:
        raise ValueError(
            f"{len(blocks)} blocks halve images of {shape[1]} x {shape[2]} to nothing. Give "
            f"channels at most {most} entries."
        )
    check_count("classes", classes, least=2)
    check_count("hidden", hidden, least=0)
    check_dropout("dropout", dropout)
    arguments = {
        "input_shape": list(shape),
        "channels": list(blocks),
        "classes": classes,
        "hidden": hidden,
        "dropout": dropout,
        "batch_norm": batch_norm,
    }
    build = functools.partial(build_cnn, shape, blocks, classes, hidden, dropout, batch_norm)
    return Student(build, architecture={"cnn": arguments})


def build_cnn(
    input_shape: tuple[int, ...],
    channels: tuple[int, ...],
    classes: int,
    hidden: int,
    dropout: float,
    batch_norm: bool,
) -> nn.Module:
    depth, height, width = input_shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, after in enumerate(channels, start=1):
        layers[f"block{number}"] = block(depth, after, batch_norm)
        depth, height, width = after, height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    units = depth * height * width
    if hidden:
        layers["layer1"] = dense(units, hidden)
        units = hidden
    if dropout:
        layers["dropout"] = nn.Dropout(dropout)
    layers["output"] = nn.Linear(units, classes)
    return he_initialised(nn.Sequential(layers))


def block(before: int, after: int, batch_norm: bool) -> nn.Sequential:
    """Convolution, normalisation, ReLU and pooling; the norm's own shift replaces the bias."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["convolution"] = nn.Conv2d(before, after, 3, padding=1, bias=not batch_norm)
    if batch_norm:
        layers["norm"] = nn.BatchNorm2d(after)
    layers["relu"] = nn.ReLU()
    layers["pool"] = nn.MaxPool2d(2)
    return nn.Sequential(layers)
