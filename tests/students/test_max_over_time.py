"""Patterns: their maxima, and gradients that follow the places of the maxima alone."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from limbeck.students.max_over_time import Patterns

T = 7
LENGTHS = (7, 3, 1)


def made(width: int, seed: int = 0) -> Patterns:
    torch.manual_seed(seed)
    return Patterns(4, 5, width).double()


def texts() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(T) < torch.tensor(LENGTHS).unsqueeze(1)
    values = torch.randn(len(LENGTHS), T, 4, generator=generator, dtype=torch.float64)
    return (values * mask.unsqueeze(2)).requires_grad_(), mask


def gradients(layer: Patterns, values: Tensor, mask: Tensor) -> list[Tensor]:
    answers = layer(values, mask)
    weights = torch.linspace(-1, 2, answers.numel(), dtype=torch.float64).view_as(answers)
    parameters = [values, *layer.parameters()]
    return list(torch.autograd.grad((answers.sin() * weights).sum(), parameters))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 9])
def test_training_gives_the_gradients_of_the_whole_convolution(width: int) -> None:
    """A place off by one, or a gradient of the padding's, still trains, and worse."""
    layer, (values, mask) = made(width), texts()
    trained, whole = gradients(layer.train(), values, mask), gradients(layer.eval(), values, mask)
    for each, expected in zip(trained, whole, strict=True):
        assert torch.allclose(each, expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(layer.train()(values, mask), layer.eval()(values, mask))


def test_the_gradients_are_those_of_small_differences() -> None:
    """Both paths could be wrong in the same way."""
    layer, (values, mask) = made(3), texts()
    assert torch.autograd.gradcheck(lambda *given: layer(given[0], mask), (values,))
    answers = layer(values, mask)
    answers[1, 2].backward()
    known: Any = layer.weight.grad
    step, at = 1e-6, (2, 1, 0)
    with torch.no_grad():
        layer.weight[at] += step
        change = float(layer(values, mask)[1, 2] - answers[1, 2]) / step
    assert change == pytest.approx(float(known[at]), rel=1e-6)


def test_no_mask_reads_all_of_it() -> None:
    """A layer that is asked alone is asked about all places."""
    layer, (values, _) = made(3), texts()
    everything = torch.ones(len(LENGTHS), T, dtype=torch.bool)
    assert torch.equal(layer(values), layer(values, everything))


def test_several_in_a_stack_get_the_gradients_of_each_alone() -> None:
    """A stack is trained through vmap, which has no rule for the kernels of the gradients."""
    layers, (values, mask) = [made(3, seed) for seed in (0, 1)], texts()
    values = values.detach()
    stack = {
        name: torch.stack([layer.get_parameter(name).detach() for layer in layers])
        for name in ("weight", "bias")
    }
    for value in stack.values():
        value.requires_grad_()
    answers = vmap(lambda own: functional_call(layers[0], own, (values, mask)))(stack)
    answers.square().sum().backward()
    for row, layer in enumerate(layers):
        layer(values, mask).square().sum().backward()
        for name in stack:
            together, alone = stack[name].grad, layer.get_parameter(name).grad
            assert together is not None
            assert alone is not None
            assert torch.allclose(together[row], alone, rtol=1e-12)


def test_bfloat16_multiplies_forward_only() -> None:
    """Sums of gradients over a batch lose digits that their terms have."""
    layer, (values, mask) = made(3).float(), texts()
    with torch.autocast("cpu", torch.bfloat16):
        answers = layer(values.detach().float(), mask)
    assert answers.dtype is torch.bfloat16
    answers.float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype is torch.float32
