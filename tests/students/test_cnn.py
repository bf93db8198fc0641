"""The convolutional network computes what its definition says."""

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F

from limbeck.students import cnn

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""


def test_logits_are_those_of_the_layers_one_after_the_other() -> None:
    """A missing pooling or normalisation still trains."""
    module = cnn((2, 8, 8), [3, 4], 5, hidden=6).module
    inputs = torch.randn(9, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    values = inputs
    for block in (module.block1, module.block2):
        values = F.conv2d(values, block.convolution.weight, padding=1)
        mean = values.mean(dim=(0, 2, 3), keepdim=True)
        variance = values.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
        values = ((values - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
        values = values.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))
    values = values.reshape(9, -1)
    values = (values @ module.layer1.linear.weight.T + module.layer1.linear.bias).clamp(min=0)
    values = values @ module.output.weight.T + module.output.bias
    assert torch.allclose(module(inputs), values, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 9, 13), (1, 2, 5)])
def test_any_image_size_works(shape: tuple[int, int, int]) -> None:
    """Odd sizes are rounded down at each pooling."""
    student = cnn(shape, [4], 10)
    assert student.module(torch.randn(3, *shape)).shape == (3, 10)


def test_hidden_zero_leaves_the_hidden_layer_out() -> None:
    """The number of parameters is a budget."""
    names = {name for name, _ in cnn((1, 8, 8), [4], 10, hidden=0).module.named_modules()}
    assert "layer1" not in names


def test_without_batch_norm_there_are_no_buffers() -> None:
    """A student for deployment may want none."""
    student = cnn((1, 8, 8), [4], 10, batch_norm=False, dropout=0.3)
    assert list(student.module.buffers()) == []
    assert student.module.block1.convolution.bias is not None
    assert student.module.dropout.p == 0.3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (8, 8)}, r"images have \(channels, height, width\)"),
        ({"input_shape": 8}, "input_shape is 8"),
        ({"channels": []}, r"channels is empty; give one number per block, such as \[16, 32\]"),
        ({"channels": [4, 4, 4, 4]}, "4 blocks halve images of 8 x 8 to nothing.*at most 3"),
        ({"channels": [0]}, "channels has 0"),
        ({"classes": 1}, "classes has 1"),
        ({"hidden": -1}, "hidden has -1; it takes whole numbers of 0 or more"),
        ({"dropout": 1}, "dropout is 1"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    """A recipe's typing error must be told in the recipe's words."""
    good = {"input_shape": (1, 8, 8), "channels": [4], "classes": 10}
    with pytest.raises(NOTICED, match=f"{message}|Type-check error"):
        cnn(**{**good, **arguments})  # type: ignore[arg-type]


def test_the_deepest_possible_network_runs() -> None:
    """The limit that the error names must be the true one."""
    assert cnn((1, 8, 8), [2, 2, 2], 3).module(torch.randn(2, 1, 8, 8)).shape == (2, 3)
