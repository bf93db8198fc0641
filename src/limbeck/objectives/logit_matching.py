"""Logit matching: the squared distance between the logits themselves.

    mean over examples and classes of ( c(z_teacher) - c(z_student) )^2

c(z) = z - mean(z) centres each row: a knowledge store keeps logits only up to a constant per row,
which no softmax can see.

Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014, https://arxiv.org/abs/1312.6184,
section 2.2; Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 2.1.
"""

from jaxtyping import Float, Int
from torch import Tensor

from limbeck.objectives.fitting import dense_knowledge, student_logits
from limbeck.objectives.objective import Objective
from limbeck.types import Knowledge, Outputs

__all__ = ["LogitMatching"]


class LogitMatching(Objective):
    """Bring the student's logits to the teacher's, up to a constant per example.

    Of an ensemble, the logits are the combined log-probabilities at temperature 1.

    Raises:
        LimbeckError: if the student's examples or classes are not the teacher's, or if a top-k
            store dropped some of them.

    Relations:
        Twice the limit of SoftTargets at high temperature. It minds the smallest logits as much as
        the largest: a class that the teacher rules out at -1000 dominates it.

    Example:
        >>> objective = LogitMatching() + 0.1 * HardLabels()
    """

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over examples and classes, in squared logits."""
        logits = student_logits(student)
        teacher_logits = dense_knowledge(student, teacher, "LogitMatching").log_probs(1.0)
        return squared_difference(centred(teacher_logits), centred(logits)).mean()


def centred(logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The logits minus their mean over the classes."""
    return logits - logits.mean(dim=-1, keepdim=True)


def squared_difference(
    teacher_logits: Float[Tensor, "b c"], student_logits: Float[Tensor, "b c"]
) -> Float[Tensor, " b"]:
    """The mean squared difference of each example's logits, as they are."""
    return (teacher_logits - student_logits).square().mean(dim=-1)
