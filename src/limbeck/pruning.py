"""Pruning while training: which weights are gone at which update, and that they stay gone.

    s(t) = S + (s_0 - S) (1 - t / span)^3,    s_0 = 0.05, span = 3/4 of all updates

of each layer's units, or of its weights, are gone after update t, and S from the span on: Zhu &
Gupta, "To prune, or not to prune", 2017, https://arxiv.org/abs/1710.01878, section 3, with the
numbers of Blakeney et al., "Simon Says", 2021, https://arxiv.org/abs/2106.07849. What is gone is
exactly zero and never comes back, so that the weights of a checkpoint say what is gone. A unit that
is gone has no weights, no bias, and no scale and shift in the normalisation after it: its output is
zero, and `compacted` can leave it out.
"""

import copy

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.job import Job
from limbeck.students import Student
from limbeck.students.architecture import from_architecture
from limbeck.students.pruned import Prunable, Pruning, prunable, weight_of

__all__ = ["Masks", "compacted", "pruned_at_once", "share_gone"]

FIRST, UNTIL = 0.05, 0.75
"""Share that goes at once, and share of the updates after which the last goes."""

TIMES = 100
"""How often more of a layer goes."""


class Masks:
    """What is gone of a student, and what goes next.

    Args:
        module: The student's.
        pruning: What it loses.
        updates: How many there will be; none where all goes at once.
    """

    def __init__(self, module: nn.Module, pruning: Pruning, updates: int = 0) -> None:
        self.module, self.pruning = module, pruning
        self.span = int(UNTIL * updates)
        self.gone: list[Tensor] = []
        self.read()

    @classmethod
    def of(cls, student: Student, job: Job) -> "Masks | None":
        """What the job takes from its student; None where that is nothing.

        Raises:
            LimbeckError: if the job could end, or keep weights, before all is gone.
        """
        if student.pruning is None:
            return None
        if job.training.patience is not None:
            raise LimbeckError(
                f"patience is {job.training.patience} and the student is pruned until "
                f"{UNTIL:.0%} of its training: it could stop, or keep an epoch's weights, before "
                "that. Leave patience out."
            )
        return cls(student.module, student.pruning, job.updates)

    def read(self) -> None:
        """What is gone, from the weights: what is zero."""
        self.gone = [
            gone_units(weight_of(each)) if self.pruning.structured else weight_of(each) == 0
            for each in prunable(self.module)
        ]

    def update(self, step: int) -> None:
        """After an update, the first being 0: set to zero what is gone, and now and then more."""
        self.clear(self.module)
        if step <= self.span and (step % max(1, self.span // TIMES) == 0 or step == self.span):
            self.lose(share_gone(step, self.span, self.pruning.sparsity))

    def lose(self, share: float) -> None:
        """Set to zero what is smallest, until this share of each layer is gone."""
        self.gone = [
            gone | smallest(each, share, structured=self.pruning.structured)
            for each, gone in zip(prunable(self.module), self.gone, strict=True)
        ]
        self.clear(self.module)

    @torch.no_grad()
    def clear(self, module: nn.Module) -> None:
        """Set to zero what is gone, in the student's module or in one of the same structure."""
        for each, gone in zip(prunable(module), self.gone, strict=True):
            weight_of(each)[gone] = 0.0
            if self.pruning.structured:
                for other in companions(each):
                    other[gone] = 0.0


def share_gone(step: int, span: int, sparsity: float) -> float:
    """The share of a layer that is gone after this update, in [0, 1)."""
    begun = min(FIRST, sparsity)
    left = max(0.0, 1.0 - step / span) if span else 0.0
    return sparsity + (begun - sparsity) * left**3


@torch.no_grad()
def smallest(prunable: Prunable, share: float, *, structured: bool) -> Bool[Tensor, "..."]:
    """Which units of a layer, or which of its weights, are this share with the smallest norm."""
    weight = weight_of(prunable)
    sizes = weight.abs().flatten(1).sum(dim=1) if structured else weight.abs().flatten()
    count = min(round(share * len(sizes)), len(sizes) - 1)
    found = torch.zeros_like(sizes, dtype=torch.bool)
    found[sizes.argsort(stable=True)[:count]] = True
    return found if structured else found.view(weight.shape)


def gone_units(weight: Tensor) -> Bool[Tensor, " units"]:
    """Which units have no weight that is not zero."""
    return (weight == 0).flatten(1).all(dim=1)


def companions(prunable: Prunable) -> list[Tensor]:
    """What else a unit has one number of: the bias, and scale and shift of the normalisation."""
    tensors = [prunable.layer.bias]
    if prunable.norm is not None:
        tensors += [prunable.norm.weight, prunable.norm.bias]
    return [tensor for tensor in tensors if isinstance(tensor, Tensor)]


def pruned_at_once(student: Student) -> Student:
    """The student without all that it is going to lose; one that loses nothing as it is."""
    pruning = student.pruning
    if pruning is None:
        return student
    found = copy.copy(student)
    found.module = copy.deepcopy(student.module)
    masks = Masks(found.module, pruning)
    masks.lose(pruning.sparsity)
    found = compacted(found)
    found.build = found.pruning = None  # it keeps its weights
    return found


def compacted(student: Student) -> Student:
    """A dense student without the units that are gone, with the same answers.

    An `mlp` or a `cnn` after structured pruning; any other student comes back as it is.
    """
    name = next(iter(student.architecture), "")
    pruning = student.pruning
    if pruning is None or not pruning.structured or name not in ("mlp", "cnn"):
        return student
    layers = [each for each in student.module.modules() if isinstance(each, (nn.Linear, nn.Conv2d))]
    kept = [~gone_units(layer.weight) for layer in layers[:-1]]
    kept.append(torch.ones(len(layers[-1].weight), dtype=torch.bool))
    widths = [int(each.sum()) for each in kept[:-1]]
    arguments = dict(student.architecture[name])
    if name == "mlp":
        arguments["hidden"] = widths
    else:
        blocks = len(arguments["channels"])
        arguments |= {
            "channels": widths[:blocks],
            "hidden": widths[blocks] if widths[blocks:] else 0,
        }
    small = from_architecture({name: arguments})
    copy_kept(student.module, small.module, kept)
    small.hidden, small.frozen = student.hidden, student.frozen
    small.freeze()
    small.module.train(student.module.training)
    return small


@torch.no_grad()
def copy_kept(old: nn.Module, new: nn.Module, kept: list[Bool[Tensor, " _"]]) -> None:
    """Copy the weights of the units that are kept; layers follow one another in their order."""
    before: Tensor | None = None
    now, coming = torch.empty(0), iter(kept)
    for source, target in zip(old.modules(), new.modules(), strict=True):
        if isinstance(source, (nn.Linear, nn.Conv2d)):
            assert isinstance(target, (nn.Linear, nn.Conv2d))
            now = next(coming)
            weight = source.weight[now]
            if before is not None:  # a flattened map has height x width inputs for each channel
                weight = weight[:, before.repeat_interleave(weight.shape[1] // len(before))]
            target.weight.copy_(weight)
            if source.bias is not None and target.bias is not None:
                target.bias.copy_(source.bias[now])
            before = now
        elif isinstance(source, nn.BatchNorm2d):
            state = {k: v[now] if v.ndim else v for k, v in source.state_dict().items()}
            target.load_state_dict(state)
