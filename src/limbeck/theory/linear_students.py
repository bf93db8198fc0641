"""What a linear student learns from a linear teacher's soft labels: the teacher's projection.

    teacher  P(y = 1 | x) = sigmoid(w* . x)        student  sigmoid(w . x), from w = 0
    limit    w = P w*,  P the projection on the span of the examples

It is w* itself once the examples span the whole space. Gradients lie in the span of the examples,
where the loss is strictly convex; whatever the start has outside of it stays there.

Phuong & Lampert, "Towards Understanding Knowledge Distillation", ICML 2019,
https://arxiv.org/abs/2105.13093. Leading axes s are separate data sets.
"""

import numpy as np
from jaxtyping import Float
from numpy.linalg import norm

__all__ = [
    "angle",
    "descent",
    "displaced",
    "excess_loss",
    "nested_students",
    "projected",
    "sigmoid",
    "soft_labels",
]

SMALLEST_SHARE = 1e-10
"""An example that is this near to the span of the others, relatively, is taken to lie in it."""


def sigmoid(margins: Float[np.ndarray, "*s n"]) -> Float[np.ndarray, "*s n"]:
    """1 / (1 + exp(-margin)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * margins)))


def soft_labels(
    teacher: Float[np.ndarray, " d"], inputs: Float[np.ndarray, "*s n d"]
) -> Float[np.ndarray, "*s n"]:
    """The teacher's probability of class 1 for each example, in (0, 1)."""
    return sigmoid(inputs @ teacher)


def projected(
    vector: Float[np.ndarray, " d"], inputs: Float[np.ndarray, "*s n d"]
) -> Float[np.ndarray, "*s d"]:
    """The part of a vector that lies in the span of the examples, of any rank.

    Of the teacher's weights it is the student that gradient descent from 0 ends at.
    """
    _, lengths, directions = np.linalg.svd(inputs, full_matrices=False)
    spanned = lengths > SMALLEST_SHARE * lengths[..., :1]
    shares = np.where(spanned, directions @ vector, 0.0)
    return np.asarray((shares[..., None] * directions).sum(axis=-2))


def nested_students(
    teacher: Float[np.ndarray, " d"], inputs: Float[np.ndarray, "*s n d"]
) -> Float[np.ndarray, "*s n d"]:
    """The students of the first 1, 2, ..., n examples, all from one QR decomposition.

    Raises:
        ValueError: if there are more examples than dimensions, or some depend on those before.
    """
    examples, dimensions = inputs.shape[-2:]
    if examples > dimensions:
        raise ValueError(
            f"{examples} examples in {dimensions} dimensions depend on each other; from "
            f"{dimensions} on the student is the teacher. Give at most {dimensions}."
        )
    basis, triangle = np.linalg.qr(inputs.swapaxes(-1, -2))
    new = np.abs(np.diagonal(triangle, axis1=-2, axis2=-1))
    if not (new > SMALLEST_SHARE * norm(inputs, axis=-1)).all():
        raise ValueError(
            "an example lies in the span of those before it. Leave it out, or use `projected`, "
            "which takes any examples."
        )
    directions = basis.swapaxes(-1, -2)
    shares = directions @ teacher
    return np.asarray((shares[..., None] * directions).cumsum(axis=-2))


def displaced(
    student: Float[np.ndarray, "*s d"],
    inputs: Float[np.ndarray, "*s n d"],
    direction: Float[np.ndarray, " d"],
    distance: float,
) -> Float[np.ndarray, "*s d"]:
    """Another student of the same training loss: moved where no example can see it.

    Args:
        student: Its weights.
        inputs: The examples, fewer than dimensions.
        direction: Any vector; its part in the span of the examples is taken off.
        distance: How far, in lengths of the student, >= 0.
    """
    unseen = direction - projected(direction, inputs)
    unseen = unseen / norm(unseen, axis=-1, keepdims=True)
    return np.asarray(student + distance * norm(student, axis=-1, keepdims=True) * unseen)


def angle(
    one: Float[np.ndarray, "*s d"], other: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "*s"]:
    """The angle between two vectors, in radians from 0 to pi, also where it is tiny."""
    first = one / norm(one, axis=-1, keepdims=True)
    second = other / norm(other)
    apart, together = norm(first - second, axis=-1), norm(first + second, axis=-1)
    return np.asarray(2.0 * np.arctan2(apart, together))


def excess_loss(
    student: Float[np.ndarray, "*s d"],
    inputs: Float[np.ndarray, "*s n d"],
    labels: Float[np.ndarray, "*s n"],
) -> Float[np.ndarray, "*s"]:
    """Mean KL(label || student) in nats, >= 0; labels are probabilities of class 1 in [0, 1]."""
    margins = (inputs @ student[..., None])[..., 0]
    entropy = np.zeros_like(labels)
    inside = (labels > 0) & (labels < 1)
    sure = labels[inside]
    entropy[inside] = -sure * np.log(sure) - (1 - sure) * np.log1p(-sure)
    crossed = np.logaddexp(0.0, margins) - labels * margins
    return np.asarray((crossed - entropy).mean(axis=-1))


def descent(
    inputs: Float[np.ndarray, "*s n d"],
    labels: Float[np.ndarray, "*s n"],
    *,
    steps: int,
    start: Float[np.ndarray, "*s d"] | None = None,
    tolerance: float = 1e-13,
) -> Float[np.ndarray, "*s d"]:
    """The student after gradient descent on the mean cross-entropy, step 1 / smoothness.

    Args:
        inputs: The examples.
        labels: Probabilities of class 1, soft or 0 and 1, in [0, 1].
        steps: At most so many, >= 1.
        start: Where it begins; None: at 0.
        tolerance: It ends once every gradient is no longer than this, >= 0.
    """
    examples = inputs.shape[-2]
    student = np.zeros((*inputs.shape[:-2], inputs.shape[-1])) if start is None else start.copy()
    largest = np.linalg.svd(inputs, compute_uv=False)[..., :1]
    step = 4.0 * examples / largest**2
    turned = inputs.swapaxes(-1, -2)
    for _ in range(steps):
        errors = sigmoid((inputs @ student[..., None])[..., 0]) - labels
        gradient = (turned @ errors[..., None])[..., 0] / examples
        if norm(gradient, axis=-1).max() <= tolerance:
            break
        student = student - step * gradient
    return student
