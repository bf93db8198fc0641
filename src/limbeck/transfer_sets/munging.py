"""MUNGE: unlabelled examples that look like the given ones, by trading with nearest neighbours.

    for each example e in turn, e' being its nearest neighbour, and each attribute a of the two,
    with probability p:
        a category      e_a and e'_a are swapped
        a number        e_a <- normal(e'_a, |e_a - e'_a| / s),  e'_a <- normal(e_a, the same)

and all of it as often as asked for, each time from the examples as they were. Numbers are scaled to
[0, 1] for the distance: Euclidean for numbers, one for every category that differs, added up as
squares. The neighbour of an example is that of the given examples; its values are those that it has
by then, so that a value may travel on.

Where only a few examples exist, they carry a large ensemble into a small network.

Bucila, Caruana & Niculescu-Mizil, "Model compression", KDD 2006,
https://doi.org/10.1145/1150402.1150464.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck import seeding
from limbeck.errors import DataError
from limbeck.transfer_sets.arrays import Arrays
from limbeck.transfer_sets.attributes import Attributes, attributes_of, flat_inputs
from limbeck.transfer_sets.transfer_set import TransferSet

__all__ = ["munge"]


def munge(
    transfer_set: TransferSet,
    times: int,
    *,
    probability: float = 0.5,
    sharpness: float = 2.0,
    nominal: Sequence[Sequence[int]] = (),
    seed: int = 0,
    name: str = "",
) -> Arrays:
    """Make `times` as many unlabelled examples, for a teacher to score.

    Args:
        transfer_set: Two examples or more, without views. Labels are not read.
        times: How many examples to make of each, >= 1.
        probability: p, of trading an attribute, in [0, 1].
        sharpness: s, > 0; the larger, the nearer a number stays to the neighbour's. Infinity swaps.
        nominal: The inputs of each category, by place in the flattened example: a one-hot code has
            several, [[0, 1, 2], [5]] are two categories. All other inputs are numbers.
        seed: Chooses what is traded.
        name: What reports call the set; "" for the given name and ".munged".

    Returns:
        The examples in memory, with ids like "17/munged-0", without labels and groups.

    Raises:
        DataError: if there is one example only, the set has views, or `nominal` does not fit.
        ValueError: if a number is out of its range.

    Example:
        >>> many = munge(data.train, 50)
        >>> store = annotate(ensemble, many, "many.store")
    """
    if times < 1 or not 0 <= probability <= 1 or not sharpness > 0:
        raise ValueError(
            f"times is {times}, probability {probability} and sharpness {sharpness}; they are 1 or "
            "more, a number from 0 to 1, and above 0. Try times=50."
        )
    if len(transfer_set) < 2:
        raise DataError(
            f"{transfer_set.name} has one example, which has no neighbour. Give two or more."
        )
    inputs = flat_inputs(transfer_set)
    attributes = attributes_of(inputs.shape[1], nominal)
    neighbours = nearest(inputs, attributes)
    copies = traded(inputs, neighbours, attributes, times, probability, sharpness, seed)
    settings = {"times": times, "probability": probability, "sharpness": str(sharpness)}
    return Arrays(
        copies.reshape(-1, *transfer_set.input_shape),
        classes=transfer_set.classes,
        ids=[f"{id}/munged-{k}" for k in range(times) for id in transfer_set.ids],
        name=name or f"{transfer_set.name}.munged",
        preprocessing={"munge": {**settings, "seed": seed, "nominal": attributes.nominal}},
    )


def nearest(inputs: Float[Tensor, "n d"], attributes: Attributes) -> Int[Tensor, " n"]:
    """The nearest other example of each; of equally near ones the first."""
    numbers = inputs[:, list(attributes.continuous)]
    span = numbers.amax(dim=0) - numbers.amin(dim=0)
    scaled = (numbers - numbers.mean(dim=0)) / torch.where(span > 0, span, 1.0)
    found = []
    for rows in torch.arange(len(inputs)).split(512):
        squares = torch.cdist(scaled[rows], scaled, compute_mode="donot_use_mm_for_euclid_dist")
        distance = squares.square()
        for block in attributes.nominal:
            values = inputs[:, list(block)]
            distance += (values[rows, None] != values).any(dim=2)
        distance[torch.arange(len(rows)), rows] = math.inf
        found.append(distance.argmin(dim=1))
    return torch.cat(found)


def traded(
    inputs: Float[Tensor, "n d"],
    neighbours: Int[Tensor, " n"],
    attributes: Attributes,
    times: int,
    probability: float,
    sharpness: float,
    seed: int,
) -> Float[Tensor, "times n d"]:
    """The copies after every example has traded with its neighbour, all copies at once."""
    source = seeding.generator(seed, "munge")
    copies = inputs.repeat(times, 1, 1)
    numbers = list(attributes.continuous)
    owner = attributes.owners()
    for row, other in enumerate(neighbours.tolist()):
        ours, theirs = copies[:, row].clone(), copies[:, other].clone()
        drawn = torch.rand((times, attributes.count), generator=source, dtype=torch.float64)
        chosen = (drawn < probability)[:, owner]  # all inputs of a category, or none
        new_ours, new_theirs = theirs.clone(), ours.clone()
        if numbers and math.isfinite(sharpness):
            spread = (ours - theirs).abs()[:, numbers] / sharpness
            noise = torch.randn((2, *spread.shape), generator=source, dtype=torch.float64)
            new_ours[:, numbers] += spread * noise[0]
            new_theirs[:, numbers] += spread * noise[1]
        copies[:, row] = torch.where(chosen, new_ours, ours)
        copies[:, other] = torch.where(chosen, new_theirs, theirs)
    return copies
