"""Students: a module, the hidden layers to read, and how to build it afresh for a seed."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limbeck import seeding
from limbeck.students.capture import capture
from limbeck.types import Batch, Outputs

__all__ = ["Student"]


class Student:
    """A model to train.

    Args:
        module: A module, whose present weights are where every run starts (a pretrained student);
            or a function without arguments that builds one, called anew with each run's seed.
        hidden: Module paths of the layers that `outputs` returns, such as ("layer2",).
        architecture: What a recipe calls it, {"mlp": {"inputs": 64, ...}}, so that a saved student
            can be built again; {} for a module given as such.

    Raises:
        LimbeckError: if a layer does not exist; the closest is named.

    Attributes:
        classes: Class names, known once it is trained.
        input_shape: Shape of one example, known once it is trained.
        probe: Some real inputs (at most 256 examples), to check an export with.
    """

    def __init__(
        self,
        module: nn.Module | Callable[[], nn.Module],
        *,
        hidden: tuple[str, ...] = (),
        architecture: Mapping[str, Any] | None = None,
    ) -> None:
        self.build = module if not isinstance(module, nn.Module) else None
        if isinstance(module, nn.Module):
            self.module = module
        else:
            with seeding.seeded(0, "weights"):
                self.module = module()
        self.hidden = hidden
        self.architecture = dict(architecture or {})
        self.classes: tuple[str, ...] = ()
        self.input_shape: tuple[int, ...] = ()
        self.probe: Tensor | None = None

    def fresh(self, seed: int) -> "Student":
        """An untrained copy: built with this seed's weights, or with the weights it was given."""
        if self.build is None:
            module = copy.deepcopy(self.module)
        else:
            with seeding.seeded(seed, "weights"):
                module = self.build()
        student = copy.copy(self)
        student.module = module
        return student

    def outputs(self, batch: Batch) -> Outputs:
        """Its logits and hidden features for a batch, in the mode the module is in."""
        with capture(self.module, self.hidden) as features:
            logits = self.module(batch.inputs)
        return Outputs(logits, dict(features))

    def parameters_count(self) -> int:
        """How many trainable numbers it has."""
        return sum(p.numel() for p in self.module.parameters())

    def to(self, device: torch.device | str) -> "Student":
        """Move the module to a device."""
        self.module.to(device)
        return self
