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

SMALLEST_PRODUCT_OF_NORMS = 1e-8


class Dist(Objective):
    """Correlate with the teacher's probabilities, within each example and within each class.

    Its minimum is 0, where both correlations are 1. A class whose probability does not vary over
    the batch has correlation 0, so keep batches large against the number of classes; a batch of
    one example has no columns, and that term is 0.

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
    """Pearson's correlation of each row; towards 0 where a row hardly varies.

    The clamp comes before the square root, whose gradient at 0 is infinite.
    """
    teacher = teacher - teacher.mean(dim=-1, keepdim=True)
    student = student - student.mean(dim=-1, keepdim=True)
    squares = teacher.square().sum(dim=-1) * student.square().sum(dim=-1)
    norms = squares.clamp(min=SMALLEST_PRODUCT_OF_NORMS**2).sqrt()
    return (teacher * student).sum(dim=-1) / norms
