"""Deep linear students: how near to the teacher's projection they come, from a small start.

A student w = W_N ... W_1 of N linear layers without biases, all of one unit but the input, that
starts balanced (every layer of the same norm), ends at distance e from the projection P w* of its
teacher. Gradients never change the part of W_1 outside the span of the examples, and training
keeps the layers balanced, so with r the norm of w at the start and phi the angle of W_1 to the span

    e = r^(1/N) sin(phi) (|P w*|^2 + e^2)^((N - 1) / (2 N))

For N = 1 the part outside stays as it was; for more layers a start that is ten times smaller brings
only 10^(1/N). That a small balanced start that is no worse than 0 comes near to the projection:
Phuong & Lampert 2019, https://arxiv.org/abs/2105.13093. The equation is our derivation.
"""

import numpy as np
from jaxtyping import Float
from numpy.linalg import norm

from limbeck.theory.linear_students import projected, sigmoid

__all__ = ["deep_descent", "predicted_error"]


def deep_descent(
    inputs: Float[np.ndarray, "n d"],
    labels: Float[np.ndarray, " n"],
    *,
    layers: int,
    norms: Float[np.ndarray, " r"],
    direction: Float[np.ndarray, " d"],
    step: float = 0.05,
    steps: int = 200_000,
    tolerance: float = 1e-10,
) -> Float[np.ndarray, "r d"]:
    """End-to-end weights after gradient descent on every layer, from balanced starts.

    The layers after the first have one weight each and start alike, so they stay alike and one
    number stands for all of them.

    Args:
        inputs: The examples.
        labels: The teacher's probabilities of class 1, in [0, 1].
        layers: N, >= 1.
        norms: Norms of the end-to-end weights at the start, > 0; one student for each.
        direction: Of the first layer's weights; turned round where it starts worse than 0.
        step: Of gradient descent, > 0; small, as the equation is about infinitely small ones.
        steps: At most so many, >= 1.
        tolerance: It ends once every gradient is no longer than this, >= 0.

    Raises:
        ValueError: if layers or a norm are not as above.
    """
    if layers < 1 or not (norms > 0).all():
        raise ValueError(
            f"layers is {layers} and the smallest norm {norms.min()}; layers are 1 or more, and a "
            "start of norm 0 never moves. Give norms above 0."
        )
    unit = direction / norm(direction)
    if unit @ (inputs.T @ (labels - 0.5)) < 0:
        unit = -unit
    each = norms[:, None] ** (1.0 / layers)
    first, rest = each * unit, each
    for taken in range(steps):
        product = rest ** (layers - 1)
        errors = sigmoid(product * first @ inputs.T) - labels
        gradient = errors @ inputs / len(inputs)
        to_first = product * gradient
        along = (first * gradient).sum(axis=1, keepdims=True)
        to_rest = rest ** (layers - 2) * along if layers > 1 else np.zeros_like(rest)
        # at the saddle every gradient is small too: only the examples' errors tell the end
        if taken % 100 == 0 and norm(gradient, axis=1).max() <= tolerance:
            break
        first, rest = first - step * to_first, rest - step * to_rest
    return np.asarray(rest ** (layers - 1) * first)


def predicted_error(
    teacher: Float[np.ndarray, " d"],
    inputs: Float[np.ndarray, "n d"],
    *,
    layers: int,
    norms: Float[np.ndarray, " r"],
    direction: Float[np.ndarray, " d"],
) -> Float[np.ndarray, " r"]:
    """The distance e from the teacher's projection at which gradient flow ends, for each start."""
    unit = direction / norm(direction)
    sine = norm(unit - projected(unit, inputs))
    length = norm(projected(teacher, inputs))
    error = np.zeros_like(norms)
    power = (layers - 1) / (2.0 * layers)
    for _ in range(200):  # a contraction: the power is below one half
        error = norms ** (1.0 / layers) * sine * (length**2 + error**2) ** power
    return np.asarray(error)
