"""How soft the targets are: a temperature that needs no search, and a search around it.

The temperature is the one at which the teacher's answers on validation rows have a fiftieth of the
entropy of total ignorance, from 0.5 to 20. Its answers on the rows it was trained on would not do:
there it is surer than it has reason to be. So a forest, an ensemble and an overfitted net get
different temperatures.

It was tried in eight settings with temperatures from 0.5 to 8 or 16: digits with 100, 200 or all
labels, 6,000 and 20,000 images of MNIST; nets, ensembles and a forest into 8 to 100 units; 500 to
2,500 updates. It was 0.2 points of test accuracy from the best on average, at most 1.3; always
taking 1 was 0.9 and always taking 4 was 2.7 points from it. In seven of them 0.5 to 0.7 was best:
students that are trained briefly learn faster from sharper targets. Trained longer, they gain from
softer ones: ten nets on MNIST into 100-100 units were best at 0.5 after 7 passes, by 0.4 points,
and at 4 after 20, by 0.2 (validation, three seeds). So the search trains as long as the finals do.
"""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from limbeck.objectives import HardLabels, Objective, SoftTargets

__all__ = [
    "Softness",
    "Surface",
    "entropy_share",
    "places",
    "searched",
    "softness_of",
    "temperature_of",
]

SHARE = 0.02
"""Of the entropy of total ignorance, what the softened answers have on validation rows."""

LOWEST, HIGHEST = 0.5, 20.0
TEMPERATURES = (0.5, 1.0, 2.0, 4.0)
"""As multiples of the default."""

WEIGHTS = (0.0, 0.2)

ALIKE = 1.25
"""Two temperatures that differ by less are not both tried."""


@dataclass(frozen=True)
class Softness:
    """An objective of soft targets and hard labels.

    Attributes:
        temperature: Of the soft targets, > 0.
        hard: Weight of the hard labels in [0, 1); that of the soft targets is the rest.
        scale: What both are multiplied by, > 0.
    """

    temperature: float
    hard: float
    scale: float = 1.0

    def objective(self) -> Objective:
        """The two terms as an objective."""
        soft: Objective = SoftTargets(temperature=self.temperature)
        if self.hard == 0 and self.scale == 1:
            return soft
        weighted = self.scale * (1 - self.hard) * soft
        return weighted + self.scale * self.hard * HardLabels() if self.hard else weighted

    def __str__(self) -> str:
        return f"temperature {self.temperature:.3g}, hard labels {100 * self.hard:.3g}%"


@dataclass(frozen=True)
class Surface:
    """Validation accuracies over softness, of the best finalists.

    Attributes:
        default: What needs no search.
        chosen: What the finals are trained with.
        accuracies: By place, of each (student, seed) in one order, in [0, 1]; empty: no search.
    """

    default: Softness
    chosen: Softness
    accuracies: Mapping[Softness, tuple[float, ...]]


def softness_of(objective: Objective) -> Softness | None:
    """The softness of an objective; None if it is more than soft targets and hard labels."""
    soft = [(w, o) for w, o in objective.terms if type(o) is SoftTargets and w > 0]
    hard = [(w, o) for w, o in objective.terms if type(o) is HardLabels]
    plain = all(o == HardLabels() for _, o in hard)
    if len(soft) != 1 or len(hard) > 1 or len(soft) + len(hard) != len(objective.terms):
        return None
    if not plain:
        return None
    weight, term = soft[0]
    scale = weight + sum(w for w, _ in hard)
    return Softness(term.temperature, 1 - weight / scale, scale)


def entropy_share(log_probs: Float[Tensor, "n c"], temperature: float) -> float:
    """Mean entropy of softened answers, as a share of that of the uniform distribution."""
    softened = (log_probs.double() / temperature).log_softmax(dim=1)
    nats = -(softened.exp() * softened).nan_to_num().sum(dim=1).mean()
    return float(nats) / math.log(log_probs.shape[1])


def temperature_of(log_probs: Float[Tensor, "n c"], share: float = SHARE) -> float:
    """The temperature at which a teacher's answers have this share of the largest entropy.

    Args:
        log_probs: The teacher's on rows that it was not trained on, (n, c).
        share: In (0, 1).

    Returns:
        From 0.5 to 20, in two digits; entropy rises with the temperature, so there is one.
    """
    low, high = LOWEST, HIGHEST
    for _ in range(40):
        middle = math.sqrt(low * high)
        if entropy_share(log_probs, middle) < share:
            low = middle
        else:
            high = middle
    return float(f"{math.sqrt(low * high):.2g}")


def places(
    default: Softness, stated: Softness, held: Sequence[float] | None, *, labelled: bool
) -> tuple[Softness, ...]:
    """Where the search looks: around the default, and at what the recipe states.

    Args:
        default: What needs no search; it is among the places.
        stated: What the recipe says.
        held: The temperatures that a top-k store holds; None: any.
        labelled: Whether there are labels for hard targets.
    """
    around = (max(LOWEST, default.temperature * factor) for factor in TEMPERATURES)
    own = {default.temperature, stated.temperature}
    wanted = {round(T, 3) for T in around if all(max(T / each, each / T) >= ALIKE for each in own)}
    temperatures = sorted(wanted | own if held is None else held)
    weights = sorted({*WEIGHTS, stated.hard}) if labelled else [stated.hard]
    grid = [Softness(T, h, stated.scale) for T, h in itertools.product(temperatures, weights)]
    return tuple(dict.fromkeys([default, *grid]))


def searched(
    default: Softness,
    found: Sequence[Softness],
    train: Callable[[Sequence[Softness]], Mapping[Softness, Sequence[float]]],
) -> Surface:
    """Train at every place and choose one for all students: first a temperature, then a weight.

    Every training says something of both: a temperature is judged by all weights, and a weight by
    all temperatures. The default is left only for what is better by more than its standard error
    over the pairs of trainings that are otherwise the same: of equal ones one always looks best.

    Args:
        default: What needs no search.
        found: The places: all temperatures with all weights, the default among them.
        train: Trains with each softness; the accuracies of each (student, seed) in one order.
    """
    accuracies = {place: tuple(values) for place, values in train(found).items()}
    by_temperature: dict[float, list[float]] = {}
    by_weight: dict[float, list[float]] = {}
    for place in sorted(found, key=lambda each: (each.temperature, each.hard)):
        by_temperature.setdefault(place.temperature, []).extend(accuracies[place])
        by_weight.setdefault(place.hard, []).extend(accuracies[place])
    chosen = replace(
        default,
        temperature=surely_best(by_temperature, default.temperature),
        hard=surely_best(by_weight, default.hard),
    )
    return Surface(default, chosen, accuracies)


def surely_best(accuracies: Mapping[float, Sequence[float]], default: float) -> float:
    """The best on average, if it is better than the default by more than its standard error.

    Args:
        accuracies: By value, of trainings that are otherwise the same, in one order.
        default: One of the values.
    """
    best = max(accuracies, key=lambda value: statistics.fmean(accuracies[value]))
    gains = [a - b for a, b in zip(accuracies[best], accuracies[default], strict=True)]
    error = statistics.stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.inf
    return best if statistics.fmean(gains) > error else default
