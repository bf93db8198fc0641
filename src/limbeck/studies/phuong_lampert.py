"""Why distillation works for linear students: closed form, bound, monotony, bias of the optimiser.

Published: Phuong & Lampert, "Towards Understanding Knowledge Distillation", ICML 2019,
https://arxiv.org/abs/2105.13093. A linear student of soft labels becomes the teacher's projection
on the span of the data; deep linear ones come near to it from a small start; the risk falls with
the number of examples faster, the better the data agree with the teacher's direction; more data
never turn the student away from the teacher; of all students without training loss the one that
gradient descent finds is good.

Ours: float64, exact risks. Data that are symmetric around w* have a risk that depends on the angle
between student and teacher alone, so it is integrated instead of counted on test points, and what
varies is only the training set. Dimensions, norms and angle laws are our choice; the paper's
experiments are not repeated here number by number, and its theorems are quoted from memory, each
derived again, so their numbers may be others. The error of deep students is compared with an
equation of our own (`limbeck.theory.deep_linear`), sharper than the published condition.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from limbeck.studies import linear_measurements as linear
from limbeck.studies.charts import lines
from limbeck.studies.linear_measurements import DISTANCES, LAWS
from limbeck.studies.study import Study
from limbeck.studies.table import Row, above, at_least, at_most, row, that

__all__ = ["run"]

Cells = Sequence[Mapping[str, Any]]
Grown = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Settings:
    """Training sets of each law, those that grow example by example, and updates on hard labels."""

    draws: int
    grown: int
    updates: int


SIZES = {
    "smoke": Settings(40, 5, 500),
    "small": Settings(200, 20, 3000),
    "full": Settings(1000, 100, 10_000),
}


def run(study: Study) -> list[Row]:
    """All parts, one table."""
    settings = SIZES[study.size]
    draws, grow = settings.draws, partial(linear.growing, settings.grown, settings.updates)
    closed = study.once("distance to the closed form", linear.closed_form)
    deep = study.once("deep students", linear.deep_students)
    risks = study.once("risks", lambda: linear.mean_risks(draws), draws=draws)
    grown = study.once("growing data", grow, settings=repr(settings))
    bias = study.once("other students of no loss", lambda: linear.biased(draws), draws=draws)
    draw(study, deep, risks, grown, bias)
    return [*exact_rows(closed, deep), *risk_rows(risks), *data_rows(grown, bias)]


def exact_rows(closed: Mapping[str, float], deep: Cells) -> list[Row]:
    """Theorems 1 and 2."""
    rows = [
        row(
            f"decimals to which the trained student is the closed form, {case}",
            -math.log10(distance),
            "the projection of w* (theorem 1)",
            at_least(6),
        )
        for case, distance in closed.items()
    ]
    near = "within any distance, from a small enough start (theorem 2)"
    for layers in (1, 2, 3):
        mine = [each for each in deep if each["layers"] == layers]
        first, last = mine[0], mine[-1]
        slope = math.log(first["error"] / last["error"]) / math.log(first["norm"] / last["norm"])
        root = that(f"1/{layers} within 0.02", abs(slope - 1 / layers) <= 0.02)
        rows += [
            row(f"{layers} layers, slope of log error on log norm of the start", slope, near, root),
            row(
                f"{layers} layers, largest relative miss of the predicted error",
                max(abs(each["error"] / each["predicted"] - 1) for each in mine),
                wanted=at_most(0.01),
                why="a finite step leaves the path of gradient flow.",
            ),
        ]
    return rows


def risk_rows(risks: Cells) -> list[Row]:
    """Theorem 3: every mean below its bound, and easier laws fall faster."""
    high = [(r["law"], r["examples"]) for r in risks if r["risk"] - 4 * r["error"] > r["bound"]]
    bounded = row(
        "cells of the risk table above the bound by more than 4 standard errors",
        len(high),
        "below the bound (theorem 3)",
        that("0", not high),
        f"above it: {high}.",
    )
    by_law = {law: {r["examples"]: r["risk"] for r in risks if r["law"] == law} for law in LAWS}
    powers = [by_law[law] for law in LAWS if law.startswith("power")]
    slopes = [math.log10(mine[100] / mine[10]) for mine in powers]
    steeper = row(
        "slope of log risk on log n (10 to 100), power 2",
        slopes[-1],
        "the higher the power, the faster",
        that("steeper with every power", all(b < a for a, b in pairwise(slopes))),
        f"the slopes by power are {', '.join(f'{slope:.2f}' for slope in slopes)}.",
    )
    few = [row(f"errors in 10 000, 20 examples, {law}", 1e4 * by_law[law][20]) for law in by_law]
    return [bounded, *few, steeper]


def data_rows(grown: Grown, bias: Cells) -> list[Row]:
    """Monotony and the bias of the optimiser."""
    rows = [
        row(
            f"share of added examples at which the {what}",
            grown[key],
            "never (strong monotonicity)",
            that("0", not any(grown[key])),
        )
        for key, what in (
            ("soft rises", "angle to the teacher grows, soft labels"),
            ("risk rises", "exact risk grows, soft labels, power 1"),
        )
    ]
    hard = "share of additions at which the angle grows, hard labels"
    loss = 1e15 * max(each["loss"] for each in bias)
    risks = [each["risk"] for each in bias]
    return [
        *rows,
        row(hard, grown["hard rises"], "may happen", above(0)),
        row("largest training loss of the moved students, 1e-15 nats", loss, 0, at_most(1000)),
        row(
            "risk of the student moved by its own length over that of the optimiser's",
            risks[DISTANCES.index(1.0)] / risks[0],
            "the optimiser's choice decides",
            that("every move is worse", risks == sorted(risks)),
            f"the risks by distance are {risks}.",
        ),
    ]


def draw(study: Study, deep: Cells, risks: Cells, grown: Grown, bias: Cells) -> None:
    """The bound, the price of a move, angles as data grow, and the start of deep students."""
    both = [
        {**cell, "what": what, "risk": cell[key]}
        for cell in risks
        for what, key in (("mean risk", "risk"), ("bound", "bound"))
        if cell[key] > 1e-9  # the margin's reach 1e-30
    ]
    angles = [
        {"examples": n, "labels": f"{kind} labels", "angle": angle}
        for kind in ("soft", "hard")
        for n, angle in zip(grown["examples"], grown[kind], strict=True)
    ]
    errors = [{**cell, "layers": f"{cell['layers']} layers"} for cell in deep]
    titles = {"norm": "norm of the start", "error": "distance to the projection"}
    log = partial(lines, scales=("log", "log"), titles=titles)
    study.figure("risk", log(both, "examples", "risk", colour="law", dash="what"))
    study.figure("bias", lines(bias, "distance", "risk"))
    study.figure("angle", lines(angles, "examples", "angle", colour="labels"))
    study.figure("deep", log(errors, "norm", "error", colour="layers"))
