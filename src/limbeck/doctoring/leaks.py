"""Are test rows among the training rows, exactly or nearly?

What a student has learned by heart it gets right, and the verdict flatters it. Only inputs of the
test part are read, and nothing is chosen by them.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from limbeck import seeding
from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.doctoring.neighbours import exact_keys, nearest_distances, nearest_texts, vectors
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

__all__ = ["leaks"]

LEAKING = 0.01
"""A share of test rows that moves a verdict; real data sets have up to half of it."""

NEAR = 0.1
"""Of the median distance to the nearest training row; rows that are no copies rarely get to 0.3."""

COMMON = 0.8
"""The share of common shingles of a text and its copy with some words changed."""

TEST_ROWS = 1000
TRAIN_ROWS = 60_000
"""So many rows are compared, drawn evenly; 60 million distances take a few seconds."""

COINCIDENCE = 2.0
"""In tables, equal rows are a leak where they are so many times as frequent as within training."""


def leaks(case: Case) -> list[Finding]:
    """Test rows that are also training rows."""
    train, test = case.experiment.data().train, case.experiment.data().test
    if test is None:
        return []
    of_test, of_train = drawn(test, TEST_ROWS), drawn(train, TRAIN_ROWS)
    same, where = exact_copies(test, of_test, train, of_train)
    near, near_where = near_copies(test, of_test, train, of_train)
    near &= ~same
    return [
        *told(test, of_test, train, same, where, "equal to"),
        *told(test, of_test, train, near, near_where, "nearly equal to"),
    ]


def told(
    test: TransferSet,
    of_test: Int[Tensor, " q"],
    train: TransferSet,
    leaking: Bool[Tensor, " q"],
    where: Int[Tensor, " q"],
    how: str,
) -> list[Finding]:
    """The finding, if enough rows leak; mere advice if few of them leak with their labels."""
    share = float(leaking.double().mean())
    if share < LEAKING:
        return []
    labelled = leaking & (train.labels[where] != UNLABELLED)
    wasted = float(labelled.double().mean()) >= LEAKING
    first = int(leaking.nonzero()[0, 0])
    consequence = (
        "Split again so that copies stay in one part, as the verdict counts what was learned by "
        "heart."
        if wasted
        else "Few of these have a label: of the others the student learns the teacher's answer by "
        "heart, right or wrong. Leave them out for a figure to publish."
    )
    return [
        Finding(
            "leaks",
            f"{share:.1%} of {len(of_test):,} test rows are {how} training rows (first: test id "
            f"'{test.ids[int(of_test[first])]}' and training id '{train.ids[int(where[first])]}'). "
            f"{consequence}",
            wasted=wasted,
        )
    ]


def drawn(examples: TransferSet, most: int) -> Int[Tensor, " r"]:
    """At most so many rows, ascending, the same ones each time."""
    return seeding.permutation(len(examples), "doctor", "leaks")[:most].sort().values


def exact_copies(
    test: TransferSet, of_test: Int[Tensor, " q"], train: TransferSet, of_train: Int[Tensor, " r"]
) -> tuple[Bool[Tensor, " q"], Int[Tensor, " q"]]:
    """Which test rows are also training rows, and which these are: one with a label, if any."""
    of_train = of_train[(train.labels[of_train] != UNLABELLED).long().argsort(stable=True)]
    keys = exact_keys(train, of_train)
    places = dict(zip(keys, of_train.tolist(), strict=True))
    where = torch.tensor([places.get(key, -1) for key in exact_keys(test, of_test)])
    same = where >= 0
    if len(train.input_shape) == 1 and train.tokenization is None:
        natural = 1 - len(places) / len(keys)  # rows of few columns are equal by chance
        if float(same.double().mean()) < COINCIDENCE * natural:
            same = torch.zeros_like(same)
    return same, where


def near_copies(
    test: TransferSet, of_test: Int[Tensor, " q"], train: TransferSet, of_train: Int[Tensor, " r"]
) -> tuple[Bool[Tensor, " q"], Int[Tensor, " q"]]:
    """Which test rows are nearly training rows, and which these are."""
    if test.tokenization is not None:
        texts = test.batch(of_test).texts
        assert texts is not None
        likeness, where = nearest_texts(texts, train, of_train)
        return likeness >= COMMON, where
    distances, where = nearest_distances(vectors(test, of_test), train, of_train)
    return distances < NEAR * distances.median(), where
