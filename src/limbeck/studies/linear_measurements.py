"""The theorems on linear students, measured on drawn data; see `limbeck.studies.phuong_lampert`.

Phuong & Lampert 2019, https://arxiv.org/abs/2105.13093.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from limbeck import seeding
from limbeck.theory import (
    AngleLaw,
    Margin,
    Polynomial,
    angle,
    deep_descent,
    descent,
    displaced,
    drawn,
    excess_loss,
    nested_students,
    predicted_error,
    projected,
    risk,
    risk_bound,
    soft_labels,
)

__all__ = [
    "DISTANCES",
    "LAWS",
    "biased",
    "closed_form",
    "deep_students",
    "growing",
    "mean_risks",
]

LAWS: dict[str, AngleLaw] = {
    "power 0.25": Polynomial(0.25),
    "power 0.5": Polynomial(0.5),
    "power 1": Polynomial(1.0),
    "power 2": Polynomial(2.0),
    "margin 0.45 pi": Margin(0.45 * math.pi),
}
EXAMPLES = (2, 5, 10, 20, 50, 100)
DISTANCES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
NORMS = (1e-1, 1e-2, 1e-3)


def normal(*shape: int, key: str) -> Float[np.ndarray, "..."]:
    source = seeding.generator("phuong-lampert", key)
    return torch.randn(shape, generator=source, dtype=torch.float64).numpy()


def closed_form() -> dict[str, float]:
    """The largest distance of trained students to the projection, with few and many examples."""
    found = {}
    for examples in (5, 40):
        teacher, inputs = normal(20, key="teacher"), normal(10, examples, 20, key=f"{examples}")
        teacher *= 2.0 / np.linalg.norm(teacher)
        labels = soft_labels(teacher, inputs)
        student = descent(inputs, labels, steps=50_000)
        distance = np.linalg.norm(student - projected(teacher, inputs), axis=-1)
        found[f"{examples} examples in 20 dimensions"] = float(distance.max())
    return found


def deep_students() -> list[dict[str, float]]:
    """The distance of deep students to the projection, as trained and as predicted."""
    teacher, inputs = normal(20, key="deep teacher"), normal(5, 20, key="deep")
    direction, norms = normal(20, key="start"), np.array(NORMS)
    teacher *= 2.0 / np.linalg.norm(teacher)
    found = []
    for layers in (1, 2, 3):
        labels = soft_labels(teacher, inputs)
        ends = deep_descent(
            inputs, labels, layers=layers, norms=norms, direction=direction, step=0.02
        )
        errors = np.linalg.norm(ends - projected(teacher, inputs), axis=1)
        wanted = predicted_error(teacher, inputs, layers=layers, norms=norms, direction=direction)
        for norm, error, predicted in zip(norms, errors, wanted, strict=True):
            found.append({"layers": layers, "norm": norm, "error": error, "predicted": predicted})
    return found


def mean_risks(draws: int) -> list[dict[str, Any]]:
    """For each law and number of examples the mean exact risk, its standard error, the bound."""
    axis, found = np.eye(200)[0], []
    for name, law in LAWS.items():
        inputs = drawn(law, axis, (draws, max(EXAMPLES)), "risks", name)
        angles = angle(nested_students(axis, inputs), axis)
        for count in EXAMPLES:
            risks = risk(law, angles[:, count - 1], 200)
            error = float(risks.std(ddof=1) / math.sqrt(draws))
            found.append(
                {
                    "law": name,
                    "examples": count,
                    "risk": float(risks.mean()),
                    "error": error,
                    "bound": risk_bound(law, count),
                }
            )
    return found


def growing(sets: int, updates: int) -> dict[str, list[float]]:
    """Mean angles to the teacher as data are added, and how often one grew by more than 1e-9."""
    teacher, inputs = normal(30, key="grown teacher"), normal(sets, 29, 30, key="grown")
    soft = angle(nested_students(teacher, inputs), teacher)
    counts = list(range(1, 30, 2))
    hard = np.stack(
        [
            angle(
                descent(inputs[:, :n], 1.0 * (inputs[:, :n] @ teacher > 0), steps=updates), teacher
            )
            for n in counts
        ],
        axis=1,
    )
    law, axis = LAWS["power 1"], np.eye(50)[0]
    students = nested_students(axis, drawn(law, axis, (sets, 49), "grown"))
    exact = risk(law, angle(students, axis), 50)
    rises = {"soft rises": soft, "hard rises": hard, "risk rises": exact}
    return {
        "examples": [float(n) for n in counts],
        "soft": soft[:, ::2].mean(axis=0).tolist(),
        "hard": hard.mean(axis=0).tolist(),
        **{k: (np.diff(v, axis=1) > 1e-9).mean(axis=1).tolist() for k, v in rises.items()},
    }


def biased(draws: int) -> list[dict[str, float]]:
    """Mean exact risk and largest loss of students moved where no example can see it."""
    law, axis = LAWS["power 0.5"], np.eye(200)[0]
    inputs = drawn(law, axis, (draws, 50), "bias")
    labels, student = soft_labels(axis, inputs), projected(axis, inputs)
    found = []
    for distance in DISTANCES:
        moved = displaced(student, inputs, normal(200, key="aside"), distance)
        risks = risk(law, angle(moved, axis), 200)
        loss = excess_loss(moved, inputs, labels).max()
        found.append({"distance": distance, "risk": float(risks.mean()), "loss": float(loss)})
    return found
