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

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from limbeck.studies.study import Study
from limbeck.studies.table import Row, measured
from limbeck.theory import measurements as theory

if TYPE_CHECKING:
    import altair

__all__ = ["PUBLISHED", "SIZES", "Settings", "run"]

PUBLISHED = {
    "closed form": "the projection of w* (theorem 1)",
    "deep": "within any distance, from a small enough start (theorem 2)",
    "bound": "below the bound (theorem 3)",
    "monotony": "never (strong monotonicity)",
    "bias": "the optimiser's choice decides",
}
"""Findings of the paper, https://arxiv.org/abs/2105.13093."""


@dataclass(frozen=True)
class Settings:
    """How much is drawn.

    Attributes:
        draws: Training sets for each law.
        grown: Training sets that grow example by example, for hard labels too.
        updates: Of gradient descent on hard labels.
    """

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
    drawn = {"draws": settings.draws}
    closed = study.once("distance to the closed form", theory.closed_form)
    deep = study.once("deep students", theory.deep_students)
    risks = study.once("risks", lambda: theory.mean_risks(settings.draws), **drawn)
    grown = study.once(
        "growing data",
        lambda: theory.growing(settings.grown, settings.updates),
        settings=repr(settings),
    )
    bias = study.once("other students of no loss", lambda: theory.biased(settings.draws), **drawn)
    for name, chart in charts(deep, risks, grown, bias).items():
        study.figure(name, chart)
    return [*exact_rows(closed, deep), *risk_rows(risks), *data_rows(grown, bias)]


def row(
    what: str, published: str, values: Sequence[float], wanted: str, holds: bool, why: str
) -> Row:
    """A row that gives its reason only where it does not hold."""
    return Row(what, published, measured(values), wanted, holds, "" if holds else why)


def exact_rows(closed: dict[str, float], deep: list[dict[str, float]]) -> list[Row]:
    """Theorems 1 and 2."""
    rows = [
        row(
            f"decimals to which the trained student is the closed form, {case}",
            PUBLISHED["closed form"],
            [-math.log10(distance)],
            "at least 6",
            distance <= 1e-6,
            f"gradient descent was {distance:.1e} away when its updates were used up.",
        )
        for case, distance in closed.items()
    ]
    for layers in (1, 2, 3):
        mine = [each for each in deep if each["layers"] == layers]
        first, last = mine[0], mine[-1]
        slope = math.log(first["error"] / last["error"]) / math.log(first["norm"] / last["norm"])
        off = max(abs(each["error"] / each["predicted"] - 1) for each in mine)
        rows.append(
            row(
                f"{layers} layers, slope of log error on log norm of the start",
                PUBLISHED["deep"],
                [slope],
                f"1/{layers} within 0.02",
                abs(slope - 1 / layers) <= 0.02,
                f"the slope is off by {abs(slope - 1 / layers):.3f}.",
            )
        )
        rows.append(
            row(
                f"{layers} layers, largest relative miss of the predicted error",
                "",
                [off],
                "at most 0.01",
                off <= 0.01,
                "a finite step leaves the path of gradient flow.",
            )
        )
    return rows


def risk_rows(risks: list[dict[str, Any]]) -> list[Row]:
    """Theorem 3: every mean below its bound, and easier laws fall faster."""
    above = [r for r in risks if r["risk"] - 4 * r["error"] > r["bound"]]
    rows = [
        row(
            "cells of the risk table above the bound by more than 4 standard errors",
            PUBLISHED["bound"],
            [float(len(above))],
            "0",
            not above,
            f"above it: {[(r['law'], r['examples']) for r in above]}.",
        )
    ]
    slopes = {}
    for name in theory.LAWS:
        mine = {r["examples"]: r["risk"] for r in risks if r["law"] == name}
        if name.startswith("power"):
            slopes[name] = math.log(mine[100] / mine[10]) / math.log(10.0)
        rows.append(Row(f"errors in 10 000, 20 examples, {name}", "", measured([1e4 * mine[20]])))
    falls = list(slopes.values())
    steeper = all(later < earlier for earlier, later in itertools.pairwise(falls))
    listed = ", ".join(f"{slope:.2f}" for slope in falls)
    rows.append(
        row(
            "slope of log risk on log n (10 to 100), power 2",
            "the higher the power, the faster",
            [falls[-1]],
            "steeper with every power",
            steeper,
            f"the slopes by power are {listed}.",
        )
    )
    return rows


def data_rows(grown: dict[str, list[float]], bias: list[dict[str, float]]) -> list[Row]:
    """Monotony and the bias of the optimiser."""
    rows = []
    for key, what in (
        ("soft rises", "angle to the teacher grows, soft labels"),
        ("risk rises", "exact risk grows, soft labels, power 1"),
    ):
        share = sum(grown[key])
        rows.append(
            row(
                f"share of added examples at which the {what}",
                PUBLISHED["monotony"],
                grown[key],
                "0",
                share == 0,
                "some sets had an example that turned the student away by more than 1e-9.",
            )
        )
    hard = grown["hard rises"]
    rows.append(
        row(
            "share of additions at which the angle grows, hard labels",
            "may happen",
            hard,
            "above 0",
            sum(hard) > 0,
            "no set had an addition that turned the student away.",
        )
    )
    loss = max(each["loss"] for each in bias)
    rows.append(
        row(
            "largest training loss of the moved students, 1e-15 nats",
            "0",
            [1e15 * loss],
            "at most 1000",
            loss <= 1e-12,
            "moving them was seen by the examples.",
        )
    )
    risks = [each["risk"] for each in bias]
    rows.append(
        row(
            "risk of the student moved by its own length over that of the optimiser's",
            PUBLISHED["bias"],
            [risks[theory.DISTANCES.index(1.0)] / risks[0]],
            "every move is worse",
            risks == sorted(risks),
            f"the risks by distance are {risks}.",
        )
    )
    return rows


def charts(
    deep: list[dict[str, float]],
    risks: list[dict[str, Any]],
    grown: dict[str, list[float]],
    bias: list[dict[str, float]],
) -> dict[str, "altair.Chart"]:
    """The figures by name."""
    angles = [
        {"examples": n, "labels": kind, "angle": angle}
        for kind in ("soft", "hard")
        for n, angle in zip(grown["examples"], grown[kind], strict=True)
    ]
    both = [
        {"law": r["law"], "examples": r["examples"], "what": kind, "risk": r[key]}
        for r in risks
        for kind, key in (("mean risk", "risk"), ("bound", "bound"))
    ]
    errors = [{**each, "layers": str(int(each["layers"]))} for each in deep]
    return {
        "risk": lines(both, "examples", "risk", "law", dash="what", scale="log"),
        "bias": lines(bias, "distance", "risk"),
        "angle": lines(angles, "examples", "angle", "labels"),
        "deep": lines(errors, "norm", "error", "layers", scale="log"),
    }


def lines(
    values: Sequence[dict[str, Any]],
    x: str,
    y: str,
    colour: str = "",
    *,
    dash: str = "",
    scale: Literal["linear", "log"] = "linear",
) -> "altair.Chart":
    """A line for every colour and dash."""
    import altair as alt

    data = alt.Data(values=[v for v in values if scale == "linear" or v[y] > 0])  # type: ignore[no-untyped-call]
    channels = {
        "x": alt.X(f"{x}:Q", scale=alt.Scale(type=scale)),
        "y": alt.Y(f"{y}:Q", scale=alt.Scale(type=scale)),
        **({"color": alt.Color(f"{colour}:N", sort=None)} if colour else {}),
        **({"strokeDash": alt.StrokeDash(f"{dash}:N", sort=None)} if dash else {}),
    }
    chart: altair.Chart = alt.Chart(data).mark_line(point=True).encode(**channels)
    return chart
