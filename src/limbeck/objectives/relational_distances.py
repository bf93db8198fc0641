"""Relational distances (RKD): keep the teacher's distances and angles between examples.

    25 * mean over pairs of huber( d_teacher / mean d_teacher - d_student / mean d_student )
  + 50 * mean over triplets of huber( cos_teacher - cos_student )

d are Euclidean distances of the examples' features in a batch, divided by the mean of those above
0; cos is the cosine of the angle at example i between examples j and k. Both are free of scale and
rotation, so teacher and student may differ in width. Means run over all b^2 pairs and all b^3
triplets, an example with itself included.

Park, Kim, Lu & Cho, "Relational Knowledge Distillation", 2019, https://arxiv.org/abs/1904.05068,
section 3.2.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from limbeck.objectives.features import hidden_pair, layer_name, unit_rows
from limbeck.objectives.fitting import non_negative
from limbeck.objectives.objective import Objective
from limbeck.types import Knowledge, Outputs

__all__ = ["RelationalDistances"]

COINCIDING = 1e-5


class RelationalDistances(Objective):
    """Place the examples of a batch towards each other as the teacher does.

    Reads features of any shape, flattened; name a pooled layer where there is one. The angles
    take memory for several times b^2 d + b^3 numbers (0.8 GB in all at b = 256, d = 512); with
    `angle_weight=0` only b^2 are kept.

    Args:
        teacher_layer: Module path; of an ensemble `member.layer`.
        student_layer: Module path.
        distance_weight: For the distances, >= 0.
        angle_weight: For the angles, >= 0.

    Raises:
        ValueError: if a weight is negative or not finite, or a layer's name is empty.
        LimbeckError: if a layer is missing or the examples are not the same.

    Relations:
        SimilarityPreserving compares inner products instead. Relational: it depends on the batch
        size, and is 0 for a batch of one example.

    Example:
        >>> objective = RelationalDistances("pool", "pool") + HardLabels()
    """

    needs = frozenset({"hidden"})
    relational = True

    def __init__(
        self,
        teacher_layer: str,
        student_layer: str,
        distance_weight: float = 25.0,
        angle_weight: float = 50.0,
    ) -> None:
        super().__init__()
        self.teacher_layer = layer_name("teacher_layer", teacher_layer)
        self.student_layer = layer_name("student_layer", student_layer)
        self.teacher_layers = (self.teacher_layer,)
        self.student_layers = (self.student_layer,)
        self.distance_weight = non_negative("distance_weight", distance_weight)
        self.angle_weight = non_negative("angle_weight", angle_weight)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The weighted sum of both means; without a unit."""
        pair = hidden_pair(
            teacher,
            student,
            teacher_layer=self.teacher_layer,
            student_layer=self.student_layer,
            objective="RelationalDistances",
        )
        theirs, ours = (features.flatten(start_dim=1) for features in pair)
        loss = self.distance_weight * functional.smooth_l1_loss(distances(ours), distances(theirs))
        if self.angle_weight:
            loss = loss + self.angle_weight * functional.smooth_l1_loss(
                cosines(ours), cosines(theirs)
            )
        return loss


def distances(features: Float[Tensor, "b d"]) -> Float[Tensor, "b b"]:
    """Distances between all examples, divided by the mean of those above 0.

    Through differences, not inner products: those lose near neighbours to rounding. The gradient
    of a distance of 0 is 0.
    """
    raw = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    mean = raw.sum() / (raw > 0).sum().clamp(min=1)
    return raw / torch.where(mean > 0, mean, 1.0)


def cosines(features: Float[Tensor, "b d"]) -> Float[Tensor, "b b b"]:
    """At [i, j, k] the cosine of the angle at example i between the examples j and k.

    Examples that coincide with example i have no direction; their cosines are 0. Coinciding means
    to 1e-5 of the features' size: copies of an example differ by rounding, and the angle of that
    difference would have an enormous gradient.
    """
    size = features.detach().square().sum(dim=-1).mean().sqrt()
    directions = unit_rows(features.unsqueeze(0) - features.unsqueeze(1), COINCIDING * size)
    return directions @ directions.mT
