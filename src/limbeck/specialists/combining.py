"""One answer from a generalist and the specialists that are active for an image.

    minimise over q   KL(p_g || q) + sum over active specialists m of KL(p_m || q)

where the mass that q gives to all classes in m's dustbin is summed. Hinton, Vinyals & Dean 2015,
https://arxiv.org/abs/1503.02531, section 5.4, equation 5, by gradient descent for each image.

The problem is convex, and it is that of estimating a distribution from counts of which some are
only known for groups of classes. So expectation-maximisation solves it without a step size:

    q_i <- ( p_g_i + sum over m of (p_m_i if i is special for m, else p_m_dustbin q_i / Q_m) )
           / (1 + number of active specialists)

Q_m being q's mass in m's dustbin. Each step lowers the objective; for a single specialist the first
is exact. For specialists with all classes it is the arithmetic mean.

Dempster, Laird & Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977,
https://www.jstor.org/stable/2984875.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Opinion", "combined"]

TINY = 1e-300
"""Stands for a probability of 0: a class that is ruled out for ever would leave no logarithm."""


@dataclass(frozen=True)
class Opinion:
    """What one specialist says about the images it is active for.

    Attributes:
        rows: Which images of the batch.
        special: Its classes, in the order of its columns.
        probabilities: Of each image, those of its classes and last of its dustbin; rows sum to 1.
    """

    rows: Int[Tensor, " r"]
    special: tuple[int, ...]
    probabilities: Float[Tensor, "r special_and_dustbin"]


def combined(
    general: Float[Tensor, "b c"],
    opinions: Sequence[Opinion],
    *,
    tolerance: float = 1e-10,
    iterations: int = 2000,
) -> Float[Tensor, "b c"]:
    """The distributions q above, float64; the generalist's own where no specialist is active.

    Args:
        general: The generalist's probabilities; rows sum to 1.
        opinions: Of each specialist that is active for at least one image.
        tolerance: Stop when no probability changes by more, > 0.
        iterations: Stop after so many steps, >= 1; ten overlapping specialists take about 200.
    """
    start = general.double().clamp(min=TINY)
    known, dustbins, outside = gathered(start, opinions)
    voices = 1 + (dustbins >= 0).sum(dim=1, keepdim=True)
    dustbins = dustbins.clamp(min=0)
    q = start
    for _ in range(iterations):
        mass = (q @ outside.T).clamp(min=TINY)
        spread = q * ((dustbins / mass) @ outside)
        after = (known + spread) / voices
        change = float((after - q).abs().max()) if len(q) else 0.0
        q = after
        if change <= tolerance:
            break
    return q


def gathered(
    general: Float[Tensor, "b c"], opinions: Sequence[Opinion]
) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b m"], Float[Tensor, "m c"]]:
    """What is said of single classes, summed; of dustbins (-1 where silent); and who is in them."""
    known = general.clone()
    dustbins = general.new_full((len(general), len(opinions)), -1.0)
    outside = general.new_ones(len(opinions), general.shape[1])
    for number, opinion in enumerate(opinions):
        said = opinion.probabilities.double()
        columns = torch.tensor(opinion.special)
        known[opinion.rows.unsqueeze(1), columns] += said[:, :-1]
        dustbins[opinion.rows, number] = said[:, -1]
        outside[number, columns] = 0.0
    return known, dustbins, outside
