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

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

import limbeck as lb
from limbeck import seeding, theory
from limbeck.learning_curves import learning_curve
from limbeck.studies.study import Study
from limbeck.studies.table import Row, measured
from limbeck.transfer_sets.with_classes import with_classes

if TYPE_CHECKING:
    import altair

__all__ = ["PUBLISHED", "SIZES", "Settings", "run"]

PUBLISHED = {"bound": "below the bound (theorem 3)"}
"""Finding of the paper, https://arxiv.org/abs/2105.13093."""

EXAMPLES = (2, 5, 10, 20, 50, 100, 200, 500)
DEGREES = np.arange(60.0, 90.1, 1.0)


@dataclass(frozen=True)
class Settings:
    """How much is done.

    Attributes:
        pairs: Of digits.
        draws: Random orders of the images, for the closed form.
        seeds: Students of each size, for the learning curves.
        epochs: Of those on the largest part.
        learning_rate: Of linear students; their images differ in length.
    """

    pairs: tuple[tuple[str, str], ...]
    draws: int
    seeds: int
    epochs: int
    learning_rate: float


SIZES = {
    "smoke": Settings((("3", "8"),), draws=10, seeds=3, epochs=20, learning_rate=0.3),
    "small": Settings((("4", "9"),), draws=20, seeds=3, epochs=10, learning_rate=0.1),
    "full": Settings(
        (("0", "1"), ("3", "8"), ("4", "9")), draws=50, seeds=5, epochs=30, learning_rate=0.1
    ),
}


def run(study: Study) -> list[Row]:
    """Closed form and learning curves of every pair, and the curve of a small network."""
    settings = SIZES[study.size]
    whole = study.digits() if study.size == "smoke" else study.images("mnist", "ylecun/mnist")
    assert whole.test is not None
    exact, curves = [], []
    for pair in settings.pairs:
        name = " and ".join(pair)
        train, test = with_classes(whole.train, pair), with_classes(whole.test, pair)
        weights = regression(train, intercept=False)
        exact += study.once(
            f"closed form, {name}",
            functools.partial(closed_form, name, weights.coef_[0], train, test, settings.draws),
            settings=repr(settings),
        )
        for layers in (1, 2):
            inputs = train.batch(torch.tensor([0])).inputs.numel()
            student = lb.Student(functools.partial(linear, inputs, layers))
            training = lb.Training(
                epochs=settings.epochs,
                batch_size=32,
                optimizer=lb.SGD(learning_rate=settings.learning_rate, momentum=0.9),
            )
            case = f"{name}, {layers} linear layer{'s' if layers > 1 else ''}"
            curves.append(curve(study, case, weights, student, train, training))
    student, train = lb.students.mlp(64, [32], 10), study.digits().train
    training = lb.Training(
        epochs=2 * settings.epochs, batch_size=64, optimizer=lb.AdamW(learning_rate=0.01)
    )
    curves.append(curve(study, "ten digits, 32 units", regression(train), student, train, training))
    draw(study, exact, curves)
    return [*closed_rows(exact), *(row for each in curves for row in curve_rows(each))]


def regression(train: lb.TransferSet, *, intercept: bool = True) -> Any:
    """A logistic regression, fitted on all labels."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(fit_intercept=intercept, max_iter=5000)
    return model.fit(rows_of(train), train.labels.numpy())


def rows_of(data: lb.TransferSet) -> Float[np.ndarray, "..."]:
    return data.batch(torch.arange(len(data))).inputs.flatten(1).numpy()


def linear(inputs: int, layers: int) -> nn.Module:
    """Linear layers without biases that start small; a single one at 0, as the theory has it."""
    widths = [inputs, *[8] * (layers - 1), 2]
    stack = [nn.Linear(a, b, bias=False) for a, b in zip(widths, widths[1:], strict=False)]  # noqa: RUF007
    for layer in stack:
        nn.init.normal_(layer.weight, std=0.0 if layers == 1 else 0.05)
    return nn.Sequential(nn.Flatten(), *stack)


def closed_form(
    pair: str,
    teacher: Float[np.ndarray, " d"],
    train: lb.TransferSet,
    test: lb.TransferSet,
    draws: int,
) -> list[dict[str, Any]]:
    """For each number of examples the projection's risks on test images, and the bound."""
    teacher = teacher.astype(np.float64)
    inputs, seen = rows_of(train).astype(np.float64), rows_of(test).astype(np.float64)
    law = theory.Observed(theory.line_angles(teacher, seen))
    decided = seen @ teacher >= 0
    found = []
    for count in [n for n in EXAMPLES if n <= len(inputs)]:
        risks = []
        for draw in range(draws):
            rows = seeding.permutation(len(inputs), draw, "closed form")[:count].numpy()
            student = theory.projected(teacher, inputs[rows])
            risks.append(float(((seen @ student >= 0) != decided).mean()))
        found.append(
            {
                "pair": pair,
                "examples": count,
                "risks": risks,
                "bound": theory.risk_bound(law, count),
                "angle": float(law.at(np.array(0.5))),
                "beyond": law.beyond(np.radians(DEGREES)).tolist(),
            }
        )
    return found


def curve(
    study: Study,
    case: str,
    model: Any,
    student: lb.Student,
    train: lb.TransferSet,
    training: lb.Training,
) -> dict[str, Any]:
    """The learning curve of a student of this model, as plain values."""
    seeds = SIZES[study.size].seeds

    def make() -> dict[str, Any]:
        folder = study.folder / "stores" / case.replace(" ", "-").replace(",", "")
        store = lb.annotate(lb.Estimator(model, name="regression"), train, folder, dtype="float32")
        found = learning_curve(
            student, store, train, lb.SoftTargets(1.0), training, seeds=seeds, device="cpu",
            checkpoint=study.folder / "checkpoints", progress=study.progress,
        )  # fmt: skip
        assert found.foretold is not None
        return {
            "case": case,
            "points": [{"examples": p.examples, "risks": p.risks} for p in found.points],
            "foretold": [found.foretold.low, found.foretold.estimate, found.foretold.high],
            "exponent": [found.exponent.low, found.exponent.estimate, found.exponent.high],
            "twice": [v for m, r in found.ahead if m == 2 for v in (r.low, r.estimate, r.high)],
            "sentence": found.sentence,
        }

    result: dict[str, Any] = study.once(
        f"curve, {case}", make, training=repr(training), seeds=seeds
    )
    return result


def closed_rows(exact: Sequence[dict[str, Any]]) -> list[Row]:
    """The bound against what was counted."""
    above = []
    for cell in exact:
        risks = measured(cell["risks"])
        if risks.mean - 4 * risks.sd / risks.n**0.5 > cell["bound"]:
            above.append((cell["pair"], cell["examples"]))
    what = "cells of the closed form's risk above the bound by more than 4 standard errors"
    counted = measured([float(len(above))])
    if all(cell["bound"] >= 1 for cell in exact):
        why = "the bound is 1 in every cell: the images are too nearly at right angles to w*."
        rows = [Row(what, PUBLISHED["bound"], counted, why=why)]
    else:
        why = f"above it: {above}." if above else ""
        rows = [Row(what, PUBLISHED["bound"], counted, "0", not above, why)]
    for cell in exact:
        if cell["examples"] == 100:
            risks = measured([100 * risk for risk in cell["risks"]])
            rows.append(Row(f"{cell['pair']}: closed form, 100 examples, risk in %", "", risks))
            angle = measured([np.degrees(cell["angle"])])
            bound = measured([100 * cell["bound"]])
            rows.append(Row(f"{cell['pair']}: bound, 100 examples, in %", "", bound))
            rows.append(Row(f"{cell['pair']}: median angle to the weights, degrees", "", angle))
    return rows


def curve_rows(found: dict[str, Any]) -> list[Row]:
    """What the largest part showed, and what the smaller ones had foretold."""
    last = measured([100 * risk for risk in found["points"][-1]["risks"]])
    low, said, high = (100 * value for value in found["foretold"])
    holds = low <= last.mean <= high
    why = f"the smaller parts foretold {said:.2f} %, and the largest shows {last.mean:.2f} %."
    what = f"{found['case']}: disagreement with {found['points'][-1]['examples']} examples, %"
    return [
        Row(what, "", last, f"foretold: {low:.2f} to {high:.2f}", holds, "" if holds else why),
        Row(f"{found['case']}: exponent of the law", "", measured([found["exponent"][1]])),
        Row(f"{found['case']}: foretold for twice as many, %", "",
            measured([100 * found["twice"][1]])),
    ]  # fmt: skip


def draw(study: Study, exact: Sequence[dict[str, Any]], curves: Sequence[dict[str, Any]]) -> None:
    """Angles, and risk by number of examples: closed form, its bound, and trained students."""
    cells = [
        {"case": cell["pair"], "examples": cell["examples"], "what": what, "disagreement": value}
        for cell in exact
        for what, value in (("mean risk", measured(cell["risks"]).mean), ("bound", cell["bound"]))
    ]
    trained = [
        {"case": each["case"], "examples": point["examples"], "what": "trained", "disagreement": r}
        for each in curves
        for point in each["points"]
        for r in [measured(point["risks"]).mean]
    ]
    angles = [
        {"case": cell["pair"], "degrees": degrees, "what": "images", "share beyond": share}
        for cell in exact
        if cell["examples"] == EXAMPLES[0]
        for degrees, share in zip(DEGREES.tolist(), cell["beyond"], strict=True)
    ]
    study.figure("closed-form", lines(cells, "examples", "disagreement", "log"))
    study.figure("curves", lines(trained, "examples", "disagreement", "log"))
    study.figure("angles", lines(angles, "degrees", "share beyond", "linear"))


def lines(
    values: Sequence[dict[str, Any]], x: str, y: str, scale: Literal["linear", "log"]
) -> "altair.Chart":
    """A line for every case."""
    import altair as alt

    shown = [value for value in values if scale == "linear" or value[y] > 0]
    chart: altair.Chart = (
        alt.Chart(alt.Data(values=shown))  # type: ignore[no-untyped-call]
        .mark_line(point=True)
        .encode(
            x=alt.X(f"{x}:Q", scale=alt.Scale(type=scale, zero=False)),
            y=alt.Y(f"{y}:Q", scale=alt.Scale(type=scale)),
            color=alt.Color("case:N", sort=None, title=None),
            strokeDash=alt.StrokeDash("what:N", sort=None, title=None),
        )
    )
    return chart
