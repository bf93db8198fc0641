"""Similarity preserving: examples that are alike to the teacher are alike to the student.

    || G_teacher - G_student ||^2 / b^2

G holds the inner products of the b examples' features with each other, each row divided by its
length. It is b by b whatever the widths of the two layers.

Tung & Mori, "Similarity-Preserving Knowledge Distillation", 2019,
https://arxiv.org/abs/1907.09682, section 2.
"""

from jaxtyping import Float, Int
from torch import Tensor

from limbeck.objectives.features import hidden_pair, layer_name, unit_rows
from limbeck.objectives.objective import Objective
from limbeck.types import Knowledge, Outputs

__all__ = ["SimilarityPreserving"]


class SimilarityPreserving(Objective):
    """Find the same examples of a batch alike as the teacher does.

    Reads features of any shape, flattened. An example whose features are 0 is like no other.

    Args:
        teacher_layer: Module path; of an ensemble `member.layer`.
        student_layer: Module path.

    Raises:
        ValueError: if a layer's name is empty.
        LimbeckError: if a layer is missing or the examples are not the same.

    Relations:
        Weight 3000 in common comparisons, at batch size 64. Relational: it depends on the batch
        size, and is 0 for a batch of one example. RelationalDistances compares distances instead.

    Example:
        >>> objective = 3000 * SimilarityPreserving("layer4", "layer3") + HardLabels()
    """

    needs = frozenset({"hidden"})
    relational = True

    def __init__(self, teacher_layer: str, student_layer: str) -> None:
        super().__init__()
        self.teacher_layer = layer_name("teacher_layer", teacher_layer)
        self.student_layer = layer_name("student_layer", student_layer)
        self.teacher_layers = (self.teacher_layer,)
        self.student_layers = (self.student_layer,)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over all pairs of examples; without a unit."""
        theirs, ours = hidden_pair(
            teacher,
            student,
            teacher_layer=self.teacher_layer,
            student_layer=self.student_layer,
            objective="SimilarityPreserving",
        )
        return (similarities(theirs) - similarities(ours)).square().mean(dim=-1).mean()


def similarities(features: Float[Tensor, "b ..."]) -> Float[Tensor, "b b"]:
    """Inner products between all examples, each row of length 1."""
    flat = features.flatten(start_dim=1)
    return unit_rows(flat @ flat.T)
