"""A trained student that loses units, or single weights, while it is trained further.

Structured pruning takes whole filters of a convolution and units of a linear layer, those with the
smallest L1 norm of their incoming weights: Li, Kadav, Durdanovic, Samet & Graf, "Pruning filters
for efficient ConvNets", 2016, https://arxiv.org/abs/1608.08710, section 3. Unstructured pruning
takes the smallest weights: Han, Pool, Tran & Dally, "Learning both weights and connections for
efficient neural networks", 2015, https://arxiv.org/abs/1506.02626. `limbeck.pruning` says when.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from limbeck.errors import LimbeckError
from limbeck.students.student import Student

__all__ = ["Prunable", "Pruning", "prunable", "prune", "pruned"]


@dataclass(frozen=True)
class Pruning:
    """What a student loses.

    Attributes:
        sparsity: Share of each layer's units or weights that are gone in the end, in (0, 1).
        structured: Whether whole units go, or single weights.
    """

    sparsity: float
    structured: bool = True


@dataclass(frozen=True)
class Prunable:
    """A layer that can lose units.

    Attributes:
        layer: Linear or a convolution, its units along the first axis of the weight.
        norm: The batch normalisation right after it; None where there is none.
    """

    layer: nn.Module
    norm: nn.Module | None


def prune(student: Student, sparsity: float, *, structured: bool = True) -> Student:
    """A copy of a trained student that is pruned while it is trained further.

    It begins with the student's weights, whatever the seed. Its last layer stays whole, and so do
    frozen layers. After structured pruning, an `mlp` and a `cnn` come out of the training as dense
    nets without the units that are gone; all other students keep their shape, with zeros.

    Args:
        student: Trained; it stays as it is.
        sparsity: Share of each layer's units, or of its weights, that go, in (0, 1).
        structured: Whether whole units go, or single weights, which makes no student smaller or
            faster.

    Raises:
        LimbeckError: if the sparsity is out of its range, or no layer can be pruned.

    Example:
        >>> teacher = lb.TorchModule.from_student(run.student)  # doctest: +SKIP
        >>> student = lb.prune(run.student, 0.75)  # doctest: +SKIP
    """
    if isinstance(sparsity, bool) or not 0 < sparsity < 1:
        raise LimbeckError(
            f"sparsity is {sparsity}; it is a share between 0 and 1, such as 0.75 to take three "
            "of four units."
        )
    found = copy.copy(student)
    found.module = copy.deepcopy(student.module)
    found.build = None
    found.pruning = Pruning(float(sparsity), structured)
    if not prunable(found.module):
        raise LimbeckError(
            "the student has no layer to prune: it needs a linear layer or a convolution with "
            "two units or more before its last one, and not frozen. Take a deeper student."
        )
    return found


def pruned(trained: str | Path, sparsity: float, *, structured: bool = True) -> Student:
    """`prune` of a saved student; in a recipe, of its teacher if none is named.

    Args:
        trained: The student's folder.
        sparsity: As for `prune`.
        structured: As for `prune`.

    Raises:
        LimbeckError: if there is no saved student, or as for `prune`.
    """
    from limbeck.students.saving import load

    if not (Path(trained) / "student.json").is_file():
        raise LimbeckError(
            f"no saved student at {trained} (no student.json), which the pruned one begins as. "
            "Save one there; or, where it is the recipe's teacher, train it first: limbeck "
            "annotate RECIPE"
        )
    return prune(load(trained), sparsity, structured=structured)


def prunable(module: nn.Module) -> list[Prunable]:
    """The layers to prune, in the module's order: all but the last, and none that is frozen."""
    found: list[Prunable] = []
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, _ConvNd)) and not isinstance(layer, _ConvTransposeNd):
            found.append(Prunable(layer, None))
        elif isinstance(layer, _BatchNorm) and found:
            last = found[-1]
            if last.norm is None and layer.num_features == len(weight_of(last)):
                found[-1] = Prunable(last.layer, layer)
    return [
        each for each in found[:-1] if weight_of(each).requires_grad and len(weight_of(each)) > 1
    ]


def weight_of(prunable: Prunable) -> nn.Parameter:
    """The weight of a layer, (units, ...)."""
    weight = prunable.layer.weight
    assert isinstance(weight, nn.Parameter)
    return weight
