"""Nearest rows and texts, against plain loops."""

from itertools import product
from typing import Any

import pytest
import torch

from limbeck.doctoring.leaks import exact_copies, near_copies
from limbeck.doctoring.neighbours import nearest_distances, vectors
from limbeck.transfer_sets import Texts, Tokenization
from limbeck.transfer_sets.arrays import Arrays


def some(inputs: torch.Tensor) -> Arrays:
    return Arrays(inputs, None, classes=["a", "b"], name="some")


def test_the_nearest_row_is_that_of_a_double_loop() -> None:
    """A chunk boundary that forgets the rows before it."""
    draw = torch.Generator().manual_seed(0)
    train, test = torch.rand(4500, 3, generator=draw), torch.rand(7, 3, generator=draw)
    distances, where = nearest_distances(test, some(train), torch.arange(4500))
    for query, distance, row in zip(test, distances, where, strict=True):
        every = [float(((query - other) ** 2).sum()) for other in train]
        assert float(distance) == pytest.approx(min(every) ** 0.5, abs=1e-4)
        assert int(row) == every.index(min(every))


def test_wide_inputs_keep_their_distances() -> None:
    """A projection that brings far rows together."""
    rows = torch.rand(6, 2000, generator=torch.Generator().manual_seed(0))
    short = vectors(some(rows), torch.arange(6))
    assert short.shape == (6, 512)
    for one, other in product(range(6), repeat=2):
        true, found = (rows[one] - rows[other]).norm(), (short[one] - short[other]).norm()
        assert float(found) == pytest.approx(float(true), rel=0.15)


def test_equal_rows_of_few_columns_are_no_leak() -> None:
    """A table of yes and no, in which every row has its double."""
    draw = torch.Generator().manual_seed(0)
    train, test = (torch.randint(2, (200, 4), generator=draw).float() for _ in range(2))
    assert not exact_copies(some(test), torch.arange(200), some(train), torch.arange(200))[0].any()
    alone = torch.arange(200.0).view(200, 1).expand(200, 4)
    same, where = exact_copies(some(alone[:5]), torch.arange(5), some(alone), torch.arange(200))
    assert same.all()
    assert where.tolist() == [0, 1, 2, 3, 4]


def test_of_two_copies_the_one_with_a_label_counts() -> None:
    """A leaked label that hides behind an unlabelled copy of the same row."""
    inputs = torch.arange(6.0).repeat(2).view(12, 1, 1)
    labels = torch.cat([torch.zeros(6, dtype=torch.int64), torch.full((6,), -1)])
    train = Arrays(inputs, labels, classes=["a", "b"], name="some")
    for order in (torch.arange(12), torch.arange(11, -1, -1)):
        part = train.select(order)
        same, where = exact_copies(some(inputs[:6]), torch.arange(6), part, torch.arange(12))
        assert same.all()
        assert (part.labels[where] == 0).all()


def test_a_text_with_a_word_changed_is_a_copy(pieces: Any) -> None:
    """A review that was posted twice, once with a correction."""
    words = [f"word{letter}{number}" for letter in "abcde" for number in range(8)]
    texts = [" ".join(words[start:] + words[:start]) for start in (0, 13)]
    other = texts[1].replace("wordb7", "changed")
    tokens = Tokenization(pieces, max_length=8)
    train = Texts(["quite another text of some length", *texts], tokens, classes=["a", "b"])
    test = Texts([other, texts[0].upper() + "!", "short"], tokens, classes=["a", "b"])
    rows = torch.arange(3)
    near, where = near_copies(test, rows, train, rows)
    assert near.tolist() == [True, True, False]
    assert where.tolist()[:2] == [2, 1]
    same, where = exact_copies(test, rows, train, rows)
    assert same.tolist() == [False, True, False]
    assert int(where[1]) == 1


def test_the_likeness_of_texts_is_that_of_sets() -> None:
    """A share of common shingles that counts repeated ones twice."""
    from limbeck.doctoring.neighbours import shingles

    one, other = "a b c d a b c d e", "a b c d x"
    sets = [{tuple(t.split()[i : i + 3]) for i in range(len(t.split()) - 2)} for t in (one, other)]
    left, right = shingles([one]), shingles([other])
    assert left.sum() == len(sets[0])
    assert (left @ right.T).toarray()[0, 0] == len(sets[0] & sets[1])
