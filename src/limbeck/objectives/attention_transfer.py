"""Attention transfer: look where the teacher looks.

    mean over examples and places of ( Q(f_teacher) - Q(f_student) )^2

Q is the mean over the channels of f^2, flattened to one vector per example and divided by its
length: a map of where the layer is active. It does not depend on the number of channels.

Zagoruyko & Komodakis, "Paying More Attention to Attention", 2017,
https://arxiv.org/abs/1612.03928, section 3.1.
"""

from jaxtyping import Float, Int
from torch import Tensor

from limbeck.objectives.features import (
    hidden_pair,
    layer_name,
    layer_shape,
    maps_only,
    pooled_alike,
    unit_rows,
)
from limbeck.objectives.objective import Objective, Shapes
from limbeck.types import Knowledge, Outputs

__all__ = ["AttentionTransfer"]


class AttentionTransfer(Objective):
    """Be active at the places of an image where the teacher is.

    Reads maps (channels, height, width); the larger is averaged down to the smaller height and
    width. An example whose maps are 0 everywhere has attention 0.

    Args:
        teacher_layer: Module path; of an ensemble `member.layer`.
        student_layer: Module path.

    Raises:
        ValueError: if a layer's name is empty.
        LimbeckError: if a layer is missing or does not give maps.

    Relations:
        Weight 1000 in common comparisons, because this is a mean over the places; the paper's form
        sums over them.

    Example:
        >>> objective = 1000 * AttentionTransfer("layer3", "layer2") + HardLabels()
    """

    needs = frozenset({"hidden"})

    def __init__(self, teacher_layer: str, student_layer: str) -> None:
        super().__init__()
        self.teacher_layer = layer_name("teacher_layer", teacher_layer)
        self.student_layer = layer_name("student_layer", student_layer)
        self.teacher_layers = (self.teacher_layer,)
        self.student_layers = (self.student_layer,)

    def bind(self, teacher_shapes: Shapes, student_shapes: Shapes) -> None:
        """Check the shapes; there is nothing to train.

        Raises:
            LimbeckError: if a layer is missing or does not give maps.
        """
        theirs = layer_shape(teacher_shapes, self.teacher_layer, "teacher")
        ours = layer_shape(student_shapes, self.student_layer, "student")
        maps_only(theirs, self.teacher_layer, "teacher")
        maps_only(ours, self.student_layer, "student")

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over examples and places; without a unit."""
        theirs, ours = hidden_pair(
            teacher,
            student,
            teacher_layer=self.teacher_layer,
            student_layer=self.student_layer,
            objective="AttentionTransfer",
        )
        maps_only(tuple(theirs.shape[1:]), self.teacher_layer, "teacher")
        maps_only(tuple(ours.shape[1:]), self.student_layer, "student")
        theirs, ours = pooled_alike(theirs, ours)
        return (attention(theirs) - attention(ours)).square().mean(dim=-1).mean()


def attention(maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b places"]:
    """Where the maps are active, as one unit vector per example."""
    return unit_rows(maps.square().mean(dim=1).flatten(start_dim=1))
