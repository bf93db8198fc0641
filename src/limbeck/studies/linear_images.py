"""Linear teachers and students of images: closed form, bound, and learning curve.

What the study phuong-lampert-images measures; the theory is `limbeck.theory`.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

import limbeck as lb
from limbeck import seeding
from limbeck.evaluation import Interval
from limbeck.studies.study import Study
from limbeck.theory import Observed, line_angles, projected, risk_bound

__all__ = ["DEGREES", "closed_form", "curve", "linear_student", "regression"]

EXAMPLES = (2, 5, 10, 20, 50, 100, 200, 500)
DEGREES = np.arange(60.0, 90.1, 1.0)


def regression(train: lb.TransferSet, *, intercept: bool = True) -> Any:
    """A logistic regression, fitted on all labels."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(fit_intercept=intercept, max_iter=5000)
    return model.fit(flat(train), train.labels.numpy())


def flat(data: lb.TransferSet) -> Float[np.ndarray, "n d"]:
    return data.batch(torch.arange(len(data))).inputs.flatten(1).numpy()


def linear_student(train: lb.TransferSet, layers: int) -> lb.Student:
    """Linear layers for two classes of these images; see `linear`."""
    return lb.Student(partial(linear, math.prod(train.input_shape), layers))


def linear(inputs: int, layers: int) -> nn.Module:
    """Linear layers without biases that start small; a single one at 0, as the theory has it."""
    widths = [inputs, *[8] * (layers - 1)]
    stack = [nn.Linear(a, b, bias=False) for a, b in zip(widths, [*widths[1:], 2], strict=True)]
    for layer in stack:
        nn.init.normal_(layer.weight, std=0.0 if layers == 1 else 0.05)
    return nn.Sequential(nn.Flatten(), *stack)


def closed_form(
    pair: str, model: Any, train: lb.TransferSet, test: lb.TransferSet, draws: int
) -> list[dict[str, Any]]:
    """For each number of examples the projections' risks on test images, and the bound.

    The bound is that of the test images' angles to the weights, of which the median (radians) and
    the shares beyond `DEGREES` are given too.

    Args:
        pair: The name of the two classes.
        model: A logistic regression without intercept, whose weights are the teacher.
        train: Examples, of which random parts are taken.
        test: What the risk is counted on.
        draws: How many parts of each size.
    """
    teacher = model.coef_[0].astype(np.float64)
    inputs, seen = flat(train).astype(np.float64), flat(test).astype(np.float64)
    law = Observed(line_angles(teacher, seen))
    decided = seen @ teacher >= 0
    found = []
    for count in [n for n in EXAMPLES if n <= len(inputs)]:
        risks = []
        for draw in range(draws):
            rows = seeding.permutation(len(inputs), draw, "closed form")[:count].numpy()
            student = projected(teacher, inputs[rows])
            risks.append(float(((seen @ student >= 0) != decided).mean()))
        found.append(
            {
                "pair": pair,
                "examples": count,
                "risks": risks,
                "bound": risk_bound(law, count),
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
    *,
    seeds: int,
) -> dict[str, Any]:
    """The learning curve of a student of this model, as plain values."""
    store = study.annotate(
        lb.Estimator(model, name="regression"), train, case.replace(" ", "-").replace(",", "")
    )
    found = lb.learning_curve(
        student,
        store,
        train,
        lb.SoftTargets(1.0),
        training,
        seeds=seeds,
        checkpoint=study.folder / "checkpoints",
        progress=study.progress,
    )
    assert found.foretold is not None
    return {
        "case": case,
        "points": [{"examples": p.examples, "risks": p.risks} for p in found.points],
        "foretold": ends(found.foretold),
        "exponent": ends(found.exponent),
        "twice": [end for multiple, risk in found.ahead if multiple == 2 for end in ends(risk)],
        "sentence": found.sentence,
    }


def ends(interval: Interval) -> list[float]:
    return [interval.low, interval.estimate, interval.high]
