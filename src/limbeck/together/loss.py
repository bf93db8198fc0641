"""The losses of many students at once, each with its own temperature and weights."""

import copy
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.func import vmap

from limbeck.objectives import Objective
from limbeck.types import Knowledge, Outputs, TopK

__all__ = ["StackedLoss"]

Tensors = dict[str, Tensor]


class StackedLoss:
    """One objective for many students, whose numbers may differ from student to student.

    Args:
        objectives: One per student; the same terms, but for weights and varying settings.
        device: Where the students are.
    """

    def __init__(self, objectives: Sequence[Objective], device: torch.device) -> None:
        self.terms = [term for _, term in objectives[0].terms]
        columns = {
            f"weight {i}": [objective.terms[i][0] for objective in objectives]
            for i in range(len(self.terms))
        }
        for i, term in enumerate(self.terms):
            for name in term.varying:
                columns[f"{name} {i}"] = [getattr(o.terms[i][1], name) for o in objectives]
        self.numbers = {
            name: torch.tensor(values, device=device)
            for name, values in columns.items()
            if len(set(values)) > 1 or name.startswith("weight")
        }

    def __call__(
        self,
        logits: Float[Tensor, "s b c"],
        knowledge: Knowledge | None,
        orders: Int[Tensor, " s"] | None,
        labels: Int[Tensor, "s b"],
    ) -> Float[Tensor, " s"]:
        """Each student's loss.

        Args:
            logits: Of every student, about its own batch.
            knowledge: About the batches of all orders, one after the other, (m, orders * b, c).
            orders: Which of the orders each student follows; None: there is one, for all.
            labels: Of each student's batch.
        """
        said, read = ({}, no_knowledge) if knowledge is None else opened(knowledge, len(labels[0]))
        if orders is not None:
            said = {name: value[orders] for name, value in said.items()}

        def one(z: Tensor, spoken: Tensors, y: Tensor, settings: Tensors) -> Tensor:
            return self.one(z, read(spoken), y, settings)

        shared = 0 if orders is not None else None
        if orders is None:
            said = {name: value[0] for name, value in said.items()}
        losses: Tensor = vmap(one, in_dims=(0, shared, 0, 0))(logits, said, labels, self.numbers)
        return losses

    def one(
        self, logits: Tensor, knowledge: Knowledge | None, labels: Tensor, numbers: Tensors
    ) -> Float[Tensor, ""]:
        """One student's loss, as the weighted sum of its terms."""
        losses = []
        for i, term in enumerate(self.terms):
            own = {
                name: numbers[f"{name} {i}"] for name in term.varying if f"{name} {i}" in numbers
            }
            changed = with_settings(term, own)
            losses.append(numbers[f"weight {i}"] * changed(Outputs(logits), knowledge, labels))
        return torch.stack(losses).sum()


def with_settings(term: Objective, settings: Tensors) -> Objective:
    """The term with some of its settings given as tensors."""
    if not settings:
        return term
    changed = copy.copy(term)
    changed.__dict__.update(settings)
    return changed


def no_knowledge(_: Tensors) -> Knowledge | None:
    return None


def opened(knowledge: Knowledge, size: int) -> tuple[Tensors, Callable[[Tensors], Knowledge]]:
    """Knowledge about several batches as tensors (orders, ...), and how to make it whole again."""
    top = knowledge.logits
    combine, weights = knowledge.combine, knowledge.weights
    if isinstance(top, TopK):
        classes, temperatures = top.classes, tuple(top.rest)
        said = {"values": top.values.unflatten(1, (-1, size)).transpose(0, 1)}
        said["indices"] = top.indices.unflatten(0, (-1, size))
        for t in temperatures:
            said[f"rest {t}"] = top.rest[t].unflatten(1, (-1, size)).transpose(0, 1)

        def whole(parts: Tensors) -> Knowledge:
            rest = {t: parts[f"rest {t}"] for t in temperatures}
            kept = TopK(parts["values"], parts["indices"], rest, classes)
            return Knowledge(kept, {}, combine, weights)

        return said, whole
    logits = top.unflatten(1, (-1, size)).transpose(0, 1)
    return {"logits": logits}, lambda parts: Knowledge(parts["logits"], {}, combine, weights)
