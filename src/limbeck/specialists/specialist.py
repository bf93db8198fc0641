"""A specialist's answer, put right for the half of its training examples that were special.

The specialist saw its classes with probability s (one half) and will meet them with probability
pi. What it says of the dustbin, its logit, is therefore raised by

    bayes    log( (1 - pi) / pi * s / (1 - s) )   the exact change of the prior odds
    literal  log( s / pi )                        the factor by which its classes are oversampled

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5.3, say the second in
words; the first is what Bayes' rule gives. They differ by log((1 - pi) / (1 - s)): by up to 0.69
for s = 1/2.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.fingerprint import digest
from limbeck.specialists.specialist_set import checked_special, specialist_classes
from limbeck.teachers import Teacher, in_order_of
from limbeck.types import Batch

__all__ = ["Correction", "Specialist", "prior_correction"]

Correction = Literal["bayes", "literal", "none"]


@dataclass(frozen=True)
class Specialist:
    """A teacher that knows some classes well.

    Attributes:
        teacher: Scores the special classes, in ascending order, then the dustbin; or all classes.
        special: Class numbers, ascending.
        classes: The names of all classes.
        prior: How often its classes occur, in (0, 1).
        share: How often they occurred among its training examples, in (0, 1).
        all_classes: Whether it scores all classes, one by one, instead of a dustbin.

    Raises:
        ValueError: if a number is out of its range, or the special classes do not fit.
    """

    teacher: Teacher
    special: tuple[int, ...]
    classes: tuple[str, ...]
    prior: float
    share: float = 0.5
    all_classes: bool = False

    def __post_init__(self) -> None:
        if checked_special(self.special, self.classes) != tuple(self.special):
            raise ValueError(f"the special classes {self.special} are not ascending. Sort them.")
        for name, value in (("prior", self.prior), ("share", self.share)):
            if not 0 < value < 1:
                raise ValueError(f"{name} is {value}; it is a share of examples between 0 and 1.")

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The names of what it scores."""
        return self.classes if self.all_classes else specialist_classes(self.special, self.classes)

    @property
    def fingerprint(self) -> str:
        """What its teacher, classes and shares hash to."""
        facts = [self.special, self.classes, self.prior, self.share, self.all_classes]
        return digest("specialist", self.teacher.fingerprint, facts)

    def log_probs(self, batch: Batch, correction: Correction = "bayes") -> Float[Tensor, "b own"]:
        """Its log-probabilities of its own classes, float64, put right for their true frequency.

        Raises:
            TeacherError: if the teacher scores another number of classes.
        """
        logits = self.teacher.outputs(batch).logits.detach().double().cpu()
        own = self.own_classes
        if tuple(logits.shape) != (len(batch), len(own)):
            raise TeacherError(
                f"specialist '{self.teacher.name}' scored {tuple(logits.shape)} and "
                f"{(len(batch), len(own))} (examples, classes) is needed: its "
                f"{len(self.special)} classes and the dustbin, or all with all_classes=True."
            )
        order = in_order_of(self.teacher.classes, own)
        logits = logits if order is None else logits[:, order]
        unknown = torch.ones(len(own), dtype=torch.bool)
        unknown[torch.tensor(self.special) if self.all_classes else slice(0, -1)] = False
        logits[:, unknown] += prior_correction(self.prior, self.share, correction)
        return logits.log_softmax(dim=1)


def prior_correction(prior: float, share: float, correction: Correction) -> float:
    """What is added to the logit of what a specialist does not know.

    Raises:
        ValueError: if there is no such correction.
    """
    if correction == "bayes":
        return math.log((1 - prior) / prior * share / (1 - share))
    if correction == "literal":
        return math.log(share / prior)
    if correction == "none":
        return 0.0
    raise ValueError(f"correction is {correction!r}; it is 'bayes', 'literal' or 'none'.")
