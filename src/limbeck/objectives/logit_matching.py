"""Logit matching: the squared distance between the logits themselves.

    mean over examples and classes of ( c(z_teacher) - c(z_student) )^2

c(z) = z - mean(z) centres each row: a knowledge store keeps logits only up to a constant per row,
which no softmax can see. With deviations, the difference of each class is divided by its own: that
is the regression on logits normalised per output, the student's being read in the teacher's units.

Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014, https://arxiv.org/abs/1312.6184,
section 2.2; Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 2.1.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives.fitting import dense_knowledge, positive, student_logits
from limbeck.objectives.objective import Objective
from limbeck.types import Knowledge, Outputs

__all__ = ["LogitMatching"]


class LogitMatching(Objective):
    """Bring the student's logits to the teacher's, up to a constant per example.

    Of an ensemble, the logits are the combined log-probabilities at temperature 1.

    Args:
        deviations: Of the teacher's logits, one per class, each > 0, as
            `limbeck.store.logit_deviations` measures them; () divides by nothing.

    Raises:
        ValueError: if a deviation is not positive and finite.
        LimbeckError: if the student's examples or classes are not the teacher's, there is not one
            deviation per class, or a top-k store dropped some classes.

    Relations:
        Twice the limit of SoftTargets at high temperature. It minds the smallest logits as much as
        the largest: a class that the teacher rules out at -1000 dominates it.

    Example:
        >>> objective = LogitMatching() + 0.1 * HardLabels()
    """

    def __init__(self, deviations: Sequence[float] = ()) -> None:
        super().__init__()
        self.deviations = tuple(positive("deviations", each) for each in deviations)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over examples and classes, in squared logits."""
        logits = student_logits(student)
        teacher_logits = dense_knowledge(student, teacher, "LogitMatching").log_probs(1.0)
        theirs, ours = centred(teacher_logits), centred(logits)
        if self.deviations:
            scale = self.scale(logits)
            theirs, ours = theirs / scale, ours / scale
        return squared_difference(theirs, ours).mean()

    def scale(self, logits: Float[Tensor, "b c"]) -> Float[Tensor, " c"]:
        """The deviations beside these logits."""
        if len(self.deviations) != logits.shape[1]:
            raise LimbeckError(
                f"LogitMatching has {len(self.deviations)} deviations and the student scored "
                f"{logits.shape[1]} classes; one per class is needed. Measure them with "
                "limbeck.store.logit_deviations(store)."
            )
        return torch.tensor(self.deviations, dtype=logits.dtype, device=logits.device)


def centred(logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """The logits minus their mean over the classes."""
    return logits - logits.mean(dim=-1, keepdim=True)


def squared_difference(
    teacher_logits: Float[Tensor, "b c"], student_logits: Float[Tensor, "b c"]
) -> Float[Tensor, " b"]:
    """The mean squared difference of each example's logits, as they are."""
    return (teacher_logits - student_logits).square().mean(dim=-1)
