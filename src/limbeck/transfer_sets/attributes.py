"""Attributes of examples: numbers, and categories that may take several inputs together."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import DataError
from limbeck.transfer_sets.transfer_set import TransferSet

__all__ = ["Attributes", "attributes_of", "flat_inputs"]


@dataclass(frozen=True)
class Attributes:
    """Which inputs belong together.

    Attributes:
        nominal: The inputs of each category, such as the columns of a one-hot code.
        continuous: The inputs that are numbers, one attribute each.
    """

    nominal: tuple[tuple[int, ...], ...]
    continuous: tuple[int, ...]

    @property
    def blocks(self) -> list[tuple[int, ...]]:
        """The inputs of every attribute, categories first."""
        return [*self.nominal, *((place,) for place in self.continuous)]

    @property
    def count(self) -> int:
        """How many attributes there are."""
        return len(self.nominal) + len(self.continuous)

    def owners(self) -> Int[Tensor, " d"]:
        """The attribute that each input belongs to, as its place in `blocks`."""
        owner = torch.empty(sum(map(len, self.blocks)), dtype=torch.int64)
        for number, block in enumerate(self.blocks):
            owner[list(block)] = number
        return owner


def attributes_of(inputs: int, nominal: Sequence[Sequence[int]]) -> Attributes:
    """The attributes among so many inputs, once the nominal ones are as they should be.

    Raises:
        DataError: if an input does not exist, is named twice, or a category has none.
    """
    blocks = tuple(tuple(int(place) for place in block) for block in nominal)
    named = [place for block in blocks for place in block]
    if not all(blocks) or len(set(named)) < len(named):
        raise DataError(
            f"the nominal attributes are {[list(block) for block in blocks]}; each is a list of "
            "inputs that no other has. Give every category its own inputs, such as [[0], [3, 4]]."
        )
    outside = [place for place in named if not 0 <= place < inputs]
    if outside:
        raise DataError(
            f"there is no input {outside[0]} among {inputs}, numbered from 0. Name the inputs of "
            "each category by their place in the flattened example."
        )
    known = set(named)
    return Attributes(blocks, tuple(place for place in range(inputs) if place not in known))


def flat_inputs(transfer_set: TransferSet) -> Float[Tensor, "n d"]:
    """All inputs of a set in memory, float64, one row per example.

    Raises:
        DataError: if the set has views, which are no examples of their own, or holds texts.
    """
    if transfer_set.tokenization is not None:
        raise DataError(
            f"{transfer_set.name} holds texts, whose tokens are no attributes. Make examples from "
            "numbers and categories."
        )
    if transfer_set.views != 1:
        raise DataError(
            f"{transfer_set.name} has views. Make examples from the set itself, and views of them."
        )
    parts = torch.arange(len(transfer_set)).split(4096)
    return torch.cat([transfer_set.batch(rows).inputs.flatten(1).double() for rows in parts])
