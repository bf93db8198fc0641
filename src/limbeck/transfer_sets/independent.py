"""RANDOM: unlabelled examples whose attributes are drawn apart from each other.

Each attribute of an example is that of some given example, any of them with equal probability. All
that ties attributes together is lost, which makes this the baseline of anything that keeps it.

Bucila, Caruana & Niculescu-Mizil, "Model compression", KDD 2006,
https://doi.org/10.1145/1150402.1150464.
"""

from collections.abc import Sequence

import torch

from limbeck import seeding
from limbeck.transfer_sets.arrays import Arrays
from limbeck.transfer_sets.attributes import attributes_of, flat_inputs
from limbeck.transfer_sets.transfer_set import TransferSet

__all__ = ["marginals"]


def marginals(
    transfer_set: TransferSet,
    count: int,
    *,
    nominal: Sequence[Sequence[int]] = (),
    seed: int = 0,
    name: str = "",
) -> Arrays:
    """Make unlabelled examples from the values that each attribute has.

    Args:
        transfer_set: Where values come from, without views. Labels are not read.
        count: How many examples to make, >= 1.
        nominal: The inputs of each category, by place in the flattened example, as for `munge`.
        seed: Chooses the values.
        name: What reports call the set; "" for the given name and ".marginals".

    Returns:
        The examples in memory, with ids "marginals-0", ..., without labels and groups.

    Raises:
        DataError: if the set has views, or `nominal` does not fit.
        ValueError: if the count is not 1 or more.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be 1 or more.")
    inputs = flat_inputs(transfer_set)
    attributes = attributes_of(inputs.shape[1], nominal)
    source = seeding.generator(seed, "marginals")
    made = torch.empty((count, inputs.shape[1]), dtype=torch.float64)
    for block in attributes.blocks:
        rows = torch.randint(len(inputs), (count,), generator=source)
        made[:, list(block)] = inputs[rows][:, list(block)]
    return Arrays(
        made.reshape(-1, *transfer_set.input_shape),
        classes=transfer_set.classes,
        ids=[f"marginals-{number}" for number in range(count)],
        name=name or f"{transfer_set.name}.marginals",
        preprocessing={"marginals": {"seed": seed, "nominal": attributes.nominal}},
    )
