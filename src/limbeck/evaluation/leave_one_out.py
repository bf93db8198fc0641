"""What each teacher of an ensemble adds: the others without it, from the store, for free."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.evaluation.fidelity import agreement, kl_nats
from limbeck.store import KnowledgeStore
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

__all__ = ["LARGEST_SAMPLE", "LeftOut", "leave_one_out"]

LARGEST_SAMPLE = 20_000
"""On how many examples at most the members are compared."""


@dataclass(frozen=True)
class LeftOut:
    """The ensemble without one of its teachers, on the examples of the store.

    Attributes:
        name: The teacher left out.
        examples: On how many examples of the transfer set it was measured.
        agreement: Share of them on which the others put the same class first as all do together.
        kl_nats: Mean KL(all || the others), in nats.
        labelled: How many of the examples have a label.
        accuracy_points: Accuracy of the others minus that of all on the labelled ones, in
            percentage points: negative for a teacher that is missed. None without labels. These
            are examples that the teachers may have been trained on.
    """

    name: str
    examples: int
    agreement: float
    kl_nats: float
    labelled: int
    accuracy_points: float | None


def leave_one_out(store: KnowledgeStore, transfer_set: TransferSet) -> tuple[LeftOut, ...]:
    """A row for each teacher of an ensemble's store; none if it holds one teacher or a mix.

    From a top-k store the dropped classes count as one.
    """
    if len(store.members) < 2:
        return ()
    rows = torch.linspace(0, len(store) - 1, min(len(store), LARGEST_SAMPLE)).round().long()
    labels = transfer_set.labels[rows]
    known = labels != UNLABELLED
    together = log_probs(store, rows)
    kept = store.read(rows).kept
    right = hits(together, kept, labels)[known]
    table = []
    for name in store.members:
        others = log_probs(store.combined(without=(name,)), rows)
        change = hits(others, kept, labels)[known].double() - right.double()
        table.append(
            LeftOut(
                name=name,
                examples=len(rows),
                agreement=agreement(together, others),
                kl_nats=kl_nats(together, others),
                labelled=int(known.sum()),
                accuracy_points=100 * float(change.mean()) if bool(known.any()) else None,
            )
        )
    return tuple(table)


def log_probs(store: KnowledgeStore, rows: Tensor, batch: int = 4096) -> Float[Tensor, "n c"]:
    """The combined answer at temperature 1, or at the lowest that a top-k store knows."""
    known = store.temperatures
    temperature = 1.0 if known is None or 1.0 in known else min(known)
    parts = torch.split(rows, batch)
    return torch.cat([store.read(part).log_probs(temperature) for part in parts])


def hits(scores: Tensor, kept: Tensor | None, labels: Tensor) -> Tensor:
    """Whether the first class is the label's; the rest of a top-k store is no class."""
    best = scores.argmax(dim=1)
    if kept is None:
        return best == labels
    padded = torch.cat([kept, torch.full((len(kept), 1), UNLABELLED - 1)], dim=1)
    return padded.gather(1, best.unsqueeze(1)).squeeze(1) == labels
