"""Hints (FitNets): a hidden layer of the student learns to predict one of the teacher.

    mean over examples and features of ( h_teacher - r(h_student) )^2

r is a trained linear map from the student's channels to the teacher's, the same at each place of
a map. It bridges the two widths and is thrown away after training.

Romero, Ballas, Kahou, Chassang, Gatta & Bengio, "FitNets: Hints for Thin Deep Nets", 2015,
https://arxiv.org/abs/1412.6550, section 2.2.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from limbeck.errors import LimbeckError
from limbeck.objectives.features import hidden_pair, layer_name, layer_shape, pooled_alike
from limbeck.objectives.objective import Objective, Shapes
from limbeck.types import Knowledge, Outputs

__all__ = ["Hints"]


class Hints(Objective):
    """Predict a hidden layer of the teacher, linearly, from one of the student.

    Reads features (d,) or maps (channels, height, width). Maps of different size are averaged down
    to the smaller height and width. The paper's r is a wider convolution, which shrinks a larger
    student map by itself.

    Args:
        teacher_layer: Module path; of an ensemble `member.layer`.
        student_layer: Module path.

    Raises:
        ValueError: if a layer's name is empty.
        LimbeckError: if a layer is missing, if its shape is not the one it was bound for, or if
            one side gives maps and the other does not.

    Relations:
        Its size is that of the teacher's squared activations, so its weight must be chosen: 100
        in common comparisons, beside hard labels of weight 1. Where both layers have the same
        width, r starts as the identity, and an equal student scores the minimum, 0.

    Example:
        >>> objective = 100 * Hints("layer2", "layer1") + HardLabels()
    """

    needs = frozenset({"hidden"})

    def __init__(self, teacher_layer: str, student_layer: str) -> None:
        super().__init__()
        self.teacher_layer = layer_name("teacher_layer", teacher_layer)
        self.student_layer = layer_name("student_layer", student_layer)
        self.teacher_layers = (self.teacher_layer,)
        self.student_layers = (self.student_layer,)
        self.projection: nn.Linear | None = None

    def bind(self, teacher_shapes: Shapes, student_shapes: Shapes) -> None:
        """Create the projection; keep the one there is if it has the right widths.

        Its first weights come from torch's global generator.

        Raises:
            LimbeckError: if a layer is missing or not of the same kind as the other.
        """
        theirs = layer_shape(teacher_shapes, self.teacher_layer, "teacher")
        ours = layer_shape(student_shapes, self.student_layer, "student")
        if len(theirs) != len(ours) or len(theirs) not in (1, 3):
            raise LimbeckError(
                f"the teacher's '{self.teacher_layer}' is {theirs} for each example and the "
                f"student's '{self.student_layer}' {ours}; both features (d,) or both maps "
                "(channels, height, width) are needed. Name two layers of the same kind."
            )
        widths = (ours[0], theirs[0])
        if self.projection is None or self.widths != widths:
            self.projection = nn.Linear(*widths)
            if ours[0] == theirs[0]:
                nn.init.eye_(self.projection.weight)
                nn.init.zeros_(self.projection.bias)

    @property
    def widths(self) -> tuple[int, int] | None:
        """The channels of student and teacher that it is bound for."""
        if self.projection is None:
            return None
        return (self.projection.in_features, self.projection.out_features)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over examples and features, in squared activations of the teacher."""
        theirs, ours = hidden_pair(
            teacher,
            student,
            teacher_layer=self.teacher_layer,
            student_layer=self.student_layer,
            objective="Hints",
        )
        if self.projection is None:
            raise LimbeckError(
                "Hints has no projection yet; its layers' shapes are needed first. Call "
                "bind(teacher_shapes, student_shapes), as distill does."
            )
        kinds = (theirs.ndim, ours.ndim)
        if kinds not in ((2, 2), (4, 4)) or (ours.shape[1], theirs.shape[1]) != self.widths:
            raise LimbeckError(
                f"the teacher's '{self.teacher_layer}' is {tuple(theirs.shape)} and the student's "
                f"'{self.student_layer}' {tuple(ours.shape)}, but Hints was bound for "
                f"{self.widths} channels (student, teacher). Call bind with the shapes of these."
            )
        if theirs.ndim == 4:
            theirs, ours = pooled_alike(theirs, ours)
        weight = self.projection.weight.to(ours.dtype)
        guess = projected(ours, weight, self.projection.bias.to(ours.dtype))
        return squared_difference(theirs, guess).mean()


def projected(
    student: Float[Tensor, "b d ..."], weight: Float[Tensor, "o d"], bias: Float[Tensor, " o"]
) -> Float[Tensor, "b o ..."]:
    """The linear map over the channels (axis 1), the same at each place of a map."""
    if student.ndim == 2:
        return functional.linear(student, weight, bias)
    return functional.conv2d(student, weight[:, :, None, None], bias)


def squared_difference(
    teacher: Float[Tensor, "b ..."], guess: Float[Tensor, "b ..."]
) -> Float[Tensor, " b"]:
    """The mean squared difference of each example."""
    return torch.square(teacher - guess).flatten(start_dim=1).mean(dim=-1)
