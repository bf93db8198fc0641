"""best_corrected: the correction that is right most often on validation examples."""

import pytest
import torch

import limbeck as lb
from limbeck.errors import DataError
from limbeck.evaluation import score
from limbeck.specialists import Correction, Specialist, WithSpecialists, best_corrected
from limbeck.transfer_sets import Arrays

KINDS: tuple[Correction, ...] = ("bayes", "literal", "none")


class Even(torch.nn.Module):
    """Holds two of four classes equally possible, a little more so the first of them."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.tensor([2.0, 1.9, -9.0, -9.0]).expand(len(inputs), 4)


class Said(torch.nn.Module):
    """The logits of the one special class and of the dustbin, as the input says."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs[:, :2]


def whole(inputs: list[list[float]], labels: list[int]) -> tuple[lb.Teacher, Specialist, Arrays]:
    """A generalist, a specialist for the first class alone, and what both are asked about."""
    teacher, names = lb.TorchModule(Even(), name="even"), ("a", "b", "c", "d")
    special = Specialist(lb.TorchModule(Said(), name="said"), (0,), names, prior=0.05)
    return teacher, special, Arrays(torch.tensor(inputs), labels, classes=names)


@pytest.mark.parametrize("kind", ["bayes", "none"])
def test_the_correction_is_the_most_accurate_one(kind: Correction) -> None:
    """Prevents the worst correction, or always the first."""
    # the specialist holds its class likely; put right by Bayes' rule it no longer does
    teacher, special, data = whole([[2.0, 0.5]] * 6, [1 if kind == "bayes" else 0] * 6)
    found = best_corrected(teacher, [special], data)
    assert found.correction == kind
    right = {}
    for each in KINDS:
        said = score(WithSpecialists(teacher, [special], correction=each), data)
        right[each] = int((said.argmax(dim=1) == data.labels).sum())
    assert right[kind] == max(right.values()) > min(right.values())


def test_of_equally_good_corrections_the_first_is_taken() -> None:
    """Prevents a choice that changes with the order in which they are tried."""
    teacher, special, data = whole([[30.0, 0.0]] * 4, [0, 0, 1, 2])
    assert best_corrected(teacher, [special], data).correction == "bayes"


def test_unlabelled_examples_are_left_out() -> None:
    """Prevents a choice by examples of which nobody knows what is right."""
    teacher, special, data = whole([[2.0, 0.5]] * 6, [0, 0, -1, -1, -1, -1])
    assert best_corrected(teacher, [special], data).correction == "none"
    with pytest.raises(DataError, match="has a label"):
        best_corrected(teacher, [special], data.select(torch.arange(2, 6)))


def test_the_number_of_probable_classes_is_passed_on() -> None:
    """Prevents a setting that changes nothing."""
    teacher, special, data = whole([[2.0, 0.5]] * 2, [0, 1])
    assert best_corrected(teacher, [special], data, most_probable=2).most_probable == 2
    with pytest.raises(ValueError, match="most_probable is 0"):
        best_corrected(teacher, [special], data, most_probable=0)
