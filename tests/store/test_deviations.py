"""The spread of a teacher's logits, class by class."""

import numpy as np
import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import StoreError
from limbeck.store import logit_deviations
from limbeck.teachers import Ensemble


def test_deviations_are_those_of_the_combined_centred_logits(linear, examples, tmp_path):
    """Prevents the spread of one member, or of logits before they are centred."""
    members = [linear("a", 1), linear("b", 2)]
    data = examples(60)
    store = annotate(Ensemble(members, combine="arithmetic"), data, tmp_path / "s", dtype="float32")
    probs = 0.0
    for member in members:
        scores = np.exp((data.inputs @ member.weights).double().numpy())
        probs = probs + scores / scores.sum(axis=1, keepdims=True) / 2
    logs = np.log(probs)
    found = logit_deviations(store)
    for number in range(10):
        column = [row[number] - sum(row) / 10 for row in logs]
        mean = sum(column) / 60
        wanted = (sum((value - mean) ** 2 for value in column) / 60) ** 0.5
        assert found[number] == pytest.approx(wanted, rel=1e-4)


def test_a_logit_that_never_varies_counts_as_typical(linear, examples, tmp_path):
    """Dividing by its deviation of 0 would make every loss infinite."""
    still, data = linear(), examples(30)
    still.weights = torch.zeros(6, 10)
    assert logit_deviations(annotate(still, data, tmp_path / "s")) == (1.0,) * 10
    half = linear(seed=3)
    half.weights[:, :2] = torch.stack([half.weights[:, 2:].mean(dim=1)] * 2, dim=1)
    found = logit_deviations(annotate(half, data, tmp_path / "h", dtype="float32"))
    assert found[0] == pytest.approx(sum(found[2:]) / 8, rel=1e-3)


def test_a_top_k_store_is_refused(linear, examples, tmp_path):
    """The dropped logits are not 0."""
    store = annotate(linear(), examples(30), tmp_path / "s", top_k=3)
    with pytest.raises(StoreError, match="a top-k store dropped classes"):
        logit_deviations(store)
