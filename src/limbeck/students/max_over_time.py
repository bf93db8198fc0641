"""Patterns over a text, of which only the strongest match counts: a convolution and its maximum.

Collobert et al., "Natural language processing (almost) from scratch", JMLR 12, 2011,
https://arxiv.org/abs/1103.0398, section 3.3.2.

The maximum gives a gradient to one place of each pattern and text. Training therefore follows these
places alone: it costs little more than the forward pass, where a convolution's own backward pass
would multiply the zeros of all others.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

__all__ = ["Patterns"]


class Patterns(nn.Conv1d):
    """A convolution over tokens, (b, t, inputs), and its maximum over each text.

    Args:
        inputs: Numbers that describe a token.
        channels: How many patterns.
        width: Tokens that a pattern reads; width // 2 zeros stand before the text and after it.
    """

    def __init__(self, inputs: int, channels: int, width: int) -> None:
        super().__init__(inputs, channels, width, padding=width // 2)

    def forward(
        self, values: Float[Tensor, "b t inputs"], mask: Bool[Tensor, "b t"] | None = None
    ) -> Float[Tensor, "b channels"]:
        """How well each pattern fits where it fits best, in the text and not in its padding."""
        if mask is None:
            mask = torch.ones_like(values[..., 0], dtype=torch.bool)
        if self.training:
            return strongest(values, self.weight, self.bias, mask)[0]
        return fits(values, self.weight, self.bias, mask).amax(dim=2)


def fits(
    values: Float[Tensor, "b t inputs"],
    weight: Float[Tensor, "channels inputs width"],
    bias: Float[Tensor, " channels"] | None,
    mask: Bool[Tensor, "b t"],
) -> Float[Tensor, "b channels places"]:
    """The convolution at the places that a text has when it is alone; -infinity elsewhere.

    Those are t, or t + 1 of even widths.
    """
    found = functional.conv1d(values.transpose(1, 2), weight, bias, padding=weight.shape[2] // 2)
    places = functional.pad(mask, (found.shape[2] - mask.shape[1], 0), value=True)
    return found.masked_fill(~places.unsqueeze(1), float("-inf"))


def strongest(*arguments: Tensor | None) -> tuple[Tensor, Tensor]:
    """The maxima of `fits` over its places, and where they are."""
    found: tuple[Tensor, Tensor] = _Maximum.apply(*arguments)  # type: ignore[no-untyped-call]
    return found


class _Maximum(torch.autograd.Function):
    """How `strongest` answers, and what follows from a change of its answers."""

    @staticmethod
    def forward(
        values: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        best, place = fits(values, weight, bias, mask).max(dim=2)
        return best, place

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        values, weight, _, _ = inputs
        ctx.save_for_backward(values, weight, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, place = ctx.saved_tensors
        gradient = gradient.to(values.dtype)
        return (
            for_values(values, weight, place, gradient),
            for_weight(values, weight, place, gradient),
            gradient.sum(dim=0),
            None,
        )

    @staticmethod
    def vmap(info: Any, axes: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        """One student of a stack after the other."""
        each = [
            strongest(
                *(
                    value if axis is None else value.select(axis, row)
                    for value, axis in zip(arguments, axes, strict=True)
                )
            )
            for row in range(info.batch_size)
        ]
        return tuple(torch.stack(found) for found in zip(*each, strict=True)), (0, 0)


def for_weight(
    values: Float[Tensor, "b t inputs"],
    weight: Float[Tensor, "channels inputs width"],
    place: Int[Tensor, "b channels"],
    gradient: Float[Tensor, "b channels"],
) -> Float[Tensor, "channels inputs width"]:
    """The sum of what each pattern has read at its places, weighted by the gradients."""
    channels, inputs, width = weight.shape
    edge = width // 2
    padded = functional.pad(values, (0, 0, edge, edge))
    first = torch.arange(len(values), device=values.device).unsqueeze(1) * padded.shape[1]
    tokens = torch.arange(width, device=values.device).unsqueeze(1)
    read = (place + first).T.unsqueeze(1) + tokens  # (channels, width, b)
    sums = functional.embedding_bag(
        read.reshape(channels * width, -1),
        padded.reshape(-1, inputs),
        mode="sum",
        per_sample_weights=gradient.T.repeat_interleave(width, dim=0),
    )
    return sums.view(channels, width, inputs).transpose(1, 2)


def for_values(
    values: Float[Tensor, "b t inputs"],
    weight: Float[Tensor, "channels inputs width"],
    place: Int[Tensor, "b channels"],
    gradient: Float[Tensor, "b channels"],
) -> Float[Tensor, "b t inputs"]:
    """The sum of the patterns that have their place at, or next to, a token, weighted alike."""
    (b, t, inputs), (channels, _, width) = values.shape, weight.shape
    edge = width // 2
    places = t + 2 * edge - width + 1
    place, order = place.sort(dim=1)
    texts = torch.arange(b, device=values.device).unsqueeze(1)
    begins = torch.searchsorted(
        (place + texts * places).flatten(), torch.arange(b * places, device=values.device)
    )
    sums = functional.embedding_bag(
        order.flatten(),
        weight.transpose(1, 2).reshape(channels, width * inputs),
        begins,
        mode="sum",
        per_sample_weights=gradient.gather(1, order).flatten(),
    ).view(b, places, width, inputs)
    padded = values.new_zeros(b, t + 2 * edge, inputs)
    for token in range(width):
        padded[:, token : token + places] += sums[:, :, token]
    return padded[:, edge : edge + t]
