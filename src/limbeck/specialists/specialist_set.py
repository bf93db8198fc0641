"""What a specialist is trained on: half its special classes, half a sample of all the others.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5.3. The sample is drawn
once, so that the set is a selection like any other: knowledge about the whole can be read for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck import seeding
from limbeck.errors import DataError
from limbeck.transfer_sets import TransferSet
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.views import Viewed
from limbeck.types import UNLABELLED

__all__ = ["DUSTBIN", "SpecialistSet", "checked_special", "specialist_classes", "specialist_set"]

DUSTBIN = "dustbin"
"""The name of the class that stands for all classes a specialist does not know."""


@dataclass(frozen=True)
class SpecialistSet:
    """The examples for one specialist.

    Attributes:
        transfer_set: The examples; their classes are the special ones, in order, then the dustbin,
            or, for a specialist with all classes, those of the whole.
        rows: Where in the whole transfer set each is, ascending.
        special: Class numbers of the whole, ascending.
        prior: Share of the whole's labelled examples that are special, in (0, 1).
        share: Share of these examples that are special: 0.5, or more where there are too few
            others.
    """

    transfer_set: TransferSet
    rows: Int[Tensor, " s"]
    special: tuple[int, ...]
    prior: float
    share: float


def specialist_set(
    transfer_set: TransferSet,
    special: Sequence[int],
    *,
    all_classes: bool = False,
    seed: int = 0,
) -> SpecialistSet:
    """All examples of the special classes and as many of the others, drawn at random.

    Examples without a label are left out: nobody knows whether they are special.

    Args:
        transfer_set: Labelled examples, with views or without.
        special: Class numbers.
        all_classes: Whether the classes stay as they are, instead of the others becoming one.
        seed: Chooses the others.

    Raises:
        ValueError: if the special classes are none, all, repeated or unknown.
        DataError: if there is no example of a special class, or none of another, or the set is of
            a type that cannot be relabelled.
    """
    classes = checked_special(special, transfer_set.classes)
    labels = transfer_set.labels
    is_special = torch.isin(labels, torch.tensor(classes))
    mine = is_special.nonzero().flatten()
    others = (~is_special & (labels != UNLABELLED)).nonzero().flatten()
    if len(mine) == 0 or len(others) == 0:
        raise DataError(
            f"{transfer_set.name} has {len(mine)} labelled examples of the special classes and "
            f"{len(others)} of others; a specialist learns from both. Label some of each."
        )
    key = ",".join(map(str, classes))
    order = seeding.permutation(len(others), seed, "others", key)
    rows = torch.cat([mine, others[order[: len(mine)]]]).sort().values
    part = transfer_set.select(rows, f"{transfer_set.name}.special")
    if not all_classes:
        part = with_dustbin(part, classes)
    prior = len(mine) / (len(mine) + len(others))
    return SpecialistSet(part, rows, classes, prior, len(mine) / len(rows))


def with_dustbin(transfer_set: TransferSet, special: tuple[int, ...]) -> TransferSet:
    """The same examples; all classes but the special ones have become one."""
    if isinstance(transfer_set, Viewed):
        return Viewed(with_dustbin(transfer_set.base, special), transfer_set.augmentation)
    if not isinstance(transfer_set, Identified):
        raise DataError(
            f"{transfer_set.name} is a {type(transfer_set).__name__}, whose classes cannot be "
            "lumped. Choose a specialist's examples before it is wrapped, or make it an Arrays."
        )
    numbers = torch.full((len(transfer_set.classes),), len(special))
    numbers[torch.tensor(special)] = torch.arange(len(special))
    names = specialist_classes(special, transfer_set.classes)
    part = transfer_set.select(torch.arange(len(transfer_set)))
    part.classes = names
    return part.relabelled(numbers[transfer_set.labels])


def specialist_classes(special: Sequence[int], classes: Sequence[str]) -> tuple[str, ...]:
    """The names of a specialist's own classes: the special ones, then the dustbin.

    Raises:
        ValueError: if a special class has the dustbin's name.
    """
    names = [classes[number] for number in special]
    if DUSTBIN in names:
        raise ValueError(
            f"a special class is named '{DUSTBIN}', as is the class of all others. Rename it."
        )
    return (*names, DUSTBIN)


def checked_special(special: Sequence[int], classes: Sequence[str]) -> tuple[int, ...]:
    """The class numbers, ascending; a ValueError unless they are some of the classes, each once."""
    numbers = tuple(sorted(int(number) for number in special))
    known = all(0 <= number < len(classes) for number in numbers)
    if not known or len(set(numbers)) < len(numbers) or not 0 < len(numbers) < len(classes):
        raise ValueError(
            f"the special classes are {list(special)}; they must be some but not all of the "
            f"numbers 0 to {len(classes) - 1}, each once."
        )
    return numbers
