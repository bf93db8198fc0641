"""What encoding cost: counts that add up over batches and shards, in any order of interruption.

Kullback-Leibler divergences are counted in bins of an eighth of an octave, so that percentiles over
any number of rows need constant memory and do not depend on how the rows were cut into runs.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.store.encoding import kl_divergence
from limbeck.store.format import Fidelity

__all__ = ["Measures", "fidelity", "measured", "summed"]

BINS_PER_OCTAVE = 8
SMALLEST = 1e-15
CONFIDENT = 0.999


@dataclass(frozen=True)
class Measures:
    """Counts over some rows.

    Attributes:
        kl: How many (member, row) pairs have a KL in each bin; a bin is named by its number.
        agreed: How many of these pairs keep the most probable class.
        targets: How many soft targets were counted, the members combined.
        confident: How many of them put more than 0.999 on one class.
        mass: Sum over soft targets of the probability kept, at each temperature.
    """

    kl: dict[str, int] = field(default_factory=dict)
    agreed: int = 0
    targets: int = 0
    confident: int = 0
    mass: tuple[float, ...] = ()

    def of_targets(self, log_probs: Float[Tensor, "b c"], mass: tuple[float, ...]) -> "Measures":
        """These counts with those of combined soft targets at temperature 1."""
        confident = int((log_probs.amax(dim=-1) > math.log(CONFIDENT)).sum())
        return Measures(self.kl, self.agreed, len(log_probs), confident, mass)


def measured(teacher: Float[Tensor, "m b c"], stored: Float[Tensor, "m b c"]) -> Measures:
    """What was lost between these log-probabilities and those that the store gives back."""
    divergence = kl_divergence(teacher, stored).flatten()
    bins = (divergence.clamp(min=SMALLEST).log2() * BINS_PER_OCTAVE).ceil().long()
    least = int(bins.min())
    counts = torch.bincount(bins - least).tolist()
    kl = {str(least + number): count for number, count in enumerate(counts) if count}
    return Measures(kl, int((teacher.argmax(-1) == stored.argmax(-1)).sum()))


def summed(parts: Iterable[Measures]) -> Measures:
    """Counts over all the rows of these."""
    kl: Counter[str] = Counter()
    agreed = targets = confident = 0
    mass: list[float] = []
    for part in parts:
        kl.update(part.kl)
        agreed, targets = agreed + part.agreed, targets + part.targets
        confident += part.confident
        if part.mass:
            mass = [a + b for a, b in zip(mass or [0.0] * len(part.mass), part.mass, strict=True)]
    ordered = {name: kl[name] for name in sorted(kl, key=int)}
    return Measures(ordered, agreed, targets, confident, tuple(mass))


def fidelity(total: Measures) -> Fidelity:
    """The counts of a whole store as shares and percentiles."""
    return Fidelity(
        kl_p50=percentile(total.kl, 0.50),
        kl_p99=percentile(total.kl, 0.99),
        argmax_agreement=total.agreed / sum(total.kl.values()),
        mass_kept=tuple(mass / total.targets for mass in total.mass),
        confident=total.confident / total.targets,
    )


def percentile(bins: dict[str, int], share: float) -> float:
    """The upper edge of the bin in which this share of the counts is reached; 0 at the first."""
    needed, reached = share * sum(bins.values()), 0
    for name in sorted(bins, key=int):
        reached += bins[name]
        if reached >= needed:
            edge = 2.0 ** (int(name) / BINS_PER_OCTAVE)
            return 0.0 if edge <= 2 * SMALLEST else float(f"{edge:.3g}")
    raise AssertionError("a store has rows")
