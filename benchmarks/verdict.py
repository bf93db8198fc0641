"""How often the verdict is wrong, and how often it finds a true difference, on digits.

A world is a training set of 180 or 300 labelled digits; others are the population that its test
parts are drawn from, 899 examples each (half of digits), with replacement. So the true difference
of two arms is known: their mean difference over the whole population and 100 seeds that are used
for nothing else. Every run is a real training of a small net; hundreds are trained at once as one
batched matrix product, each with its own initial weights and its own order of the data.

    same      two groups of seeds of the same net: every BEATS or LOSES is a false alarm
    balanced  two nets that differ from example to example, in a population weighed so that they
              are equally good: again, every BEATS or LOSES is a false alarm
    wider     24 against 64 hidden units; with the same seed, the narrow net's initial weights are
              the wide one's first units and the order of the data is the same
    distilled 32 hidden units, hard labels against soft targets of five nets fitted on 600 other
              labelled digits; with the same seed, same initial weights and order

`wider` and `distilled` count only worlds whose true difference is 1 to 1.5 points. Ten comparisons
in each of 20 worlds make 200; no seed is used twice at the default number of seeds. Soft targets
change the answers to particular examples more than a wider net does; there the test examples, not
the seeds, are what limits the verdict, so `distilled` is told at three sizes of the test part too.
The same questions are put to a plain percentile bootstrap over seeds and examples. It finds more
with few seeds, and is wrong too often where the seeds matter most (`seeds_matter_most`, simulated).

    python benchmarks/verdict.py        about 12 minutes on one core
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from measuring import publish
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from limbeck import seeding
from limbeck.comparison import DEFAULT_SEEDS
from limbeck.evaluation.significance import crossed
from limbeck.evaluation.wording import verdict_of

WORLDS = 20
FIRST_WORLD = 1000  # the default number of seeds was chosen on worlds 0 to 39; these are others
COMPARISONS = 10
TEST_EXAMPLES = 899
LABELLED = {"wider": 180, "distilled": 300}
CALIBRATION = 100
RUNS = 300
PAIRED = 200
CHUNK = 100
TRUE_POINTS = (1.0, 1.5)
SEEDS = (2, 3, 5, 8, 10, 12, 15, 20)
BOOTSTRAPS = 1000

Hits = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Net:
    """How one arm is trained: hidden units, and the weight of soft targets at temperature 4."""

    hidden: int
    soft_weight: float = 0.0


@dataclass(frozen=True)
class World:
    """A training set and the population of its test examples."""

    number: int
    inputs: Tensor
    labels: Tensor
    train: Tensor
    population: Tensor
    soft: Tensor | None = None


@dataclass(frozen=True)
class Pair:
    """Both arms' right and wrong answers, (runs, population), and their true difference."""

    first: Hits
    second: Hits
    true_points: float


def world(number: int, labelled: int) -> World:
    images, labels = load_digits(return_X_y=True)
    order = seeding.permutation(len(images), number, "world", labelled)
    return World(
        number,
        torch.tensor(images / 16, dtype=torch.float32),
        torch.tensor(labels),
        order[:labelled],
        order[labelled:],
    )


def with_teachers(place: World) -> World:
    """Soft targets of five nets; what they were fitted on is in no one's test part."""
    fitted, population = place.population[:600], place.population[600:]
    teachers = weights(Net(128), 5, place.number, "teachers")
    fit(teachers, place, fitted, Net(128), epochs=40, key="teachers")
    with torch.no_grad():
        answers = forward(teachers, place.inputs.expand(5, -1, -1)) / 4
    soft = answers.log_softmax(dim=-1).mean(dim=0).softmax(dim=-1)
    return World(place.number, place.inputs, place.labels, place.train, population, soft)


def weights(net: Net, runs: int, number: int, key: str) -> list[Tensor]:
    """Initial weights as torch.nn.Linear draws them; a narrower net's are a wider one's first."""
    most = 128
    draws = seeding.generator(number, key, "weights")

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(runs, *shape, generator=draws) - 1

    first, first_bias = uniform(64, most), uniform(1, most)
    second, second_bias = uniform(most, 10), uniform(1, 10)
    h = net.hidden
    scaled = [
        first[:, :, :h] / 8,
        first_bias[:, :, :h] / 8,
        second[:, :h] / h**0.5,
        second_bias / h**0.5,
    ]
    return [tensor.clone().requires_grad_() for tensor in scaled]


def forward(parameters: list[Tensor], inputs: Tensor) -> Tensor:
    hidden = torch.baddbmm(parameters[1], inputs, parameters[0]).relu()
    return torch.baddbmm(parameters[3], hidden, parameters[2])


def fit(
    parameters: list[Tensor], place: World, rows: Tensor, net: Net, *, epochs: int, key: str
) -> None:
    """AdamW with a cosine schedule, batches of 32; each run in the order of its seed."""
    runs, count, size = len(parameters[0]), len(rows), 32
    optimizer = torch.optim.AdamW(parameters, lr=0.01, foreach=True)
    updates = epochs * (count // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    draws = seeding.generator(place.number, key, "order")
    for _ in range(epochs):
        order = torch.rand(runs, count, generator=draws).argsort(dim=1)
        for start in range(0, count - size + 1, size):
            batch = rows[order[:, start : start + size]]
            logits = forward(parameters, place.inputs[batch])
            loss = functional.cross_entropy(
                logits.flatten(0, 1), place.labels[batch].flatten(), reduction="sum"
            )
            if net.soft_weight:
                assert place.soft is not None
                softened = (logits / 4).log_softmax(dim=-1)
                soft_loss = -16 * (place.soft[batch] * softened).sum()
                loss = (1 - net.soft_weight) * loss + net.soft_weight * soft_loss
            optimizer.zero_grad()
            (loss / size).backward()
            optimizer.step()
            schedule.step()


def trained(place: World, net: Net, runs: int, key: str) -> Hits:
    """Which examples of the population each of these runs gets right."""
    parts = []
    for start in range(0, runs, CHUNK):
        part = f"{key} {start}"
        parameters = weights(net, CHUNK, place.number, part)
        fit(parameters, place, place.train, net, epochs=40, key=part)
        with torch.no_grad():
            inputs = place.inputs[place.population].expand(CHUNK, -1, -1)
            found = forward(parameters, inputs).argmax(dim=-1)
        parts.append((found == place.labels[place.population]).numpy())
    return np.concatenate(parts)


def pairs(first: Net, second: Net, make: Callable[[int], World]) -> tuple[list[Pair], int]:
    """Worlds in which the second arm is truly 1 to 1.5 points better, and how many were tried."""
    found: list[Pair] = []
    tried = 0
    while len(found) < WORLDS and tried < 10 * WORLDS:
        place = make(FIRST_WORLD + tried)
        tried += 1
        measured = [trained(place, net, CALIBRATION, "calibration") for net in (first, second)]
        points = 100 * float(measured[1].mean() - measured[0].mean())
        if TRUE_POINTS[0] <= points <= TRUE_POINTS[1]:
            hits = trained(place, first, RUNS, "runs"), trained(place, second, PAIRED, "runs")
            found.append(Pair(*hits, points))
            say(f"world {tried}: {points:+.2f} points, {len(found)} of {WORLDS} found")
    return found, tried


def differences(
    kind: str, found: list[Pair], seeds: int, examples: int = TEST_EXAMPLES
) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """One array (seeds, test examples) for each of the 200 comparisons."""
    draws = np.random.default_rng(seeding.seed_of(kind, seeds))
    arrays = []
    for pair in found:
        shares = balanced(pair) if kind == "balanced" else None
        needed = seeds * (2 if kind == "same" else 1)
        there = RUNS if kind == "same" else PAIRED
        for i in range(COMPARISONS):
            if needed * COMPARISONS <= there:
                group = np.arange(i * needed, (i + 1) * needed)
            else:
                group = draws.permutation(there)[:needed]
            test = draws.choice(pair.first.shape[1], examples, p=shares)
            if kind == "same":
                first, second = pair.first[group[:seeds]], pair.first[group[seeds:]]
            else:
                first, second = pair.first[group], pair.second[group]
            arrays.append(second[:, test].astype(float) - first[:, test].astype(float))
    return arrays


def balanced(pair: Pair) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Shares of the population's examples at which both arms are equally good, by tilting."""
    change = pair.second.mean(axis=0) - pair.first[:PAIRED].mean(axis=0)
    low, high = -100.0, 100.0
    shares = np.full(len(change), 1 / len(change))
    for _ in range(100):
        middle = (low + high) / 2
        shares = np.exp(middle * change - (middle * change).max())
        shares /= shares.sum()
        low, high = (low, middle) if (shares * change).sum() > 0 else (middle, high)
    return shares


def verdicts(arrays: list[np.ndarray[Any, np.dtype[np.float64]]]) -> dict[str, int]:
    said = [verdict_of(crossed(array)) for array in arrays]
    return {name: said.count(name) for name in ("BEATS", "TIES", "LOSES")}


def percentile(arrays: list[np.ndarray[Any, np.dtype[np.float64]]]) -> dict[str, int]:
    """For comparison: the verdicts of a plain percentile bootstrap over seeds and examples."""
    seeds, examples = arrays[0].shape
    by_seed, by_example = resampling(seeds), resampling(examples)
    said = []
    for array in arrays:
        means = ((by_seed @ array.astype(np.float32)) * by_example).sum(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        said.append("BEATS" if low > 0 else "LOSES" if high < 0 else "TIES")
    return {name: said.count(name) for name in ("BEATS", "TIES", "LOSES")}


@cache
def resampling(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """How often each of so many is drawn, as a share, in each bootstrap sample."""
    draws = np.random.default_rng(count)
    return (draws.multinomial(count, [1 / count] * count, BOOTSTRAPS) / count).astype(np.float32)


def seeds_matter_most(seeds: int) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """Simulated: 10,000 test examples, equal arms, seeds that differ by 0.5 points."""
    draws = np.random.default_rng(seeding.seed_of("simulated", seeds))
    arrays = []
    for _ in range(WORLDS * COMPARISONS):
        shares = 0.01 + draws.normal(0, 0.0025, (seeds, 1))
        up, down = draws.random((2, seeds, 10_000))
        arrays.append((up < shares).astype(float) - (down < 0.02 - shares).astype(float))
    return arrays


def rates(kind: str, found: list[Pair]) -> dict[str, Any]:
    """Verdicts at each number of seeds, by limbeck and by the percentile bootstrap."""
    table = {}
    for seeds in SEEDS:
        arrays = differences(kind, found, seeds)
        table[str(seeds)] = {"limbeck": verdicts(arrays), "percentile": percentile(arrays)}
    say(f"{kind}: { {seeds: row['limbeck'] for seeds, row in table.items()} }")
    return table


def summary(found: list[Pair], tried: int) -> dict[str, Any]:
    points = [pair.true_points for pair in found]
    return {
        "worlds": len(found),
        "worlds_tried": tried,
        "true_points_mean": round(float(np.mean(points)), 3),
        "true_points_least": round(min(points), 3),
        "true_points_most": round(max(points), 3),
        "calibration_seeds": CALIBRATION,
        "accuracy_first": round(float(np.mean([p.first.mean() for p in found])), 4),
        "accuracy_second": round(float(np.mean([p.second.mean() for p in found])), 4),
        "seed_deviation_points": round(100 * float(np.mean([deviation(p) for p in found])), 3),
    }


def deviation(pair: Pair) -> float:
    """How much the difference changes from seed to seed."""
    return float((pair.second.mean(axis=1) - pair.first[:PAIRED].mean(axis=1)).std())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    begun = time.process_time()
    torch.set_num_threads(1)
    wider, tried = pairs(Net(24), Net(64), lambda n: world(n, LABELLED["wider"]))
    distilled, tried_distilled = pairs(
        Net(32),
        Net(32, soft_weight=0.5),
        lambda n: with_teachers(world(n, LABELLED["distilled"])),
    )
    default = str(DEFAULT_SEEDS)
    figures: dict[str, Any] = {
        "comparisons": WORLDS * COMPARISONS,
        "test_examples": TEST_EXAMPLES,
        "default_seeds": DEFAULT_SEEDS,
        "same": rates("same", wider),
        "balanced": rates("balanced", wider),
        "wider": {**summary(wider, tried), "verdicts": rates("wider", wider)},
        "distilled": {
            **summary(distilled, tried_distilled),
            "verdicts": rates("distilled", distilled),
            "verdicts_by_test_examples": {
                str(n): verdicts(differences("distilled", distilled, DEFAULT_SEEDS, n))
                for n in (TEST_EXAMPLES, 2 * TEST_EXAMPLES, 4 * TEST_EXAMPLES)
            },
        },
        "seeds_matter_most": {
            str(seeds): {"limbeck": verdicts(arrays), "percentile": percentile(arrays)}
            for seeds in (3, 5, 10)
            for arrays in [seeds_matter_most(seeds)]
        },
    }
    false_alarms = figures["same"][default]["limbeck"]
    figures["false_alarms_of_200"] = false_alarms["BEATS"] + false_alarms["LOSES"]
    figures["found_of_200"] = figures["wider"]["verdicts"][default]["limbeck"]["BEATS"]
    figures["processor_seconds"] = round(time.process_time() - begun, 1)
    publish("verdict", figures)


if __name__ == "__main__":
    main()
