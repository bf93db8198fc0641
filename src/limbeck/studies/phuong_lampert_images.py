"""Linear students of real images: how the risk falls with the transfer set, and is it foretold?

Published: Phuong & Lampert, "Towards Understanding Knowledge Distillation", ICML 2019,
https://arxiv.org/abs/2105.13093, bound the risk of a distilled linear student by the angles of the
data to the teacher's weights; the statement is quoted from memory and was derived again.

Ours: the teacher of a pair is a logistic regression without intercept on all its training images.
The closed form is computed for growing random parts of them; its risk is counted on test images and
compared with the bound for the angles observed there. Those are so near to right angles in many
dimensions that the bound can be 1, which says nothing; the table tells. Then students of one and
two linear layers are trained with `learning_curve`, which sees neither labels nor test images, and
their curve without the largest part is held against what the largest part then shows; so is that of
a small network on all ten of scikit-learn's digits. Pairs, sizes and training are our choice; the
learning rate of the linear students was set on the test disagreement of digits 3 and 8 and of 4 and
9 of MNIST, of which this study reads only rows that are kept apart from the transfer set.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import limbeck as lb
from limbeck.studies.charts import lines
from limbeck.studies.linear_images import (
    DEGREES,
    closed_form,
    curve,
    linear_student,
    regression,
)
from limbeck.studies.study import Study
from limbeck.studies.table import Row, measured, row, that
from limbeck.transfer_sets import with_classes

__all__ = ["run"]

Cells = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Settings:
    """Pairs of digits, random orders of the images, and students of each size of the curves."""

    pairs: tuple[tuple[str, str], ...]
    draws: int
    seeds: int
    epochs: int
    learning_rate: float


SIZES = {
    "smoke": Settings((("3", "8"),), draws=10, seeds=3, epochs=20, learning_rate=0.3),
    "small": Settings((("4", "9"),), draws=20, seeds=3, epochs=10, learning_rate=0.1),
    "full": Settings((("0", "1"), ("3", "8"), ("4", "9")), 50, 5, epochs=30, learning_rate=0.1),
}


def run(study: Study) -> list[Row]:
    """Closed form and learning curves of every pair, and the curve of a small network."""
    settings = SIZES[study.size]
    whole = study.digits() if study.size == "smoke" else study.images("mnist", "ylecun/mnist")
    assert whole.test is not None
    descent = lb.SGD(learning_rate=settings.learning_rate, momentum=0.9)
    training = lb.Training(epochs=settings.epochs, batch_size=32, optimizer=descent)
    cells, cases = [], []
    for pair in settings.pairs:
        name = " and ".join(pair)
        train, test = with_classes(whole.train, pair), with_classes(whole.test, pair)
        model = regression(train, intercept=False)
        measure = partial(closed_form, name, model, train, test, settings.draws)
        cells += study.once(f"closed form, {name}", measure, settings=repr(settings))
        for layers, linear in ((1, "1 linear layer"), (2, "2 linear layers")):
            student = linear_student(train, layers)
            cases.append((f"{name}, {linear}", model, student, train, training))
    student, train = lb.students.mlp(64, [32], 10), study.digits().train
    longer = lb.Training(epochs=2 * settings.epochs, batch_size=64, optimizer=lb.AdamW(0.01))
    cases.append(("ten digits, 32 units", regression(train), student, train, longer))
    curves = []
    for case in cases:
        make = partial(curve, study, *case, seeds=settings.seeds)
        facts = {"training": repr(case[-1]), "seeds": settings.seeds}
        curves.append(study.once(f"curve, {case[0]}", make, **facts))
    draw(study, cells, curves)
    return [*closed_rows(cells), *(each for found in curves for each in curve_rows(found))]


def closed_rows(cells: Cells) -> list[Row]:
    """The bound against what was counted."""
    high = [
        (cell["pair"], cell["examples"])
        for cell in cells
        for risks in [measured(cell["risks"])]
        if risks.mean - 4 * risks.sd / risks.n**0.5 > cell["bound"]
    ]
    what = "cells of the closed form's risk above the bound by more than 4 standard errors"
    paper = "below the bound (theorem 3)"
    if all(cell["bound"] >= 1 for cell in cells):
        why = "the bound is 1 in every cell: the images are too nearly at right angles to w*."
        rows = [Row(what, paper, measured([len(high)]), why=why)]
    else:
        rows = [row(what, len(high), paper, that("0", not high), f"above it: {high}.")]
    for cell in cells:
        if cell["examples"] == 100:
            pair, risks = cell["pair"], [100 * risk for risk in cell["risks"]]
            rows += [
                row(f"{pair}: closed form, 100 examples, risk in %", risks),
                row(f"{pair}: bound, 100 examples, in %", 100 * cell["bound"]),
                row(f"{pair}: median angle to the weights, degrees", math.degrees(cell["angle"])),
            ]
    return rows


def curve_rows(found: Mapping[str, Any]) -> list[Row]:
    """What the largest part showed, and what the smaller ones had foretold."""
    case, last = found["case"], found["points"][-1]
    shown = measured([100 * risk for risk in last["risks"]])
    low, said, high = (100 * value for value in found["foretold"])
    told = f"the smaller parts foretold {said:.2f} %, and the largest shows {shown.mean:.2f} %."
    return [
        row(
            f"{case}: disagreement with {last['examples']} examples, %",
            shown,
            wanted=that(f"foretold: {low:.2f} to {high:.2f}", low <= shown.mean <= high),
            why=told,
        ),
        row(f"{case}: exponent of the law", found["exponent"][1]),
        row(f"{case}: foretold for twice as many, %", 100 * found["twice"][1]),
    ]


def draw(study: Study, cells: Cells, curves: Cells) -> None:
    """Angles, and risk by number of examples: closed form, its bound, and trained students."""
    closed = [
        {**cell, "what": what, "disagreement": value}
        for cell in cells
        for what, value in (("mean risk", measured(cell["risks"]).mean), ("bound", cell["bound"]))
    ]
    trained = [
        {**found, **point, "disagreement": measured(point["risks"]).mean}
        for found in curves
        for point in found["points"]
    ]
    angles = [
        {**cell, "degrees": degrees, "share beyond": share}
        for cell in cells
        if cell["examples"] == 2
        for degrees, share in zip(DEGREES.tolist(), cell["beyond"], strict=True)
    ]
    fall = partial(lines, x="examples", y="disagreement", scales=("log", "log"))
    study.figure("closed-form", fall(closed, colour="pair", dash="what"))
    study.figure("curves", fall(trained, colour="case"))
    study.figure("angles", lines(angles, "degrees", "share beyond", colour="pair"))
