"""Soft targets: match the teacher's softened class probabilities.

    T^2 * KL( softmax(z_teacher / T) || softmax(z_student / T) )

The factor T^2 keeps the gradient's size nearly independent of the temperature T, so that the
weight beside hard labels need not change with it.

Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015,
https://arxiv.org/abs/1503.02531, section 2.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.objectives.fitting import (
    fitting_knowledge,
    kl_divergence,
    positive,
    student_logits,
)
from limbeck.objectives.objective import Objective
from limbeck.types import Knowledge, Outputs

__all__ = ["SoftTargets"]


class SoftTargets(Objective):
    """Match the teacher's softened class probabilities.

    From a top-k store, the classes that it dropped count as one class, "the rest": the loss is
    then a lower bound on the dense one (of teachers combined geometrically, nearly so: their mean
    is taken after lumping).

    Args:
        temperature: T above, > 0. Higher is softer; 1 to 10 in most papers. Use 1 for
            scikit-learn and XGBoost teachers, whose probabilities are soft already. Towards 0 only
            the largest logit counts.

    Raises:
        ValueError: if the temperature is not positive and finite, or a top-k store lacks it.
        LimbeckError: if the student's examples or classes are not the teacher's.

    Relations:
        LogitMatching is twice its limit at high temperature; above T = 100, where float32 shows in
        the loss, use that. DecoupledSoftTargets weighs its two parts apart.

    Example:
        >>> objective = 0.9 * SoftTargets(temperature=4.0) + 0.1 * HardLabels()
    """

    varying = ("temperature",)

    def __init__(self, temperature: float = 4.0) -> None:
        super().__init__()
        self.temperature = positive("temperature", temperature)
        self.temperatures = (self.temperature,)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over the examples, in nats times T^2."""
        T = self.temperature
        logits = student_logits(student)
        knowledge = fitting_knowledge(student, teacher, "SoftTargets")
        student_log_probs = (logits / T).log_softmax(dim=-1)
        if knowledge.kept is not None:
            student_log_probs = kept_and_rest(student_log_probs, knowledge.kept)
        return T**2 * kl_divergence(knowledge.log_probs(T), student_log_probs).mean()


def kept_and_rest(
    log_probs: Float[Tensor, "b c"], kept: Int[Tensor, "b k"]
) -> Float[Tensor, "b kept_and_rest"]:
    """The log-probabilities of the kept classes and, last, of all others together."""
    rest = log_probs.scatter(-1, kept, -torch.inf).logsumexp(dim=-1, keepdim=True)
    return torch.cat([log_probs.gather(-1, kept), rest], dim=-1)
