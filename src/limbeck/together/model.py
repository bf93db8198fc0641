"""Many modules of one structure as one: their weights stacked, one forward pass for all."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.func import functional_call, vmap

__all__ = ["Given", "StackedModel"]


class Given(nn.Module):
    """In the place of a layer whose answer has been computed beforehand."""

    value: Tensor

    def forward(self, _: Tensor) -> Tensor:
        """The answer."""
        return self.value


class StackedModel:
    """The weights of many modules, one leading axis more, and what they say.

    Students that share a data order share their first matrix product: one of (b, inputs) with the
    weights of all of them side by side.

    Args:
        modules: Of one structure, without buffers.
        inputs: A few real inputs (b, ...), to see which layer reads them first.

    Attributes:
        weights: Parameter name -> (s, ...); those that are trained require a gradient.
        linear: Names of the weights of linear layers.
    """

    def __init__(self, modules: Sequence[nn.Module], inputs: Tensor) -> None:
        first = modules[0]
        parameters = [dict(module.named_parameters()) for module in modules]
        self.weights = {
            name: torch.stack([p[name].detach().contiguous() for p in parameters]).requires_grad_(
                parameter.requires_grad
            )
            for name, parameter in first.named_parameters()
        }
        self.linear = [
            f"{path}.weight" if path else "weight"
            for path, layer in first.named_modules()
            if isinstance(layer, nn.Linear)
        ]
        self.entry = entry_layer(first, inputs)
        self.skeleton = copy.deepcopy(first)
        if self.entry:
            self.skeleton.set_submodule(self.entry, Given())
        self.skeleton.to("meta")

    def logits(
        self, inputs: Num[Tensor, "orders b ..."], orders: Int[Tensor, " s"] | None
    ) -> Float[Tensor, "s b c"]:
        """What every student says about the batch of its order.

        Args:
            inputs: One batch per order.
            orders: Which of them each student is given, ascending; None: the only one.
        """
        weights, batch_axis = dict(self.weights), 0
        if self.entry:
            weight = weights.pop(f"{self.entry}.weight")
            bias = weights.pop(f"{self.entry}.bias", None)
            weights[f"{self.entry}.value"] = first_products(inputs, weight, bias, orders)
            inputs = inputs[0]  # no layer reads it: only its shape counts
            batch_axis = None  # type: ignore[assignment]
        elif orders is None:
            inputs, batch_axis = inputs[0], None  # type: ignore[assignment]
        else:
            inputs = inputs[orders]

        def one(own: dict[str, Tensor], batch: Tensor) -> Tensor:
            answer: Tensor = functional_call(self.skeleton, own, (batch,))
            return answer

        logits: Tensor = vmap(one, in_dims=(0, batch_axis))(weights, inputs)
        return logits


def entry_layer(module: nn.Module, inputs: Tensor) -> str:
    """The path of the linear layer that reads the inputs as they are; "" if there is none."""
    seen: dict[str, int] = {}
    readers: list[str] = []
    flat = inputs.flatten(1)

    def watch(path: str) -> object:
        def see(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            seen[path] = seen.get(path, 0) + 1
            if given[0].shape == flat.shape and torch.equal(given[0], flat):
                readers.append(path)

        return see

    handles = [
        layer.register_forward_pre_hook(watch(path))  # type: ignore[arg-type]
        for path, layer in module.named_modules()
        if type(layer) is nn.Linear and path
    ]
    try:
        with torch.no_grad():
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return readers[0] if len(readers) == 1 and seen[readers[0]] == 1 else ""


def first_products(
    inputs: Float[Tensor, "orders b ..."],
    weight: Float[Tensor, "s units inputs"],
    bias: Float[Tensor, "s units"] | None,
    orders: Int[Tensor, " s"] | None,
) -> Float[Tensor, "s b units"]:
    """A linear layer of every student on the batch of its order."""
    flat = inputs.flatten(2)
    students, units = weight.shape[:2]
    if len(flat) == students:
        products = torch.bmm(flat, weight.transpose(1, 2))
    else:
        counts = [students] if orders is None else orders.bincount().tolist()
        groups = zip(flat, weight.split(counts), counts, strict=True)
        products = torch.cat(
            [
                (batch @ own.flatten(0, 1).t()).view(-1, count, units).transpose(0, 1)
                for batch, own, count in groups
            ]
        )
    return products if bias is None else products + bias.unsqueeze(1)
