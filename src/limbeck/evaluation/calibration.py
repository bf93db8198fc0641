"""Whether a model's probabilities mean what they say.

    NLL    mean of -log p(label), in nats
    Brier  mean of the sum over the classes of (p_c - [c is the label])^2, in [0, 2]
    ECE    sum over the bins of (examples in the bin / all) * |accuracy - mean confidence|

The Brier score is in its original form, a sum over all classes: twice the one-class form when there
are two classes. Brier, "Verification of forecasts expressed in terms of probability", Monthly
Weather Review 78, 1950. The ECE has 15 bins of equal width over the confidence, the largest
probability; a bin is open below and closed above, as in Guo et al., "On calibration of modern
neural networks", 2017, https://arxiv.org/abs/1706.04599, section 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["BINS", "Bin", "brier", "expected_calibration_error", "nll_nats", "reliability"]

BINS = 15
"""How many bins the calibration error has."""


@dataclass(frozen=True)
class Bin:
    """The examples on which a model is about equally sure: one point of a reliability diagram.

    Attributes:
        above: Lower end of the confidence, not in the bin; 0 is in the first.
        up_to: Upper end, in the bin.
        examples: How many fall in it.
        confidence: Their mean confidence, in [0, 1]; 0 in an empty bin.
        accuracy: The share of them that is right, in [0, 1]; 0 in an empty bin.
    """

    above: float
    up_to: float
    examples: int
    confidence: float
    accuracy: float


def nll_nats(log_probs: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> float:
    """Mean negative log-probability of the labels, in nats; infinite if one was held impossible."""
    return -float(log_probs.double().gather(1, labels.unsqueeze(1)).mean())


def brier(log_probs: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> float:
    """Mean squared distance of the probabilities from the one-hot label, summed over classes."""
    errors = log_probs.double().exp()
    errors[torch.arange(len(labels)), labels] -= 1.0
    return float(errors.square().sum(dim=1).mean())


def reliability(
    log_probs: Float[Tensor, "n c"], labels: Int[Tensor, " n"], bins: int = BINS
) -> tuple[Bin, ...]:
    """Confidence and accuracy by bin of confidence, empty bins included, from low to high.

    Raises:
        ValueError: if there is less than one bin.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be 1 or more.")
    best, predicted = log_probs.double().max(dim=1)
    confidences = best.exp().clamp(max=1.0).tolist()
    hits = (predicted == labels).tolist()
    found: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, hit in zip(confidences, hits, strict=True):
        found[position(confidence, bins)].append((confidence, hit))
    return tuple(
        Bin(
            above=i / bins,
            up_to=(i + 1) / bins,
            examples=len(members),
            confidence=math.fsum(c for c, _ in members) / len(members) if members else 0.0,
            accuracy=sum(hit for _, hit in members) / len(members) if members else 0.0,
        )
        for i, members in enumerate(found)
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """How far confidence and accuracy are apart, weighed by examples, in [0, 1]."""
    total = sum(b.examples for b in bins)
    return math.fsum(b.examples * abs(b.accuracy - b.confidence) for b in bins) / max(total, 1)


def position(confidence: float, bins: int) -> int:
    """The bin of a confidence; its ends are i / bins exactly, as printed in the diagram."""
    guess = min(max(math.ceil(confidence * bins) - 1, 0), bins - 1)
    if guess > 0 and confidence <= guess / bins:
        return guess - 1
    if guess < bins - 1 and confidence > (guess + 1) / bins:
        return guess + 1
    return guess
