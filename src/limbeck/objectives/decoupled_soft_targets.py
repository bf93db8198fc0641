"""Decoupled soft targets (DKD): what the teacher says of the label, and of the other classes.

    T^2 * ( a * KL( b_teacher || b_student )  +  b * KL( o_teacher || o_student ) )

b is (p_label, 1 - p_label); o are the probabilities of the other classes among themselves. Soft
targets weigh the second part by 1 - p_label of the teacher, so a sure teacher hardly teaches how
the other classes compare; here the weight b does not depend on how sure it is.

Zhao, Cui, Song, Qiu & Liang, "Decoupled Knowledge Distillation", 2022,
https://arxiv.org/abs/2203.08679, section 3.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.objectives.fitting import (
    dense_knowledge,
    fitting_labels,
    kl_divergence,
    label_error,
    non_negative,
    positive,
    student_logits,
)
from limbeck.objectives.objective import Objective
from limbeck.types import UNLABELLED, Knowledge, Outputs

__all__ = ["DecoupledSoftTargets"]


class DecoupledSoftTargets(Objective):
    """Match the teacher's probability of the label, and of the other classes among themselves.

    Examples without a label have no other classes and are skipped: the loss is the mean over the
    labelled ones, and 0 with zero gradient for a batch without any.

    Args:
        temperature: T above, > 0.
        target_weight: a above, >= 0: for the probability of the label.
        non_target_weight: b above, >= 0: for the other classes among themselves. 8 on CIFAR-100,
            where 2 and 6 are used for some pairs; 0.5 on ImageNet, with temperature 1.

    Raises:
        ValueError: if the temperature is not positive or a weight is negative, or not finite.
        LimbeckError: if student, teacher and labels do not fit, or if a top-k store dropped some
            classes.

    Relations:
        With the weights 1 and 1 - p_label (of each example's teacher) it is SoftTargets. The paper
        raises its weight from 0 to full over the first 20 of 240 epochs.

    Example:
        >>> objective = DecoupledSoftTargets(non_target_weight=2.0) + HardLabels()
    """

    needs = frozenset({"logits", "labels"})

    def __init__(
        self,
        temperature: float = 4.0,
        target_weight: float = 1.0,
        non_target_weight: float = 8.0,
    ) -> None:
        super().__init__()
        self.temperature = positive("temperature", temperature)
        self.temperatures = (self.temperature,)
        self.target_weight = non_negative("target_weight", target_weight)
        self.non_target_weight = non_negative("non_target_weight", non_target_weight)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean over the labelled examples, in nats times T^2."""
        T = self.temperature
        logits = student_logits(student)
        knowledge = dense_knowledge(student, teacher, "DecoupledSoftTargets")
        labels, labelled = fitting_labels(logits, labels)
        target, non_target = divergences(
            knowledge.log_probs(T), (logits / T).log_softmax(dim=-1), labels, labelled
        )
        losses = T**2 * (self.target_weight * target + self.non_target_weight * non_target)
        return torch.where(labelled, losses, 0.0).sum() / labelled.sum().clamp(min=1)

    def count(self, labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """How many examples have a label."""
        return (labels != UNLABELLED).sum().float()


def divergences(
    teacher_log_probs: Float[Tensor, "b c"],
    student_log_probs: Float[Tensor, "b c"],
    labels: Int[Tensor, " b"],
    labelled: Bool[Tensor, " b"],
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """KL of label against rest, and KL of the other classes among themselves, in nats.

    Meaningless where there is no label.

    Raises:
        LimbeckError: if a label is not a class number.
    """
    target = torch.where(labelled, labels, 0).unsqueeze(-1)
    try:
        teacher_target, teacher_others = split(teacher_log_probs, target)
    except RuntimeError as error:
        raise label_error(labels, teacher_log_probs.shape[-1]) from error
    student_target, student_others = split(student_log_probs, target)
    return (
        kl_divergence(teacher_target, student_target),
        kl_divergence(teacher_others, student_others),
    )


def split(
    log_probs: Float[Tensor, "b c"], target: Int[Tensor, "b 1"]
) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b others"]]:
    """Log-probabilities of (label, rest) and of the other classes among themselves.

    1 - p_label is the sum of the others, never a difference: 1 - 1.0 would be log 0.
    """
    classes = log_probs.shape[-1]
    numbers = torch.arange(classes - 1, device=log_probs.device)
    others = log_probs.gather(-1, numbers + (numbers >= target).long())
    rest = others.logsumexp(dim=-1, keepdim=True)
    return torch.cat([log_probs.gather(-1, target), rest], dim=-1), others - rest
