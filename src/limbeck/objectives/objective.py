"""What every objective is, and weighted sums of them."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.types import Knowledge, Outputs

__all__ = ["Objective", "WeightedSum"]

Shapes = Mapping[str, tuple[int, ...]]


class Objective(nn.Module, ABC):
    """A student against knowledge and labels, as one number to minimise.

    Reduces per example first, then over the examples that count. Classes are on the last axis.
    Runs outside autocast, whatever the student runs in: its arithmetic is float32 at least.

    Attributes:
        needs: What must be in the knowledge: any of "logits", "hidden", "labels".
        teacher_layers: The hidden layers it reads of the teacher.
        student_layers: The hidden layers it reads of the student.
        temperatures: What it divides the teacher's logits by; a top-k store must hold these.
        relational: Whether it compares examples with each other. Then the loss of a batch is not
            the mean of its parts: it depends on the batch size, and accumulated parts of a batch
            are not the whole batch.
        varying: Settings that `forward` also takes as a tensor of one number, so that students who
            differ in them can be trained together.
    """

    needs: frozenset[str] = frozenset({"logits"})
    teacher_layers: tuple[str, ...] = ()
    student_layers: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    relational: bool = False
    varying: tuple[str, ...] = ()

    @property
    def reads_teacher(self) -> bool:
        """Whether it learns from more than labels."""
        return bool(self.needs - {"labels"})

    def __call__(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The loss; see `forward`."""
        device = student.logits.device.type
        loss: Tensor
        if torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                loss = super().__call__(student, teacher, labels)
        else:  # entering autocast costs as much as a small loss
            loss = super().__call__(student, teacher, labels)
        return loss

    @abstractmethod
    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The loss in nats where it is an entropy, else as the class says.

        Raises:
            LimbeckError: if student and teacher do not fit, in classes, examples or layers.
        """

    def bind(self, teacher_shapes: Shapes, student_shapes: Shapes) -> None:
        """Create trainable layers for hidden features of these shapes, without the batch axis.

        They train with the student and are never saved with it.
        """

    def count(self, labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """How many examples of a batch the loss averages over; weighs accumulated batches.

        Of a weighted sum, ask each of its `terms`: they may count different examples.
        """
        return torch.tensor(float(len(labels)), device=labels.device)

    @property
    def terms(self) -> tuple[tuple[float, "Objective"], ...]:
        """The weighted terms it is a sum of: itself, once."""
        return ((1.0, self),)

    def settings(self) -> dict[str, Any]:
        """Its constructor's arguments, as a recipe states them."""
        return {name: getattr(self, name) for name in constructor_parameters(type(self))}

    def __add__(self, other: "Objective") -> "WeightedSum":
        if not isinstance(other, Objective):
            return NotImplemented
        return WeightedSum(self.terms + other.terms)

    def __mul__(self, weight: float) -> "WeightedSum":
        if not isinstance(weight, (int, float)):
            return NotImplemented
        return WeightedSum(tuple((weight * w, objective) for w, objective in self.terms))

    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.settings() == other.settings()

    __hash__ = nn.Module.__hash__

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.settings().items())
        return f"{type(self).__name__}({arguments})"


class WeightedSum(Objective):
    """Objectives added up: `0.9 * SoftTargets(temperature=4.0) + 0.1 * HardLabels()`.

    Args:
        terms: (weight, objective) pairs, weights >= 0 and finite, at least one.

    Raises:
        ValueError: if there are no terms or a weight is negative or not finite.
    """

    def __init__(self, terms: tuple[tuple[float, Objective], ...]) -> None:
        super().__init__()
        if not terms:
            raise ValueError("an objective needs at least one term, such as soft_targets.")
        for weight, objective in terms:
            if not 0 <= weight < float("inf"):
                raise ValueError(
                    f"{type(objective).__name__} has weight {weight}; weights are 0 or more and "
                    "finite."
                )
        self.weights = tuple(float(weight) for weight, _ in terms)
        self.objectives = nn.ModuleList([objective for _, objective in terms])
        self.needs = frozenset().union(*(objective.needs for _, objective in terms))
        self.teacher_layers = tuple(layer for _, o in terms for layer in o.teacher_layers)
        self.student_layers = tuple(layer for _, o in terms for layer in o.student_layers)
        self.temperatures = tuple(T for _, o in terms for T in o.temperatures)
        self.relational = any(objective.relational for _, objective in terms)

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        """The weighted terms, nested sums already multiplied out."""
        return tuple(zip(self.weights, self.objectives, strict=True))  # type: ignore[arg-type]

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The weighted sum of the terms."""
        total: Tensor | None = None
        for weight, term in self.terms:
            loss = term(student, teacher, labels)
            if total is None:
                total = loss if weight == 1.0 else weight * loss
            else:
                total = torch.add(total, loss, alpha=weight)
        assert total is not None
        return total

    def bind(self, teacher_shapes: Shapes, student_shapes: Shapes) -> None:
        """Bind every term."""
        for _, term in self.terms:
            term.bind(teacher_shapes, student_shapes)

    def __repr__(self) -> str:
        return " + ".join(f"{weight:g} * {objective!r}" for weight, objective in self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeightedSum) and self.terms == other.terms

    __hash__ = nn.Module.__hash__


def constructor_parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    """A class's constructor parameters by name, which is also the recipe key.

    A class without a constructor of its own has none: `nn.Module`'s takes (*args, **kwargs).
    """
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(kind).parameters
    return {name: each for name, each in parameters.items() if each.kind not in variable}
