"""A student with constants added to its logits: in its output bias, or around its module."""

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students.capture import logits_of
from limbeck.students.student import Student

__all__ = ["Shifted", "shifted"]


class Shifted(nn.Module):
    """A module with a constant added to each logit, where there is no output bias to add it to.

    Args:
        model: Any classifier.
        shift: One number per class; zeros until weights are loaded into it.
    """

    shift: Tensor

    def __init__(self, model: nn.Module, shift: Float[Tensor, " c"]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("shift", shift)

    def forward(self, *inputs: Tensor) -> Float[Tensor, "b c"]:
        """The shifted logits."""
        logits = logits_of(self.model(*inputs))
        return logits + self.shift.to(logits.dtype)


def shifted(student: Student, shift: Float[Tensor, " c"], names: tuple[str, ...]) -> Student:
    """A copy of the student with the shift in its output bias, or in a wrapper around it."""
    corrected = copy.copy(student)
    module = copy.deepcopy(student.module).eval()
    layer = output_layer(module)
    if layer is None:
        device: Any = next((p.device for p in module.parameters()), None)
        module = Shifted(module, shift.float().to(device)).eval()
        corrected.hidden = tuple(f"model.{path}" for path in student.hidden)
        corrected.architecture = {}
    elif len(layer.bias) != len(names):
        raise LimbeckError(
            f"the student's output layer has {len(layer.bias)} classes and {len(names)} are named. "
            "Give data with the student's classes."
        )
    else:
        with torch.no_grad():
            layer.bias.add_(shift.to(layer.bias))
    corrected.module, corrected.build, corrected.classes = module, None, names
    return corrected


def output_layer(module: nn.Module) -> nn.Linear | None:
    """The linear layer that certainly makes the logits: the last of a plain sequence."""
    while type(module) is nn.Sequential and len(module):
        module = module[-1]
    if isinstance(module, nn.Linear) and isinstance(module.bias, nn.Parameter):
        return module
    return None
