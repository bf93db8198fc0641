"""Parts of a transfer set: stratified, deterministic, and labels withheld from some examples.

Validation and test parts are drawn from the labelled examples only, class by class: systematic
sampling of the examples shuffled within their class, so that every class is within one example of
its share.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck import seeding
from limbeck.errors import DataError
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.transfer_set import Splits, TransferSet
from limbeck.types import UNLABELLED

__all__ = ["Part", "Size", "divide", "kept_labels", "split", "splits_from", "stratified_rows"]

Size = float | int
"""A fraction (float, 0 <= f < 1) or a count (int, >= 0) of examples."""


def split(
    transfer_set: TransferSet, *sizes: Size, seed: int = 0, stratified: bool = True
) -> tuple[TransferSet, ...]:
    """Divide a transfer set into disjoint parts: one of each size, then the rest.

    Args:
        transfer_set: What to divide. Unlabelled examples count as one more class.
        sizes: Fractions (float, > 0) or counts (int, > 0) of the whole. Fractions that add up to 1
            leave no rest.
        seed: Chooses the parts.
        stratified: Whether every part has each class in the same proportion, within one example.

    Raises:
        DataError: if the parts do not fit into the set, or one of them is empty.

    Example:
        >>> teacher_data, student_data = split(data.train, 0.5)
    """
    total = len(transfer_set)
    counts = [part_count(size, total, "a part", whole=True) for size in sizes]
    if all(isinstance(size, float) for size in sizes) and abs(sum(sizes) - 1) < 1e-9:
        counts[-1:] = [total - sum(counts[:-1])] if counts else []
    if not counts or min(counts) < 1 or sum(counts) > total:
        raise DataError(
            f"{transfer_set.name} has {total} examples and cannot give parts of {list(sizes)}. "
            "Give sizes above 0 that add up to at most the whole."
        )
    remaining = torch.arange(total)
    parts = []
    for number, count in enumerate(counts):
        labels = transfer_set.labels[remaining] if stratified else torch.zeros_like(remaining)
        chosen = stratified_rows(labels, count, seed, "part", number)
        parts.append(remaining[chosen])
        remaining = without(remaining, chosen)
    if len(remaining):
        parts.append(remaining)
    return tuple(
        transfer_set.select(rows, f"{transfer_set.name}.{number + 1}of{len(parts)}")
        for number, rows in enumerate(parts)
    )


@dataclass(frozen=True)
class Part:
    """One part of a data set: where its rows come from, and the labels it is given."""

    source: str
    rows: Int[Tensor, " s"]
    labels: Int[Tensor, " s"]


def divide(
    labels: Mapping[str, Int[Tensor, " n"]],
    name: str,
    *,
    validation: Size,
    test: Size,
    labelled: int | None,
    seed: int,
) -> dict[str, Part]:
    """Which rows of which source make up train, validation and test.

    A source's own validation and test splits stay whole (validation 0 leaves validation out);
    otherwise they are drawn from the labelled rows of train. Without labels there is nothing to
    draw them from.
    """
    rows = torch.arange(len(labels["train"]))
    parts = {}
    for part, size in (("test", test), ("validation", validation)):
        is_labelled = (labels["train"][rows] != UNLABELLED).nonzero().flatten()
        count = part_count(size, len(is_labelled), part)
        if part in labels:
            if part == "test" or count > 0:
                parts[part] = Part(part, torch.arange(len(labels[part])), labels[part])
        elif count > 0:
            chosen = is_labelled[
                stratified_rows(labels["train"][rows[is_labelled]], count, seed, part)
            ]
            parts[part] = Part("train", rows[chosen], labels["train"][rows[chosen]])
            rows = without(rows, chosen)
    kept = kept_labels(labels["train"][rows], labelled, f"{name}.train", seed)
    return {"train": Part("train", rows, kept), **parts}


def splits_from(
    sets: Mapping[str, Identified],
    name: str,
    *,
    validation: Size,
    test: Size,
    labelled: int | None,
    seed: int,
) -> Splits:
    """The parts of a data set whose sources are whole transfer sets, train among them."""
    shapes = {split: part.input_shape for split, part in sets.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(
            f"the inputs of {name} have different shapes: {shapes}. One model reads them all: "
            "bring them to one shape."
        )
    divided = divide(
        {split: part.labels for split, part in sets.items()},
        name,
        validation=validation,
        test=test,
        labelled=labelled,
        seed=seed,
    )
    built = {
        title: sets[part.source].select(part.rows, f"{name}.{title}").relabelled(part.labels)
        for title, part in divided.items()
    }
    return Splits(built["train"], built.get("validation"), built.get("test"))


def stratified_rows(labels: Int[Tensor, " n"], count: int, *key: int | str) -> Int[Tensor, " s"]:
    """This many rows, in ascending order, each class within one example of its share."""
    order = seeding.permutation(len(labels), *key)
    order = order[labels[order].argsort(stable=True)]
    steps = torch.arange(len(order) + 1) * count // max(len(order), 1)
    return order[steps[1:] > steps[:-1]].sort().values


def kept_labels(
    labels: Int[Tensor, " n"], labelled: int | None, name: str, seed: int
) -> Int[Tensor, " n"]:
    """The labels with all but this many replaced by `UNLABELLED`, evenly over the classes.

    Each class gives one label in turn until there are enough, so more labels include fewer.
    """
    if labelled is None:
        return labels
    known = (labels != UNLABELLED).nonzero().flatten()
    if not 0 <= labelled <= len(known):
        raise DataError(
            f"labelled={labelled}, but {name} has {len(known)} labels to keep. Give a number from "
            f"0 to {len(known)}."
        )
    order = known[seeding.permutation(len(known), seed, "labelled")]
    by_class = order[labels[order].argsort(stable=True)]
    counts = labels[by_class].bincount()
    first = counts.cumsum(0) - counts
    turn = torch.arange(len(by_class)) - first[labels[by_class]]
    chosen = by_class[turn.argsort(stable=True)[:labelled]]
    kept = torch.full_like(labels, UNLABELLED)
    kept[chosen] = labels[chosen]
    return kept


def part_count(size: Size, available: int, what: str, *, whole: bool = False) -> int:
    """How many examples a fraction or count is; 0 of none."""
    fraction = isinstance(size, float)
    fits = size >= 0 and (not fraction or size < 1 or (whole and size == 1))
    if isinstance(size, bool) or not fits:
        raise DataError(
            f"the size of {what} is {size}. Give a fraction from 0 to below 1, or a whole number "
            "of examples."
        )
    if available == 0 or size == 0:
        return 0
    count = max(1, round(size * available)) if fraction else int(size)
    if count >= available and not whole:
        raise DataError(
            f"{what} would take {count} of {available} labelled examples and leave none to train "
            "on. Give a smaller size."
        )
    return count


def without(rows: Int[Tensor, " n"], chosen: Int[Tensor, " s"]) -> Int[Tensor, " r"]:
    keep = torch.ones(len(rows), dtype=torch.bool)
    keep[chosen] = False
    return rows[keep]
