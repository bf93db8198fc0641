"""How often a model is right: overall, by class and by group of examples.

Precision, recall and F1 of a class are 0 where their denominator is 0 (a class never predicted, or
never seen), as in scikit-learn with zero_division=0. The macro means are over the classes that
occur among the labels or the predictions; a class of neither has no row in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.evaluation.calibration import expected_calibration_error, reliability

__all__ = [
    "ClassScores",
    "GroupScores",
    "correct",
    "macro",
    "per_class",
    "per_group",
    "worst_groups",
]


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told from the others.

    Attributes:
        name: The class.
        examples: How many examples have this label.
        predicted: How many examples are given this class.
        precision: Share of those given this class that have the label, in [0, 1].
        recall: Share of those with the label that are given this class, in [0, 1].
        f1: Harmonic mean of precision and recall, in [0, 1].
    """

    name: str
    examples: int
    predicted: int
    precision: float
    recall: float
    f1: float

    @property
    def errors(self) -> int:
        """How many of those with the label are given another class."""
        return self.examples - round(self.recall * self.examples)


@dataclass(frozen=True)
class GroupScores:
    """How often the model is right within one group of examples, and how sure.

    Attributes:
        column: The group column of the data.
        value: The group's value in that column.
        examples: How many labelled examples the group has.
        accuracy: In [0, 1].
        ece: Expected calibration error within the group, in [0, 1]; None in results of older
            versions. A small group's is large by chance alone.
    """

    column: str
    value: str
    examples: int
    accuracy: float
    ece: float | None = None


def correct(scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Whether each example's highest score is its label's; of equal scores the first class's."""
    return scores.argmax(dim=1) == labels


def per_class(
    predicted: Int[Tensor, " n"], labels: Int[Tensor, " n"], names: Sequence[str]
) -> tuple[ClassScores, ...]:
    """Precision, recall and F1 of every class, in the order of the names."""
    classes = len(names)
    hits = torch.bincount(labels[predicted == labels], minlength=classes).tolist()
    given = torch.bincount(predicted, minlength=classes).tolist()
    there = torch.bincount(labels, minlength=classes).tolist()
    return tuple(
        ClassScores(
            name=name,
            examples=there[i],
            predicted=given[i],
            precision=share(hits[i], given[i]),
            recall=share(hits[i], there[i]),
            f1=share(2 * hits[i], given[i] + there[i]),
        )
        for i, name in enumerate(names)
    )


def macro(rows: Sequence[ClassScores]) -> tuple[float, float, float]:
    """Unweighted means of precision, recall and F1 over the classes that occur."""
    occurring = [row for row in rows if row.examples or row.predicted]
    count = max(len(occurring), 1)
    return (
        sum(row.precision for row in occurring) / count,
        sum(row.recall for row in occurring) / count,
        sum(row.f1 for row in occurring) / count,
    )


def per_group(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], column: str, values: Sequence[str]
) -> tuple[GroupScores, ...]:
    """Accuracy and calibration of every value of a group column, in the order of their names."""
    members: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        members.setdefault(str(value), []).append(row)
    found = []
    for value, rows in sorted(members.items()):
        hits = int(correct(scores[rows], labels[rows]).sum())
        ece = expected_calibration_error(reliability(scores[rows], labels[rows]))
        found.append(GroupScores(column, value, len(rows), hits / len(rows), ece))
    return tuple(found)


def worst_groups(seeds: Sequence[Sequence[GroupScores]]) -> tuple[GroupScores, ...]:
    """Of every group column the group with the lowest accuracy, the mean over the seeds."""
    worst: dict[str, GroupScores] = {}
    for same in zip(*seeds, strict=True):
        mean = replace(same[0], accuracy=sum(row.accuracy for row in same) / len(same), ece=None)
        known = worst.get(mean.column)
        if known is None or mean.accuracy < known.accuracy:
            worst[mean.column] = mean
    return tuple(worst.values())


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
