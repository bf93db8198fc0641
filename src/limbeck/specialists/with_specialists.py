"""A generalist and its specialists as one teacher, which can be annotated and distilled.

For an image, the classes that the generalist holds most probable call in the specialists that know
one of them; only those are run. Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531,
section 5.4. Distilling the whole into a single net is what their section 7 leaves to be shown.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.fingerprint import digest
from limbeck.specialists.combining import Opinion, combined
from limbeck.specialists.specialist import Correction, Specialist, prior_correction
from limbeck.teachers import Teacher, in_order_of
from limbeck.teachers.answers import checked_name
from limbeck.types import Batch, Outputs

__all__ = ["WithSpecialists"]


class WithSpecialists(Teacher):
    """A generalist that asks specialists about what it confuses.

    Args:
        generalist: A teacher of all classes, or an ensemble of such.
        specialists: At least one, all of the same classes.
        most_probable: How many of the generalist's most probable classes call specialists in,
            >= 1; the paper has 1.
        correction: How a specialist's dustbin is put right for its training examples: "bayes",
            "literal" (as the paper words it) or "none". The first two are for images of all
            classes; those that call a specialist in are mostly of its own, so that "none" may be
            right more often. `best_corrected` chooses on validation data.
        name: What reports call it: letters, digits, "_" and "-".

    Raises:
        ValueError: if there is no specialist, or a setting is not as above.
        TeacherError: if the specialists or the generalist know other classes.

    Example:
        >>> teacher = WithSpecialists(generalist, specialists)
        >>> store = annotate(teacher, data.train, "all.store")
    """

    def __init__(
        self,
        generalist: Teacher,
        specialists: Sequence[Specialist],
        *,
        most_probable: int = 1,
        correction: Correction = "bayes",
        name: str = "with-specialists",
    ) -> None:
        if not specialists:
            raise ValueError("there are no specialists. Give at least one, or the generalist.")
        self.name = checked_name(name)
        self.generalist = generalist
        self.specialists = tuple(specialists)
        self.classes: tuple[str, ...] = self.specialists[0].classes
        if any(specialist.classes != self.classes for specialist in specialists):
            raise TeacherError(
                "the specialists know different classes, or the same in another order. Train "
                "them on one transfer set."
            )
        if not 1 <= most_probable <= len(self.classes):
            raise ValueError(
                f"most_probable is {most_probable}; it must be from 1 to {len(self.classes)}."
            )
        self.order = in_order_of(generalist.classes, self.classes)
        prior_correction(0.5, 0.5, correction)
        self.most_probable = most_probable
        self.correction: Correction = correction

    @property
    def fingerprint(self) -> str:
        """What the generalist, the specialists and how they are asked hash to."""
        return digest(
            "with specialists",
            self.generalist.fingerprint,
            [specialist.fingerprint for specialist in self.specialists],
            [self.most_probable, self.correction],
        )

    def outputs(self, batch: Batch) -> Outputs:
        """The combined log-probabilities as logits, float32, on the CPU; no hidden features.

        Raises:
            TeacherError: if a teacher fails or scores another number of classes.
        """
        general = self.general(batch)
        likely = general.topk(self.most_probable, dim=1).indices
        opinions = []
        for specialist in self.specialists:
            called = torch.isin(likely, torch.tensor(specialist.special)).any(dim=1)
            rows = called.nonzero().flatten()
            if len(rows):
                opinions.append(self.opinion(specialist, batch, rows))
        q = combined(general, opinions) if opinions else general
        return Outputs(q.log().clamp(min=torch.finfo(torch.float32).min).float())

    def general(self, batch: Batch) -> Float[Tensor, "b c"]:
        """The generalist's probabilities in the order of the specialists' classes, float64."""
        logits = self.generalist.outputs(batch).logits.detach().double().cpu()
        if tuple(logits.shape) != (len(batch), len(self.classes)):
            raise TeacherError(
                f"the generalist '{self.generalist.name}' scored {tuple(logits.shape)} and "
                f"{(len(batch), len(self.classes))} (examples, classes) is needed. Give it the "
                "specialists' classes."
            )
        return (logits if self.order is None else logits[:, self.order]).softmax(dim=1)

    def opinion(self, specialist: Specialist, batch: Batch, rows: Tensor) -> Opinion:
        """What a specialist says about these images."""
        said = specialist.log_probs(batch.part(rows), self.correction).exp()
        if not specialist.all_classes:
            return Opinion(rows, specialist.special, said)
        nothing = said.new_zeros(len(said), 1)
        return Opinion(rows, tuple(range(len(self.classes))), torch.cat([said, nothing], dim=1))

    def release(self) -> None:
        """Give the memory of the generalist and of all specialists back."""
        self.generalist.release()
        for specialist in self.specialists:
            specialist.teacher.release()
