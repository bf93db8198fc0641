"""Other classes: a specialist with all classes keeps what the generalist knows of the others.

    T^2 * KL( softmax(z_teacher[others] / T) || softmax(z_student[others] / T) )

The others are the classes that are not special. How likely they are together is left to the hard
labels, beside which this belongs; without it a specialist that rarely meets them forgets them.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 6.1, propose it and leave
open how: that only the others' share of the softmax is compared is our reading.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.objectives import Objective
from limbeck.objectives.fitting import fitting_knowledge, kl_divergence, positive, student_logits
from limbeck.types import Knowledge, Outputs, TopK, combine_log_probs

__all__ = ["OtherClasses"]


class OtherClasses(Objective):
    """Match the teacher's softened probabilities among the classes that are not special.

    Args:
        special: Class numbers that are left out.
        temperature: T above, > 0. Higher is softer.

    Raises:
        ValueError: if the temperature is not positive and finite, or a class number is negative
            or repeated.
        LimbeckError: if fewer than two classes are left, the student's examples or classes are not
            the teacher's, or the store holds only the largest logits.

    Example:
        >>> objective = HardLabels() + OtherClasses([3, 5, 8], temperature=4.0)
    """

    def __init__(self, special: Sequence[int], temperature: float = 4.0) -> None:
        super().__init__()
        self.special = tuple(int(number) for number in special)
        if min(self.special, default=0) < 0 or len(set(self.special)) < len(self.special):
            raise ValueError(
                f"the special classes are {list(special)}; give class numbers from 0, each once."
            )
        self.temperature = positive("temperature", temperature)
        self.temperatures = (self.temperature,)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over the examples, in nats times T^2."""
        T = self.temperature
        logits = student_logits(student)
        knowledge = fitting_knowledge(student, teacher, "OtherClasses")
        if isinstance(knowledge.logits, TopK):
            raise LimbeckError(
                "OtherClasses reads the logits of all classes, and this store keeps only the "
                "largest. Annotate without top_k."
            )
        others = self.others(logits.shape[-1]).to(logits.device)
        members = (knowledge.logits[..., others] / T).log_softmax(dim=-1)
        teacher_log_probs = combine_log_probs(members, knowledge.combine, knowledge.weights)
        student_log_probs = (logits[:, others] / T).log_softmax(dim=-1)
        return T**2 * kl_divergence(teacher_log_probs, student_log_probs).mean()

    def others(self, classes: int) -> Int[Tensor, " others"]:
        """The class numbers that are not special."""
        others = [number for number in range(classes) if number not in set(self.special)]
        if len(others) < 2:
            raise LimbeckError(
                f"all but {len(others)} of {classes} classes are special, so there is nothing to "
                "tell apart among the others. Make fewer special."
            )
        return torch.tensor(others)
