"""Several teachers as one teacher.

    arithmetic   p = sum of w_i p_i               minimises sum of w_i KL(p_i || p)
    geometric    p = softmax(sum of w_i log p_i)  minimises sum of w_i KL(p || p_i)

p_i being the members' probabilities at the temperature in use. Hinton, Vinyals & Dean 2015,
https://arxiv.org/abs/1503.02531, section 2, allow either; a member that is sure a class is wrong
all but forbids it in the geometric mean, and is outvoted in the arithmetic one.
"""

import copy
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.fingerprint import digest
from limbeck.teachers.answers import checked_name
from limbeck.teachers.class_order import in_order_of
from limbeck.teachers.teacher import Teacher
from limbeck.types import Batch, Combine, Knowledge, Outputs

__all__ = ["Ensemble"]


class Ensemble(Teacher):
    """Teachers of any kinds, combined into one.

    An ensemble among them is replaced by its members, which is the same thing as long as both
    combine alike. Members of the same name are numbered: net, net-2, net-3. Those that know their
    classes in another order are brought into the first one's.

    `annotate` and `evaluate` take its members one at a time; `outputs` and `knowledge` keep all in
    memory until `release()`.

    Args:
        teachers: At least one.
        combine: "arithmetic" or "geometric" mean of their probabilities.
        weights: One per teacher, > 0; they are divided by their sum. None: equal.
        name: What reports call it: letters, digits, "_" and "-".

    Raises:
        TeacherError: if the teachers' classes are not the same, only some know theirs, or an
            ensemble within combines in the other way.
        ValueError: if there is no teacher, or the weights, `combine` or the name are not as above.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        *,
        combine: Combine = "geometric",
        weights: Sequence[float] | None = None,
        name: str = "ensemble",
    ) -> None:
        if combine not in ("arithmetic", "geometric"):
            raise ValueError(f"combine is {combine!r}; it is 'arithmetic' or 'geometric'.")
        if isinstance(teachers, Teacher) or len(teachers) == 0:
            raise ValueError("an ensemble is a list of one teacher or more. Give it teachers.")
        self.name = checked_name(name)
        self.combine: Combine = combine
        shares = normalised(weights, len(teachers))
        flat = flattened(teachers, shares, combine)
        self.teachers = uniquely_named([member for member, _ in flat])
        members_shares = tuple(share for _, share in flat)
        self.weights = () if len(set(members_shares)) == 1 else members_shares
        self.classes = common_classes(self.teachers)
        self.hidden = tuple(f"{m.name}.{layer}" for m in self.teachers for layer in m.hidden)

    @property
    def fingerprint(self) -> str:
        """What its members' fingerprints, their weights and how they combine hash to."""
        identities = [member.fingerprint for member in self.teachers]
        return digest("ensemble", self.combine, self.weights, identities)

    @property
    def members(self) -> tuple[Teacher, ...]:
        """Its teachers. Each one's own `classes` say in which order its own columns are."""
        return self.teachers

    def knowledge(self, batch: Batch) -> Knowledge:
        """Every member's answer, in the order of the ensemble's classes.

        Raises:
            TeacherError: if a member fails, or scores another number of classes than the first.
        """
        logits: list[Tensor] = []
        hidden: dict[str, Tensor] = {}
        lengths: dict[str, Tensor] = {}
        for member in self.teachers:
            outputs = member.outputs(batch)
            order = None if self.classes is None else in_order_of(member.classes, self.classes)
            answer = outputs.logits if order is None else outputs.logits[:, order]
            if logits and answer.shape != logits[0].shape:
                raise TeacherError(
                    f"teacher '{member.name}' scored {answer.shape[1]} classes and "
                    f"'{self.teachers[0].name}' {logits[0].shape[1]}. Combine teachers of the same "
                    "classes."
                )
            logits.append(answer if not logits else answer.to(logits[0].device))
            hidden |= {f"{member.name}.{layer}": v for layer, v in outputs.hidden.items()}
            lengths |= {f"{member.name}.{layer}": v for layer, v in outputs.lengths.items()}
        return Knowledge(torch.stack(logits), hidden, self.combine, self.weights, lengths)

    def outputs(self, batch: Batch) -> Outputs:
        """The combined log-probabilities at temperature 1, as logits, and all hidden features."""
        knowledge = self.knowledge(batch)
        combined: Float[Tensor, "b c"] = knowledge.log_probs(1.0)
        return Outputs(combined, knowledge.hidden, knowledge.lengths)

    def release(self) -> None:
        """Give every member's memory back."""
        for member in self.teachers:
            member.release()


def normalised(weights: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """The weights divided by their sum, or a ValueError."""
    if weights is None:
        return (1.0 / count,) * count
    if len(weights) != count:
        raise ValueError(
            f"there are {len(weights)} weights for {count} teachers. Give one per teacher."
        )
    if not all(0 < weight < math.inf for weight in weights):
        raise ValueError(
            f"the weights are {list(weights)}; each must be positive and finite. Leave out a "
            "teacher that shall not count."
        )
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def flattened(
    teachers: Sequence[Teacher], shares: tuple[float, ...], combine: Combine
) -> list[tuple[Teacher, float]]:
    """Teachers and weights, ensembles replaced by their members."""
    flat: list[tuple[Teacher, float]] = []
    for teacher, share in zip(teachers, shares, strict=True):
        if not isinstance(teacher, Ensemble):
            flat.append((teacher, share))
            continue
        if teacher.combine != combine and len(teacher.teachers) > 1:
            raise TeacherError(
                f"an ensemble's {combine} mean holds an ensemble of {teacher.combine} mean, which "
                "no single mean can express. Give both the same `combine`."
            )
        inner = teacher.weights or normalised(None, len(teacher.teachers))
        flat += [(m, share * weight) for m, weight in zip(teacher.teachers, inner, strict=True)]
    return flat


def uniquely_named(teachers: Sequence[Teacher]) -> tuple[Teacher, ...]:
    """The teachers; those whose name was taken as copies with a number after it."""
    taken = {teacher.name for teacher in teachers}
    used: set[str] = set()
    result = []
    for teacher in teachers:
        if teacher.name in used:
            number = 2
            while (name := f"{teacher.name}-{number}") in taken:
                number += 1
            teacher = copy.copy(teacher)
            teacher.name = name
            taken.add(name)
        used.add(teacher.name)
        result.append(teacher)
    return tuple(result)


def common_classes(teachers: Sequence[Teacher]) -> tuple[str, ...] | None:
    """The first teacher's classes, which must be everyone's; None if nobody knows them."""
    known = [teacher for teacher in teachers if teacher.classes is not None]
    if not known:
        return None
    if len(known) < len(teachers):
        unknown = next(teacher for teacher in teachers if teacher.classes is None)
        raise TeacherError(
            f"teacher '{known[0].name}' knows its classes and '{unknown.name}' does not, so their "
            f"columns might differ in order. Give '{unknown.name}' its classes (classes=...)."
        )
    first, *others = known
    assert first.classes is not None
    for other in others:
        try:
            in_order_of(other.classes, first.classes)
        except TeacherError as error:
            raise TeacherError(
                f"teachers '{first.name}' and '{other.name}' know different classes: {error}"
            ) from error
    return first.classes
