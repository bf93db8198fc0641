"""Deep linear students, trained layer by layer in loops, and where they are predicted to end."""

import numpy as np
import pytest

from limbeck.theory import deep_descent, drawn, predicted_error, projected, soft_labels
from limbeck.theory.angles import Polynomial

TEACHER = np.linspace(-0.8, 1.0, 12)
INPUTS = 2.5 * drawn(Polynomial(1.0), TEACHER, (4,), "deep")
LABELS = soft_labels(TEACHER, INPUTS)
DIRECTION = np.cos(np.arange(12.0))
NORMS = np.array([0.1, 0.01])


def layer_by_layer(layers: int, norm: float, steps: int) -> np.ndarray:
    """Every layer on its own, as matrices, by the chain rule."""
    unit = DIRECTION / np.linalg.norm(DIRECTION)
    if unit @ INPUTS.T @ (LABELS - 0.5) < 0:
        unit = -unit
    each = norm ** (1 / layers)
    weights = [each * unit[None]] + [np.array([[each]]) for _ in range(layers - 1)]
    for _ in range(steps):
        whole = weights[0]
        for weight in weights[1:]:
            whole = weight @ whole
        gradient = np.zeros((1, 12))
        for example, label in zip(INPUTS, LABELS, strict=True):
            chance = 1 / (1 + np.exp(-float(whole[0] @ example)))
            gradient += (chance - label) * example / len(INPUTS)
        new = []
        for place, weight in enumerate(weights):
            after, before = np.eye(1), np.eye(12)
            for later in weights[place + 1 :]:
                after = later @ after
            for earlier in weights[:place]:
                before = earlier @ before
            new.append(weight - 0.05 * after.T @ gradient @ before.T)
        weights = new
    whole = weights[0]
    for weight in weights[1:]:
        whole = weight @ whole
    return whole[0]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_descent_is_that_of_every_layer_on_its_own(layers):
    """One number for all later layers must not change their gradients."""
    found = deep_descent(
        INPUTS, LABELS, layers=layers, norms=NORMS, direction=DIRECTION, steps=40, tolerance=0.0
    )
    for end, norm in zip(found, NORMS, strict=True):
        np.testing.assert_allclose(end, layer_by_layer(layers, float(norm), 40), rtol=1e-9)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_distance_to_the_projection_is_the_predicted_one(layers):
    """The error falls as the N-th root of the start: a claim that a plausible run would blur."""
    found = deep_descent(INPUTS, LABELS, layers=layers, norms=NORMS, direction=DIRECTION)
    errors = np.linalg.norm(found - projected(TEACHER, INPUTS), axis=1)
    wanted = predicted_error(TEACHER, INPUTS, layers=layers, norms=NORMS, direction=DIRECTION)
    np.testing.assert_allclose(errors, wanted, rtol=0.01)
    slope = np.log(errors[0] / errors[1]) / np.log(NORMS[0] / NORMS[1])
    assert slope == pytest.approx(1 / layers, abs=0.02)


@pytest.mark.parametrize(("layers", "norms"), [(0, [0.1]), (2, [0.1, 0.0])])
def test_a_start_that_cannot_move_is_refused(layers, norms):
    """It would stay at the saddle, and 0 looks like a converged gradient."""
    with pytest.raises(ValueError, match="layers are 1 or more, and a start of norm 0 never moves"):
        deep_descent(INPUTS, LABELS, layers=layers, norms=np.array(norms), direction=DIRECTION)
