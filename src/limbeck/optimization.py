"""Optimizers and schedules as plain values, as recipes state them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["SGD", "AdamW", "Constant", "Cosine", "OneCycle", "Optimizer", "Schedule"]


@dataclass(frozen=True)
class Optimizer(ABC):
    """How weights are updated. Weight decay applies to matrices and kernels, not to biases.

    Attributes:
        learning_rate: The largest step size, > 0; the schedule scales it between 0 and 1.
        weight_decay: As the optimizer says, >= 0.
    """

    learning_rate: float
    weight_decay: float

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate is {self.learning_rate}; it must be positive and finite. "
                "Try 0.001 for adamw or 0.1 for sgd."
            )

    def build(self, modules: Iterable[nn.Module]) -> torch.optim.Optimizer:
        """The torch optimizer for all parameters of these modules."""
        return self.over(decayed_groups(modules, self.weight_decay))

    @abstractmethod
    def over(self, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
        """The torch optimizer for these groups of parameters."""


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent with Nesterov momentum.

    Attributes:
        learning_rate: Step size, > 0.
        momentum: In [0, 1); 0 switches Nesterov's look-ahead off too.
        weight_decay: L2 penalty, >= 0.
    """

    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0

    def over(self, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
        """Torch's SGD for these groups of parameters."""
        return torch.optim.SGD(
            groups,
            lr=self.learning_rate,
            momentum=self.momentum,
            nesterov=self.momentum > 0,
            fused=True,
        )


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101.

    Attributes:
        learning_rate: Step size, > 0.
        weight_decay: Decoupled decay per step in units of the learning rate, >= 0.
        betas: Decay rates of the two moments, each in [0, 1).
        epsilon: Added to the root of the second moment, > 0.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def over(self, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
        """Torch's AdamW for these groups of parameters."""
        first, second = self.betas
        return torch.optim.AdamW(
            groups,
            lr=self.learning_rate,
            betas=(first, second),
            eps=self.epsilon,
            fused=True,
        )


@dataclass(frozen=True)
class Schedule(ABC):
    """How the learning rate changes over a run.

    Attributes:
        warm_up: Part of the run, in [0, 1), over which the learning rate rises linearly from 0.
    """

    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < 1:
            raise ValueError(
                f"warm_up is {self.warm_up}; it is a part of the run, at least 0 and below 1."
            )

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by in step 0 to steps - 1."""
        rising = self.warm_up * steps
        if step < rising:
            return (step + 1) / (rising + 1)
        return self.after_warm_up((step - rising) / max(1.0, steps - rising))

    @abstractmethod
    def after_warm_up(self, progress: float) -> float:
        """The factor at this part, in [0, 1), of what remains after the warm-up."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate throughout, after the warm-up."""

    def after_warm_up(self, progress: float) -> float:
        """Always 1."""
        return 1.0


@dataclass(frozen=True)
class Cosine(Schedule):
    """Down to 0 along half a cosine. Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983."""

    def after_warm_up(self, progress: float) -> float:
        """From 1 to 0."""
        return 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A linear rise, long unless told otherwise, then a linear fall to 0.

    Smith & Topin 2019, https://arxiv.org/abs/1708.07120; without its cycle of the momentum. With
    warm_up=0.1 it is the schedule of BERT: Devlin et al. 2019, https://arxiv.org/abs/1810.04805,
    appendix A.2.
    """

    warm_up: float = 0.3

    def after_warm_up(self, progress: float) -> float:
        """From 1 to 0."""
        return 1.0 - progress


def decayed_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, object]]:
    parameters: list[Tensor] = [p for module in modules for p in module.parameters()]
    parameters = [p for p in parameters if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
