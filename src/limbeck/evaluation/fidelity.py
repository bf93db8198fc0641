"""How closely a student follows its teacher."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["agreement", "kl_nats"]


def agreement(one: Float[Tensor, "n c"], other: Float[Tensor, "n c"]) -> float:
    """Share of the examples on which both put the same class first, in [0, 1]."""
    return float((one.argmax(dim=1) == other.argmax(dim=1)).double().mean())


def kl_nats(teacher: Float[Tensor, "n c"], student: Float[Tensor, "n c"]) -> float:
    """Mean KL(teacher || student) of log-probabilities, in nats, >= 0.

    A class that the teacher holds impossible adds nothing.
    """
    log_p, log_q = teacher.double(), student.double()
    terms = log_p.exp() * (log_p - log_q)
    return max(0.0, float(terms.where(log_p.exp() > 0, 0.0).sum(dim=1).mean()))
