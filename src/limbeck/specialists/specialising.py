"""Training a specialist from a generalist's weights.

A specialist starts as the generalist, with an output layer for its special classes and a dustbin.
Rows of special classes are taken over. The dustbin's row is the mean of the other rows, its bias
raised by the logarithm of how many there are: the largest affine function below the logsumexp of
the others that gives each the same weight.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5.3, who say no more than
that lower layers are shared and the rest starts from the generalist.
"""

import copy
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.job import Progress
from limbeck.objectives import HardLabels, Objective
from limbeck.specialists.other_classes import OtherClasses
from limbeck.specialists.specialist import Specialist
from limbeck.specialists.specialist_set import checked_special, specialist_set
from limbeck.store import KnowledgeSource, KnowledgeSubset
from limbeck.students import Student, check_layers
from limbeck.teachers import TorchModule
from limbeck.training import Training, distill
from limbeck.transfer_sets import TransferSet

__all__ = ["specialised", "train_specialist"]


def train_specialist(
    generalist: Student,
    transfer_set: TransferSet,
    special: Sequence[int],
    training: Training | None = None,
    *,
    knowledge: KnowledgeSource | None = None,
    temperature: float = 4.0,
    output: str = "output",
    name: str = "specialist",
    seed: int = 0,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Specialist:
    """Train a specialist for some classes, on them and as many other examples.

    It overfits easily, as it sees few examples: train it for less long than the generalist.

    Args:
        generalist: A trained student; it stays as it is.
        transfer_set: What the generalist was trained on, labelled.
        special: Class numbers, such as one set of `confusable_classes`.
        training: How; the defaults of `Training` otherwise.
        knowledge: None for a specialist with a dustbin. What the generalist said about the
            transfer set, for one that keeps all classes and, of those that are not special, what
            the generalist knows: `HardLabels() + OtherClasses(special, temperature)`.
        temperature: At which that knowledge is matched, > 0.
        output: Module path of the generalist's last linear layer.
        name: What reports call it: letters, digits, "_" and "-".
        seed: Of the sample of other examples, data order and dropout.
        checkpoint: A folder for resumable state.
        device: "cpu", "cuda", ...; None: the best there is.
        progress: Told of each update.

    Raises:
        ValueError: if the special classes are none, all, repeated or unknown.
        DataError: if examples of the special or of other classes are missing.
        StoreMismatch: if the knowledge is about other examples.
        LimbeckError: if the output layer is not a linear layer with one unit per class.
    """
    classes = transfer_set.classes
    chosen = specialist_set(transfer_set, special, all_classes=knowledge is not None, seed=seed)
    known: KnowledgeSource | None = None
    objective: Objective = HardLabels()
    if knowledge is None:
        student = specialised(generalist, chosen.special, len(classes), output=output)
    else:
        student = Student(copy.deepcopy(generalist.module))
        objective = objective + OtherClasses(chosen.special, temperature)
        known = KnowledgeSubset(knowledge, transfer_set, chosen.rows, name=chosen.transfer_set.name)
    run = distill(
        student,
        known,
        chosen.transfer_set,
        objective,
        training,
        seed=seed,
        checkpoint=checkpoint,
        device=device,
        progress=progress,
    )
    return Specialist(
        TorchModule.from_student(run.student, name=name),
        chosen.special,
        tuple(classes),
        chosen.prior,
        chosen.share,
        all_classes=knowledge is not None,
    )


def specialised(
    generalist: Student, special: Sequence[int], classes: int, *, output: str = "output"
) -> Student:
    """A copy of the generalist that scores the special classes, in ascending order, and a dustbin.

    Args:
        generalist: A trained student.
        special: Class numbers.
        classes: How many classes the generalist has.
        output: Module path of its last linear layer.

    Raises:
        ValueError: if the special classes are none, all, repeated or unknown.
        LimbeckError: if the output layer is not a linear layer with one unit per class.
    """
    numbers = checked_special(special, [str(number) for number in range(classes)])
    check_layers(generalist.module, (output,), whose="generalist")
    module = copy.deepcopy(generalist.module)
    last = module.get_submodule(output)
    if not isinstance(last, nn.Linear) or last.out_features != classes:
        raise LimbeckError(
            f"the generalist's layer '{output}' is {last}; a specialist takes over the rows of a "
            f"linear layer with {classes} units. Name it with output=..."
        )
    parent, _, attribute = output.rpartition(".")
    setattr(module.get_submodule(parent), attribute, output_layer(last, numbers))
    return Student(module)


@torch.no_grad()
def output_layer(last: nn.Linear, special: tuple[int, ...]) -> nn.Linear:
    """The rows of the special classes, then the dustbin's."""
    is_other = torch.ones(last.out_features, dtype=torch.bool)
    is_other[list(special)] = False
    mine = list(special)
    layer = nn.Linear(last.in_features, len(special) + 1, device=last.weight.device)
    layer.to(last.weight.dtype)
    layer.weight.copy_(torch.cat([last.weight[mine], last.weight[is_other].mean(0, keepdim=True)]))
    bias = last.bias if last.bias is not None else last.weight.new_zeros(last.out_features)
    dustbin = bias[is_other].mean(0, keepdim=True) + math.log(int(is_other.sum()))
    layer.bias.copy_(torch.cat([bias[mine], dustbin]))
    return layer
