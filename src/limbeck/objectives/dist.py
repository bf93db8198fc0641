"""DIST: keep the order and the proportions of the teacher's probabilities, not their values.

    T^2 * ( b * (1 - mean over examples of r(row_teacher, row_student))
          + g * (1 - mean over classes of r(column_teacher, column_student)) )

r is Pearson's correlation of softmax(z / T), over the classes of one example (row) or over the
examples of one class (column). A correlation forgives the student scale and offset, which a small
student often cannot match in a much stronger teacher.

Huang, You, Wang, Qian & Xu, "Knowledge Distillation from A Stronger Teacher", 2022,
https://arxiv.org/abs/2205.10536, section 3.
"""

from jaxtyping import Float, Int
from torch import Tensor

from limbeck.objectives.fitting import dense_knowledge, non_negative, positive, student_logits
from limbeck.objectives.objective import Objective
from limbeck.types import Knowledge, Outputs

__all__ = ["Dist"]

SHORTEST = 1e-4


class Dist(Objective):
    """Correlate with the teacher's probabilities, within each example and within each class.

    Its minimum is 0, where all correlations are 1. Rows and columns whose probabilities deviate
    from their mean by less than 1e-4 (root of the sum of squares) fade to correlation 0, so keep
    batches large against the number of classes. A batch of one example has no columns: that term
    is then 0.

    Args:
        temperature: T above, > 0.
        inter_class_weight: b above, >= 0: the classes of each example.
        intra_class_weight: g above, >= 0: the examples of each class.

    Raises:
        ValueError: if the temperature is not positive or a weight is negative, or not finite.
        LimbeckError: if the student's examples or classes are not the teacher's, or if a top-k
            store dropped some classes.

    Relations:
        With temperature 4 and both weights 2 it is used on CIFAR-100, without the factor T^2 in
        some code. Relational: it depends on the batch size.

    Example:
        >>> objective = Dist() + HardLabels()
    """

    relational = True

    def __init__(
        self,
        temperature: float = 1.0,
        inter_class_weight: float = 1.0,
        intra_class_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.temperature = positive("temperature", temperature)
        self.temperatures = (self.temperature,)
        self.inter_class_weight = non_negative("inter_class_weight", inter_class_weight)
        self.intra_class_weight = non_negative("intra_class_weight", intra_class_weight)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """From 0 to 2 T^2 times the sum of the weights; without a unit."""
        T = self.temperature
        student_probs = (student_logits(student) / T).softmax(dim=-1)
        teacher_probs = dense_knowledge(student, teacher, "Dist").log_probs(T).exp()
        loss = self.inter_class_weight * (1 - correlation(teacher_probs, student_probs).mean())
        if len(student_probs) > 1:
            columns = correlation(teacher_probs.mT, student_probs.mT)
            loss = loss + self.intra_class_weight * (1 - columns.mean())
        return T**2 * loss


def correlation(
    teacher: Float[Tensor, "r s"], student: Float[Tensor, "r s"]
) -> Float[Tensor, " r"]:
    """Pearson's correlation of each row, towards 0 where a row hardly varies."""
    return (deviations(teacher) * deviations(student)).sum(dim=-1)


def deviations(values: Float[Tensor, "r s"]) -> Float[Tensor, "r s"]:
    """Each row minus its mean, divided by its length or by `SHORTEST`, whichever is longer.

    The limit keeps a student that gives all classes the same probability, as an untrained one may,
    from a gradient of rounding noise divided by nearly nothing.
    """
    centred = values - values.mean(dim=-1, keepdim=True)
    squares = centred.square().sum(dim=-1, keepdim=True)
    return centred / squares.clamp(min=SHORTEST**2).sqrt()
