"""Any torch.nn.Module as a teacher: in evaluation mode, without gradients, never changed."""

import copy
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from limbeck import seeding
from limbeck.errors import LimbeckError, TeacherError
from limbeck.fingerprint import digest, module_digest
from limbeck.students import Student, capture, check_layers
from limbeck.students.capture import logits_of
from limbeck.students.reading import inputs_for, lengths_by_layer
from limbeck.students.weights import fill
from limbeck.teachers.answers import (
    check_not_probabilities,
    checked_classes,
    checked_logits,
    checked_name,
    first_line,
)
from limbeck.teachers.preprocessing import Normalisation
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.types import Batch, Outputs

__all__ = ["TorchModule"]


class TorchModule(Teacher):
    """A module, given or built when needed.

    A module that is given is moved to the device, put into evaluation mode and otherwise left as
    it is. One that is built is forgotten by `release()` and built again when next needed, so that
    of many teachers one is in memory at a time. The hidden layers are not part of the fingerprint:
    reading more of them does not make it another teacher.

    Args:
        module: The module; or a function without arguments that builds it, the same each time.
        weights: A .safetensors file with its weights and buffers; None: as it is, or is built.
        classes: Names of its classes in the order of its columns; None: the transfer set's order.
        hidden: Module paths of the layers whose activations it also answers with.
        mean: Subtracted from the inputs, one number per channel; None: inputs as they are.
        std: What they are then divided by, > 0, one number per channel.
        tokenization: How it reads texts; None: it is given the transfer set's inputs.
        name: What reports and stores call it: letters, digits, "_" and "-".
        device: Where it runs: "cpu", "cuda", ...

    Raises:
        TeacherError: if the weights are missing or another model's, or a layer does not exist (for
            a module that is built: when it is first needed).
        ValueError: if the name, the classes or mean and std are not as above.

    Example:
        >>> teacher = TorchModule(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), name="linear")
    """

    def __init__(
        self,
        module: nn.Module | Callable[[], nn.Module],
        *,
        weights: str | Path | None = None,
        classes: Sequence[str] | None = None,
        hidden: Sequence[str] = (),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        tokenization: Tokenization | None = None,
        name: str = "teacher",
        device: str | torch.device = "cpu",
    ) -> None:
        self.name = checked_name(name)
        self.classes = checked_classes(classes)
        self.hidden = (hidden,) if isinstance(hidden, str) else tuple(hidden)
        self.normalisation = Normalisation(mean, std)
        self.tokenization = tokenization
        self.device = torch.device(device)
        self.weights = None if weights is None else Path(weights)
        self.build = None if isinstance(module, nn.Module) else module
        self.identity: str | None = None
        self.loaded: nn.Module | None = None
        if isinstance(module, nn.Module):
            self.loaded = self.prepared(module)
        elif self.weights is not None and not self.weights.is_file():
            raise TeacherError(f"there are no weights at {self.weights}. Correct the path.")

    @classmethod
    def from_student(cls, student: Student, *, name: str = "teacher") -> "TorchModule":
        """A teacher with a copy of a student's weights, its classes, hidden layers, tokenizer."""
        return cls(
            copy.deepcopy(student.module),
            classes=student.classes or None,
            hidden=student.hidden,
            tokenization=student.tokenization,
            name=name,
        )

    @property
    def fingerprint(self) -> str:
        """What weights, buffers, structure, class names and preprocessing hash to."""
        if self.build is not None and self.identity is not None:
            return self.identity
        released = self.loaded is None
        identity = self.identify(self.module)
        if released:
            self.release()
        return identity

    @property
    def module(self) -> nn.Module:
        """The module in evaluation mode, built if need be."""
        if self.loaded is None:
            self.loaded = self.rebuilt()
        if any(layer.training for layer in self.loaded.modules()):  # eval() alone costs more
            self.loaded.eval()
        return self.loaded

    def outputs(self, batch: Batch) -> Outputs:
        """Its logits and hidden features for a batch, float32, on its device.

        Raises:
            TeacherError: if the module fails on the inputs, or answers with something else than
                one logit per class.
        """
        module = self.module
        inputs = batch.inputs
        whose = f"teacher '{self.name}'"
        try:
            inputs = inputs_for(self.tokenization, batch, whose=whose).to(self.device)
            inputs = self.normalisation(inputs, self.name)
            with (
                torch.no_grad(),
                in_full_precision(self.device.type),
                capture(module, self.hidden, whose=whose) as features,
            ):
                logits = logits_of(module(in_precision_of(module, inputs)), whose=whose)
        except LimbeckError as error:
            raise TeacherError(str(error)) from error
        except Exception as error:
            raise TeacherError(
                f"{whose} failed on inputs of shape {tuple(inputs.shape)}: {first_line(error)}. "
                "If it wants another shape, wrap it in a module that makes it, for instance with "
                "nn.Flatten() first."
            ) from error
        logits = checked_logits(logits, len(batch), self.classes, self.name)
        remedy = "Leave out the model's last softmax, or return log_softmax."
        check_not_probabilities(logits, self.name, remedy)
        hidden = {path: value.float() for path, value in features.items()}
        tokenization = self.tokenization or batch.tokenization
        return Outputs(logits, hidden, lengths_by_layer(hidden, inputs, tokenization))

    def release(self) -> None:
        """Forget the module, if it can be built again."""
        if self.build is not None:
            self.loaded = None

    def rebuilt(self) -> nn.Module:
        """The module from its function and weights; a TeacherError if it is not what it was."""
        assert self.build is not None
        with seeding.seeded(0, "teacher"):
            try:
                built = self.build()
            except LimbeckError as error:
                raise TeacherError(str(error)) from error
        if not isinstance(built, nn.Module):
            raise TeacherError(
                f"the function that builds teacher '{self.name}' returned "
                f"{type(built).__name__}, not a torch.nn.Module. Return the model."
            )
        module = self.prepared(built)
        identity = self.identify(module)
        if self.identity not in (None, identity):
            raise TeacherError(
                f"teacher '{self.name}' is not what it was when first built: its weights or its "
                "structure changed meanwhile. Annotate again from the start with one of them."
            )
        self.identity = identity
        return module

    def prepared(self, module: nn.Module) -> nn.Module:
        """The module with its weights, layers checked, on its device, in evaluation mode."""
        whose = f"teacher '{self.name}'"
        try:
            if self.weights is not None:
                fill(module, self.weights, whose=whose)
            check_layers(module, self.hidden, whose=whose)
        except LimbeckError as error:
            raise TeacherError(str(error)) from error
        return module.to(self.device).eval()

    def identify(self, module: nn.Module) -> str:
        """What a module, read as this teacher reads it, hashes to."""
        structure = re.sub(r" at 0x[0-9a-f]+", "", repr(module))
        return digest(
            "torch_module",
            module_digest(module),
            structure,
            self.classes,
            self.normalisation.settings,
            *(() if self.tokenization is None else (self.tokenization.fingerprint,)),
        )


def in_full_precision(device: str) -> AbstractContextManager[object]:
    """Outside autocast, if the caller is in it: entering it costs as much as a small layer."""
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def in_precision_of(module: nn.Module, inputs: Tensor) -> Tensor:
    """Inputs in the precision of the module's weights: a bfloat16 model takes bfloat16."""
    if inputs.is_floating_point():
        for parameter in module.parameters():
            if parameter.is_floating_point():
                return inputs.to(parameter.dtype)
    return inputs
