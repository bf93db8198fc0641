"""How large a constant to add to the logits of some classes: the arithmetic of `correct_bias`.

With b added to the logits of a group G of classes, an example whose log-odds of G are d gives G
the probability sigmoid(d + b). So the b that gives G a wanted mean probability is the zero of a
function that only rises, and the b that is right most often is found among the sorted margins by
which the best class outside G leads the best one inside. Several groups take turns until nothing
changes.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError

__all__ = ["Groups", "matching_amounts", "mean_frequencies", "most_accurate_amounts", "shift_of"]

Groups = Sequence[Sequence[int]]
"""Class numbers; those of one group get the same amount, and no class is in two."""

MOST_SWEEPS = 1000
TOLERANCE = 1e-7


def shift_of(groups: Groups, amounts: Sequence[float], classes: int) -> Float[Tensor, " c"]:
    """What is added to each class's logit, float64."""
    shift = torch.zeros(classes, dtype=torch.float64)
    for group, amount in zip(groups, amounts, strict=True):
        shift[list(group)] = amount
    return shift


def mean_frequencies(scores: Float[Tensor, "n c"], groups: Groups) -> list[float]:
    """The mean probability, at temperature 1, of each group's classes together, in [0, 1]."""
    mean = scores.double().softmax(dim=1).mean(dim=0)
    return [float(mean[list(group)].sum()) for group in groups]


def matching_amounts(
    scores: Float[Tensor, "n c"], groups: Groups, wanted: Sequence[float]
) -> list[float]:
    """The amounts that give each group its wanted mean probability.

    They exist and are the only ones as long as the wanted probabilities are above 0 and add up to
    less than 1; the same amounts minimise the mean cross-entropy to any targets of these mean
    probabilities.

    Args:
        scores: Logits or log-probabilities of n examples.
        groups: Which classes get an amount; at least one class gets none.
        wanted: Mean probability of each group, in (0, 1), adding up to less than 1.

    Raises:
        LimbeckError: if they do not settle within 1000 rounds.
    """
    scores = scores.double()
    amounts = [0.0] * len(groups)
    for _ in range(MOST_SWEEPS):
        for number, (group, share) in enumerate(zip(groups, wanted, strict=True)):
            others = [*amounts[:number], 0.0, *amounts[number + 1 :]]
            now = scores + shift_of(groups, others, scores.shape[1])
            amounts[number] = matching_amount(log_odds(now, group), share)
        found = mean_frequencies(scores + shift_of(groups, amounts, scores.shape[1]), groups)
        if max(abs(f - w) for f, w in zip(found, wanted, strict=True)) < TOLERANCE:
            return amounts
    raise LimbeckError(
        f"no amounts were found within {MOST_SWEEPS} rounds that give the classes the teacher's "
        f"frequencies {[round(w, 6) for w in wanted]}. Correct fewer classes, or all by a common "
        "amount."
    )


def log_odds(scores: Float[Tensor, "n c"], group: Sequence[int]) -> Float[Tensor, " n"]:
    """log(p / (1 - p)) of each example's probability p of the group."""
    inside = membership(group, scores.shape[1])
    return scores[:, inside].logsumexp(dim=1) - scores[:, ~inside].logsumexp(dim=1)


def matching_amount(odds: Float[Tensor, " n"], wanted: float) -> float:
    """The b at which the mean of sigmoid(odds + b) is the wanted one, by bisection."""
    middle = torch.tensor(wanted, dtype=torch.float64).logit()
    low, high = float(middle - odds.max()), float(middle - odds.min())
    while True:
        amount = (low + high) / 2
        if amount in (low, high):
            return amount
        if float((odds + amount).sigmoid().mean()) < wanted:
            low = amount
        else:
            high = amount


def most_accurate_amounts(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], groups: Groups
) -> list[float]:
    """The amounts that make most examples right; of equally good ones the smallest correction.

    Of one group it is the best there is. Several groups start from their best common amount and
    then take turns, so that a better choice of all at once may remain unfound.

    Args:
        scores: Logits or log-probabilities of n examples.
        labels: Their class numbers.
        groups: Which classes get an amount; at least one class gets none.
    """
    scores = scores.double()
    together = [number for group in groups for number in group]
    amounts = [most_accurate_amount(scores, labels, together, 0.0)] * len(groups)
    right = hits(scores + shift_of(groups, amounts, scores.shape[1]), labels)
    while len(groups) > 1:
        for number, group in enumerate(groups):
            others = [*amounts[:number], 0.0, *amounts[number + 1 :]]
            now = scores + shift_of(groups, others, scores.shape[1])
            amounts[number] = most_accurate_amount(now, labels, group, amounts[number])
        before, right = right, hits(scores + shift_of(groups, amounts, scores.shape[1]), labels)
        if right <= before:
            break
    return amounts


def most_accurate_amount(
    scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"], group: Sequence[int], present: float
) -> float:
    """One group's best amount: of the best intervals between margins, that nearest the present."""
    inside = membership(group, scores.shape[1])
    best_in = scores.masked_fill(~inside, -torch.inf).max(dim=1)
    best_out = scores.masked_fill(inside, -torch.inf).max(dim=1)
    margins, order = (best_out.values - best_in.values).sort()
    # the first k examples choose inside the group, the others outside, for k = 0 to n
    zero = torch.zeros(1, dtype=torch.int64)
    right_in = torch.cat([zero, (best_in.indices == labels)[order].long().cumsum(0)])
    right_out = torch.cat([zero, (best_out.indices == labels)[order].long().cumsum(0)])
    right = right_in + right_out[-1] - right_out
    ends = torch.cat([margins[:1] - 2.0, margins, margins[-1:] + 2.0])
    low, high = ends[:-1], ends[1:]
    right = right.masked_fill(high <= low, -1)
    best = (right == right.max()).nonzero().flatten()
    away = torch.maximum(low[best] - present, present - high[best])
    chosen = best[away.argmin()]
    if float(away.min()) < 0:
        return present
    return float((low[chosen] + high[chosen]) / 2)


def membership(group: Sequence[int], classes: int) -> Tensor:
    """Which of the classes are in the group."""
    inside = torch.zeros(classes, dtype=torch.bool)
    inside[list(group)] = True
    return inside


def hits(scores: Float[Tensor, "n c"], labels: Int[Tensor, " n"]) -> int:
    return int((scores.argmax(dim=1) == labels).sum())
