"""Some classes of a transfer set, as a task of its own.

Splitting one data set by its classes gives two tasks whose likeness is known, as in Yosinski,
Clune, Bengio & Lipson, "How transferable are features in deep neural networks?", 2014,
https://arxiv.org/abs/1411.1792, section 3.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.transfer_sets.views import Viewed
from limbeck.types import UNLABELLED

__all__ = ["with_classes"]


def with_classes(
    transfer_set: TransferSet, classes: Sequence[str], *, name: str = ""
) -> TransferSet:
    """The examples of these classes only, whose labels count from 0 in the order given.

    Examples without a label are left out. Ids and inputs stay, and with them the augmented views;
    the fingerprint is another one, as the classes are part of it.

    Args:
        transfer_set: Labelled examples.
        classes: Names of its classes, at least two, each once.
        name: What reports call the new set; "" for the old name.

    Raises:
        DataError: if there is no such class (the closest is named), one is named twice, fewer than
            two are named, one has no example, or the set is of a type that cannot be relabelled.

    Example:
        >>> vehicles = with_classes(data.train, ["airplane", "automobile", "ship", "truck"])
    """
    if isinstance(transfer_set, Viewed):
        base = with_classes(transfer_set.base, classes, name=name)
        return Viewed(base, transfer_set.augmentation)
    if not isinstance(transfer_set, Identified):
        raise DataError(
            f"{transfer_set.name} is a {type(transfer_set).__name__}, whose classes cannot be "
            "chosen. Choose them before it is wrapped, or make it an Arrays."
        )
    names = checked_names(transfer_set, classes)
    labels = renumbered(transfer_set, names)
    rows = (labels != UNLABELLED).nonzero().flatten()
    counts = labels[rows].bincount(minlength=len(names))
    if bool((counts == 0).any()):
        raise DataError(
            f"{transfer_set.name} has no example of class '{names[int(counts.argmin())]}'. Leave "
            "the class out, or choose from a part that has one."
        )
    part = transfer_set.select(rows, name)
    part.classes = names
    return part.relabelled(labels[rows])


def checked_names(transfer_set: TransferSet, classes: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple, all known and each once; a DataError otherwise."""
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    for name in names:
        if name not in transfer_set.classes:
            raise DataError(
                f"{transfer_set.name} has no class '{name}'. "
                f"{nearest(str(name), transfer_set.classes, what='classes')}"
            )
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(
            f"the classes of a task are {list(names)}; a classifier needs at least two, each named "
            "once. Correct the list."
        )
    return names


def renumbered(transfer_set: TransferSet, names: tuple[str, ...]) -> Int[Tensor, " n"]:
    """The labels by their position among the names; `UNLABELLED` where the class is not named."""
    number = torch.full((len(transfer_set.classes) + 1,), UNLABELLED, dtype=torch.int64)
    for position, name in enumerate(names):
        number[transfer_set.classes.index(name)] = position
    return number[transfer_set.labels]
