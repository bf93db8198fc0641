"""Confusable classes: the covariance, and the sets that K-means finds in it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import limbeck as lb
from limbeck.errors import StoreError
from limbeck.specialists import confusable_classes
from limbeck.specialists.confusable import covariance
from limbeck.transfer_sets import Arrays

PAIRS = {(0, 1), (2, 3), (4, 5), (6, 7)}


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_covariance_is_that_of_the_stored_probabilities(
    store: lb.KnowledgeStore, temperature: float
) -> None:
    """Prevents a covariance of logits, or one without the mean taken off."""
    logits = store.read(torch.arange(len(store))).logits[0].double().numpy()
    exponentials = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected = np.cov(probabilities.T, bias=True)
    np.testing.assert_allclose(covariance(store, temperature).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("online", [False, True])
def test_clusters_are_the_pairs_that_are_confused(store: lb.KnowledgeStore, online: bool) -> None:
    """Prevents sets of classes that have nothing to do with each other."""
    assert set(confusable_classes(store, 4, online=online)) == PAIRS


def test_sets_of_a_size_hold_the_nearest_classes_and_overlap(store: lb.KnowledgeStore) -> None:
    """Prevents sets of another size, and a pair that is torn apart."""
    sets = confusable_classes(store, 4, size=3)
    assert all(len(each) == 3 and list(each) == sorted(each) for each in sets)
    assert all(any(set(pair) <= set(each) for each in sets) for pair in PAIRS)


def test_a_class_alone_makes_no_specialist(store: lb.KnowledgeStore) -> None:
    """Prevents specialists for one class, which is confused with nothing."""
    assert confusable_classes(store, 8) == ()


def test_the_same_seed_gives_the_same_sets(store: lb.KnowledgeStore) -> None:
    """Prevents sets that a resumed run would choose otherwise."""
    assert confusable_classes(store, 3, seed=5) == confusable_classes(store, 3, seed=5)


@pytest.mark.parametrize(
    ("clusters", "size", "temperature", "message"),
    [
        (1, None, 1.0, "clusters is 1; with 8 classes it must be from 2 to 8"),
        (9, None, 1.0, "clusters is 9; with 8 classes"),
        (4, 8, 1.0, "size is 8; with 8 classes it must be from 2 to 7"),
        (4, None, 0.0, "temperature is 0.0; it must be positive"),
    ],
)
def test_numbers_out_of_their_range_are_refused(
    store: lb.KnowledgeStore, clusters: int, size: int | None, temperature: float, message: str
) -> None:
    """Prevents a specialist for all classes, or an error from within scikit-learn."""
    with pytest.raises(ValueError, match=message):
        confusable_classes(store, clusters, size=size, temperature=temperature)


def test_a_store_of_the_largest_logits_is_refused(
    generalist: lb.Student, train: Arrays, tmp_path: Path
) -> None:
    """Prevents a covariance in which dropped classes count as impossible."""
    few = lb.annotate(lb.TorchModule.from_student(generalist), train, tmp_path / "s", top_k=2)
    with pytest.raises(StoreError, match="keeps the 2 largest of 8 logits"):
        confusable_classes(few, 4)


def test_columns_as_they_are_give_other_sets(store: lb.KnowledgeStore) -> None:
    """Prevents a choice between scaled columns and the paper's that changes nothing."""
    literal = confusable_classes(store, 4, unit_length=False)
    columns = covariance(store).T
    scaled = columns / columns.norm(dim=1, keepdim=True)
    assert literal != confusable_classes(store, 4) or columns.allclose(scaled)
