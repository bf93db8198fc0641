"""What specialists gain: accuracy among their classes, and by how many of them know a class.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5.5, tables 3 and 4.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Covered", "conditional_accuracy", "gain_by_coverage", "pooled"]


@dataclass(frozen=True)
class Covered:
    """The examples whose class is known by so many specialists.

    Attributes:
        specialists: How many.
        examples: How many examples, >= 1.
        before: Accuracy of the generalist on them, in [0, 1].
        after: Accuracy with specialists.
    """

    specialists: int
    examples: int
    before: float
    after: float

    @property
    def relative_gain(self) -> float:
        """(after - before) / before; NaN where before is 0."""
        return (self.after - self.before) / self.before if self.before else float("nan")


def conditional_accuracy(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], classes: Sequence[int]
) -> float:
    """Accuracy, in [0, 1], on the examples of some classes, of predictions among these only.

    Args:
        scores: Log-probabilities, or anything that grows with them.
        labels: Class numbers; -1 where there is none.
        classes: Class numbers, at least one.

    Raises:
        ValueError: if no example is of these classes.
    """
    chosen = torch.tensor(sorted(set(classes)), dtype=torch.int64)
    rows = torch.isin(labels, chosen)
    if not bool(rows.any()):
        raise ValueError(
            f"none of {len(labels)} examples is of these {len(chosen)} classes. Give some that are."
        )
    predicted = chosen[scores[rows][:, chosen].argmax(dim=1)]
    return float((predicted == labels[rows]).double().mean())


def gain_by_coverage(
    before: Float[Tensor, "n c"],
    after: Float[Tensor, "n c"],
    labels: Int[Tensor, " n"],
    specials: Sequence[Sequence[int]],
) -> list[Covered]:
    """Accuracy without and with specialists, by how many of them know the true class.

    Args:
        before: The generalist's scores.
        after: Those with specialists.
        labels: Class numbers, all known.
        specials: The specialists' classes.

    Returns:
        One entry for each number that occurs, ascending.
    """
    known_by = torch.zeros(before.shape[1], dtype=torch.int64)
    for special in specials:
        known_by[torch.tensor(sorted(set(special)))] += 1
    coverage = known_by[labels]
    right_before = (before.argmax(dim=1) == labels).double()
    right_after = (after.argmax(dim=1) == labels).double()
    found = []
    for number in coverage.unique().tolist():
        rows = coverage == number
        scores = float(right_before[rows].mean()), float(right_after[rows].mean())
        found.append(Covered(number, int(rows.sum()), *scores))
    return found


def pooled(covered: Iterable[Covered]) -> list[Covered]:
    """Entries of several runs as one for each number of specialists; every example counts alike."""
    by_number: dict[int, list[Covered]] = {}
    for entry in covered:
        by_number.setdefault(entry.specialists, []).append(entry)
    found = []
    for number, entries in sorted(by_number.items()):
        examples = sum(entry.examples for entry in entries)
        before = sum(entry.examples * entry.before for entry in entries) / examples
        after = sum(entry.examples * entry.after for entry in entries) / examples
        found.append(Covered(number, examples, before, after))
    return found
