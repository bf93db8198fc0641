"""Against a case worked on paper, scikit-learn, and loops."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss, log_loss

from limbeck.evaluation.calibration import (
    BINS,
    brier,
    expected_calibration_error,
    nll_nats,
    reliability,
)


def log_probs_of(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


def random_case(seed: int, classes: int = 4, examples: int = 300):
    draws = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(examples, classes, generator=draws, dtype=torch.float64)
    return logits.log_softmax(dim=1), torch.randint(classes, (examples,), generator=draws)


def test_the_calibration_error_is_what_paper_says() -> None:
    """Bins that are not of equal width, means that are not weighed by examples.

    Five examples, confidences 0.5, 0.52, 0.9, 0.92, 0.95; right: yes, no, yes, yes, no. In
    fifteenths 0.5 and 0.52 fall into (7/15, 8/15], 0.9 and 0.92 into (13/15, 14/15] and 0.95 into
    (14/15, 1]. So ECE = 2/5 |1/2 - 0.51| + 2/5 |1 - 0.91| + 1/5 |0 - 0.95| = 0.23.
    """
    log_probs = log_probs_of([[p, 1 - p] for p in (0.5000001, 0.52, 0.9, 0.92, 0.95)])
    bins = reliability(log_probs, torch.tensor([0, 1, 0, 0, 1]))
    assert expected_calibration_error(bins) == pytest.approx(0.23, abs=1e-7)
    filled = {i: b.examples for i, b in enumerate(bins) if b.examples}
    assert filled == {7: 2, 13: 2, 14: 1}
    assert bins[13].confidence == pytest.approx(0.91)
    assert bins[13].accuracy == 1.0


def test_a_bin_is_closed_above() -> None:
    """A confidence of exactly 0.6 = 9/15 that falls into the bin after, or of 1 into none."""
    bins = reliability(log_probs_of([[0.6, 0.4], [1.0, 0.0]]), torch.tensor([0, 0]))
    assert [i for i, b in enumerate(bins) if b.examples] == [8, 14]
    assert bins[0].above == 0.0
    assert bins[-1].up_to == 1.0
    assert len(bins) == BINS == 15


def test_the_calibration_error_agrees_with_a_loop() -> None:
    """A reliability diagram and an error that are about different bins."""
    log_probs, labels = random_case(0)
    best = log_probs.exp().max(dim=1).values.numpy()
    right = (log_probs.argmax(dim=1) == labels).numpy()
    expected = 0.0
    for i in range(15):
        inside = (best > i / 15) & (best <= (i + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - best[inside].mean())
    assert expected_calibration_error(reliability(log_probs, labels)) == pytest.approx(expected)


def test_a_perfectly_calibrated_model_has_no_error() -> None:
    """An error that never is zero."""
    log_probs = log_probs_of([[0.75, 0.25]] * 4)
    bins = reliability(log_probs, torch.tensor([0, 0, 0, 1]))
    assert expected_calibration_error(bins) == pytest.approx(0.0, abs=1e-12)


def test_less_than_one_bin_is_refused() -> None:
    """A division by zero far from the mistake."""
    with pytest.raises(ValueError, match="bins is 0; it must be 1 or more"):
        reliability(*random_case(0), bins=0)


@pytest.mark.parametrize("seed", range(3))
def test_nll_is_scikit_learns_log_loss(seed: int) -> None:
    """A mean over classes, or bits instead of nats."""
    log_probs, labels = random_case(seed)
    expected = log_loss(labels, log_probs.exp().numpy(), labels=range(4))
    assert nll_nats(log_probs, labels) == pytest.approx(expected)


def test_nll_of_an_impossible_label_is_infinite() -> None:
    """A clipped probability that hides a model which excludes the truth."""
    assert nll_nats(log_probs_of([[1.0, 0.0]]), torch.tensor([1])) == math.inf


def test_brier_is_the_sum_over_classes() -> None:
    """The one-class form, which is half as large for two classes; against scikit-learn's."""
    log_probs, labels = random_case(1, classes=2)
    half = brier_score_loss(labels, log_probs[:, 1].exp().numpy())
    assert brier(log_probs, labels) == pytest.approx(2 * half)


def test_brier_agrees_with_a_loop_and_its_bounds() -> None:
    """A score that is divided by the number of classes."""
    log_probs, labels = random_case(2)
    p, expected = log_probs.exp().numpy(), []
    for row, label in zip(p, labels.tolist(), strict=True):
        truth = np.zeros(4)
        truth[label] = 1.0
        expected.append(((row - truth) ** 2).sum())
    assert brier(log_probs, labels) == pytest.approx(np.mean(expected))
    assert brier(log_probs_of([[1.0, 0.0]]), torch.tensor([1])) == pytest.approx(2.0)
