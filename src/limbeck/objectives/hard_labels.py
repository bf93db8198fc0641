"""Hard labels: plain supervised learning, the baseline of every distillation.

    (1 - e) * -log softmax(z_student)[label]  +  e * mean over classes of -log softmax(z_student)

Label smoothing e moves that much of the target to the uniform distribution; that is distillation
from a teacher who knows nothing, at T = 1.

Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, "Rethinking the Inception Architecture for Computer
Vision", 2016, https://arxiv.org/abs/1512.00567, section 7.
"""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from limbeck.objectives.fitting import (
    a_number,
    fitting_labels,
    label_error,
    positive,
    student_logits,
)
from limbeck.objectives.objective import Objective
from limbeck.types import UNLABELLED, Knowledge, Outputs

__all__ = ["HardLabels"]


class HardLabels(Objective):
    """Learn the true class of each labelled example.

    Examples labelled -1 have no label and do not count: the loss is the mean over the labelled
    ones, and 0 with zero gradient for a batch without any.

    Args:
        label_smoothing: e above, from 0 (none) to below 1; 0.1 in most papers.
        student_temperature: What the logits are divided by first, > 0; 1 leaves them.

    Raises:
        ValueError: if label_smoothing is not in [0, 1), or student_temperature not above 0.
        LimbeckError: if labels are not class numbers of the student.

    Relations:
        Without smoothing its minimum is 0, at infinite logits; smoothed, it is the entropy of the
        smoothed target. Teachers that were trained with smoothing often teach worse.

    Example:
        >>> objective = 0.9 * SoftTargets(temperature=4.0) + 0.1 * HardLabels()
    """

    needs = frozenset({"labels"})

    def __init__(self, label_smoothing: float = 0.0, *, student_temperature: float = 1.0) -> None:
        super().__init__()
        self.label_smoothing = a_number("label_smoothing", label_smoothing)
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label_smoothing is {label_smoothing}; it must be from 0 to below 1. Try "
                "label_smoothing=0.1."
            )
        self.student_temperature = positive("student_temperature", student_temperature)

    def forward(
        self, student: Outputs, teacher: Knowledge | None, labels: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """The mean cross-entropy of the labelled examples, in nats; needs no teacher."""
        logits = student_logits(student) / self.student_temperature
        labels, labelled = fitting_labels(logits, labels)
        return cross_entropy(logits, labels, self.label_smoothing) / labelled.sum().clamp(min=1)

    def count(self, labels: Int[Tensor, " b"]) -> Float[Tensor, ""]:
        """How many examples have a label."""
        return (labels != UNLABELLED).sum().float()


def cross_entropy(
    logits: Float[Tensor, "b c"], labels: Int[Tensor, " b"], label_smoothing: float
) -> Float[Tensor, ""]:
    """The sum of the cross-entropies of the labelled examples."""
    try:
        return functional.cross_entropy(
            logits,
            labels,
            ignore_index=UNLABELLED,
            reduction="sum",
            label_smoothing=label_smoothing,
        )
    except IndexError as error:
        raise label_error(labels, logits.shape[-1]) from error
