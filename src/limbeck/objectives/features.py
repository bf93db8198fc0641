"""Hidden features as the objectives read them: found by layer, paired, pooled, of unit length."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from limbeck.errors import LimbeckError, nearest
from limbeck.objectives.fitting import precise
from limbeck.types import Knowledge, Outputs

__all__ = ["hidden_pair", "layer_name", "layer_shape", "maps_only", "pooled_alike", "unit_rows"]

SMALLEST_LENGTH = 1e-12


def layer_name(name: str, value: str) -> str:
    """A constructor's layer name, once it is one.

    Raises:
        ValueError: if it is empty or not text.
    """
    if not isinstance(value, str) or not value:
        raise ValueError(
            f"{name} is {value!r}; the module path of one layer is needed. Write {name}='layer3'."
        )
    return value


def layer_shape(shapes: Mapping[str, tuple[int, ...]], layer: str, whose: str) -> tuple[int, ...]:
    """The shape of a layer's activations without the batch axis.

    Raises:
        LimbeckError: if there is no such layer; the closest is named; or if it answers per token.
    """
    if layer not in shapes:
        raise LimbeckError(missing(shapes, layer, whose))
    if -1 in shapes[layer]:
        raise LimbeckError(per_token(layer, whose))
    return tuple(shapes[layer])


def per_token(layer: str, whose: str) -> str:
    remedy = (
        "Annotate with hidden_tokens=1 to keep the first token alone"
        if whose == "teacher"
        else "Name a layer after the tokens are pooled"
    )
    return (
        f"the {whose}'s layer '{layer}' answers for each token, and texts differ in length; "
        f"features of one shape for every example are needed. {remedy}."
    )


def missing(known: Mapping[str, object], layer: str, whose: str) -> str:
    if known:
        return f"the {whose} gives no hidden layer '{layer}'. {nearest(layer, known)}"
    remedy = (
        "Annotate with a teacher made with hidden"
        if whose == "teacher"
        else "Make the student with hidden"
    )
    return f"the {whose} gives no hidden layers; '{layer}' is needed. {remedy}=('{layer}',)."


def hidden_pair(
    teacher: Knowledge | None,
    student: Outputs,
    *,
    teacher_layer: str,
    student_layer: str,
    objective: str,
) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
    """The teacher's activations, without gradient, and the student's; float32 at least.

    Raises:
        LimbeckError: if there is no teacher, a layer is missing or answers per token, or the
            examples are not the same.
    """
    if teacher is None:
        raise LimbeckError(
            f"{objective} learns from a teacher's hidden layer and was given no knowledge. "
            "Annotate the transfer set first, or use HardLabels, which needs labels only."
        )
    for known, layer, whose in (
        (teacher.hidden, teacher_layer, "teacher"),
        (student.hidden, student_layer, "student"),
    ):
        if layer not in known:
            raise LimbeckError(missing(known, layer, whose))
    for lengths, layer, whose in (
        (teacher.lengths, teacher_layer, "teacher"),
        (student.lengths, student_layer, "student"),
    ):
        if layer in lengths:
            raise LimbeckError(per_token(layer, whose))
    theirs, ours = teacher.hidden[teacher_layer], student.hidden[student_layer]
    if min(theirs.ndim, ours.ndim) < 2 or len(theirs) != len(ours):
        raise LimbeckError(
            f"the teacher's '{teacher_layer}' is {tuple(theirs.shape)} and the student's "
            f"'{student_layer}' {tuple(ours.shape)}; (examples, features ...) with the same "
            "examples is needed. Give both the same examples."
        )
    return precise(theirs.detach()), precise(ours)


def maps_only(shape: tuple[int, ...], layer: str, whose: str) -> None:
    """Makes sure that a layer gives maps, its shape without the batch axis having three axes.

    Raises:
        LimbeckError: if it does not.
    """
    if len(shape) != 3:
        raise LimbeckError(
            f"the {whose}'s '{layer}' is {shape} for each example; maps (channels, height, width) "
            "are needed. Name a convolutional layer, before the maps are flattened."
        )


def pooled_alike(
    teacher: Float[Tensor, "b _ _ _"], student: Float[Tensor, "b _ _ _"]
) -> tuple[Float[Tensor, "b _ h w"], Float[Tensor, "b _ h w"]]:
    """Both maps at the smaller height and width; the larger is averaged down."""
    height = min(teacher.shape[-2], student.shape[-2])
    width = min(teacher.shape[-1], student.shape[-1])
    pooled = [
        maps
        if maps.shape[-2:] == (height, width)
        else functional.adaptive_avg_pool2d(maps, (height, width))
        for maps in (teacher, student)
    ]
    return pooled[0], pooled[1]


def unit_rows(
    vectors: Float[Tensor, "*r d"], smallest: float | Float[Tensor, ""] = SMALLEST_LENGTH
) -> Float[Tensor, "*r d"]:
    """Each row divided by its length; rows no longer than `smallest` become 0, with zero gradient.

    Dividing such a row by a tiny constant instead would multiply its gradient by 1e12.
    """
    squares = vectors.square().sum(dim=-1, keepdim=True)
    long_enough = squares > smallest**2
    lengths = torch.where(long_enough, squares, 1.0).sqrt()
    return torch.where(long_enough, vectors / lengths, 0.0)
