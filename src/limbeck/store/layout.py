"""From the answers of a batch to columns, for each of the three ways to keep them.

Apart: every member's logits. Mixed: the logits of the geometric mean. Top-k: the kept classes and
the rest, of one teacher, of the geometric mean, or of each member of an arithmetic ensemble.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.store import encoding
from limbeck.store.fidelity import Measures, measured
from limbeck.store.files import Column, Columns
from limbeck.store.format import Subject
from limbeck.store.ragged import Ragged
from limbeck.types import TopK, combine_log_probs

__all__ = ["Layout"]

Arrays = Mapping[str, np.ndarray]
"""Columns of fixed shape."""


class Layout:
    """How a subject's answers are laid out in columns.

    Args:
        subject: Teachers and encoding.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.apart = subject.top_k is None and subject.keep == "members"

    def part(self, member: int, logits: Float[Tensor, "b c"]) -> tuple[Arrays, Measures]:
        """What one member said, until the last member has spoken: encoded where it stays apart,
        else in float32.
        """
        name = self.subject.teachers[member].name
        if not self.apart:
            return {f"{name}.spool": encoding.centred(logits).numpy()}, Measures()
        stored = encoding.rounded(logits, self.subject.dtype)
        measures = measured(log_softmax(logits[None]), log_softmax(stored[None]))
        return {f"{name}.logits": stored.numpy()}, measures

    def spoken(self, earlier: Sequence[Arrays]) -> Float[Tensor, "m b c"] | None:
        """What the earlier members said, from slices of their parts; None if there are none."""
        suffix = "logits" if self.apart else "spool"
        names = [teacher.name for teacher in self.subject.teachers]
        arrays = [part[f"{name}.{suffix}"] for name, part in zip(names, earlier, strict=False)]
        if not arrays:
            return None
        return torch.stack([torch.from_numpy(np.array(array)).float() for array in arrays])

    def whole(
        self, logits: Float[Tensor, "b c"], earlier: Sequence[Arrays]
    ) -> tuple[Arrays, Measures]:
        """The last member's answer with those of the earlier ones: the columns of the shard,
        without those that the parts already hold, and what encoding cost.
        """
        before = self.spoken(earlier)
        if self.apart:
            columns, measures = self.part(len(self.subject.teachers) - 1, logits)
            own = torch.from_numpy(next(iter(columns.values()))).float()[None]
            members = own if before is None else torch.cat([before, own])
            return columns, measures.of_targets(self.combined(log_softmax(members)), ())
        own = encoding.centred(logits)[None]
        members = own if before is None else torch.cat([before, own])
        if self.subject.keep == "mix":
            members = self.combined(log_softmax(members))[None]
        if self.subject.top_k is None:
            return self.mixed(members)
        return self.kept(members, self.subject.top_k)

    def mixed(self, mix: Float[Tensor, "1 b c"]) -> tuple[Arrays, Measures]:
        """The columns of a dense mix."""
        stored = encoding.rounded(mix, self.subject.dtype)
        log_probs = log_softmax(stored)
        measures = measured(log_softmax(mix), log_probs)
        return {"mix.logits": stored[0].numpy()}, measures.of_targets(log_probs[0], ())

    def kept(self, members: Float[Tensor, "m b c"], k: int) -> tuple[Arrays, Measures]:
        """The columns of a top-k store."""
        subject = self.subject
        indices = encoding.kept_classes(self.combined(log_softmax(members)), k)
        stored = encoding.rounded(members, subject.dtype).double()
        top = encoding.top_k(stored, indices, subject.temperatures)
        kind = encoding.index_type(len(subject.classes))
        columns: dict[str, np.ndarray] = {"indices": indices.numpy().astype(kind)}
        for number, name in enumerate(subject.members):
            rest = [top.rest[t][number] for t in subject.temperatures]
            columns[f"{name}.values"] = encoding.typed(top.values[number], subject.dtype).numpy()
            columns[f"{name}.rest"] = torch.stack(rest, dim=-1).numpy()
        exact = encoding.top_k(encoding.centred(members), indices, (1.0,))
        log_probs = encoding.top_k(stored, indices, (1.0,)).log_probs(1.0)
        measures = measured(exact.log_probs(1.0), log_probs)
        combined = self.combined(log_probs)
        return columns, measures.of_targets(combined[:, :-1], self.mass(top))

    def mass(self, top: TopK) -> tuple[float, ...]:
        """Probability kept, summed over the rows, at each temperature."""
        rests = (self.combined(top.log_probs(t))[:, -1] for t in self.subject.temperatures)
        return tuple(float((1 - rest.double().exp()).sum()) for rest in rests)

    def combined(self, members: Float[Tensor, "m b c"]) -> Float[Tensor, "b c"]:
        """The members' log-probabilities as one teacher's."""
        return combine_log_probs(members, self.subject.combine, self.subject.weights)

    def hidden(self, member: int, values: Mapping[str, Tensor | Ragged]) -> Columns:
        """Hidden features in their type, by column."""
        name = self.subject.teachers[member].name
        kind = self.subject.hidden_dtype
        return {
            f"{name}.hidden.{layer}": value
            if isinstance(value, Ragged)
            else encoding.typed(value, kind).numpy()
            for layer, value in values.items()
        }

    def order(self, columns: Columns) -> dict[str, Column]:
        """The columns of a shard in the order of the format."""
        kinds = {"logits": 0, "values": 1, "rest": 2}
        owners = [*self.subject.members, *(teacher.name for teacher in self.subject.teachers)]

        def place(name: str) -> tuple[int, int, int]:
            owner, _, kind = name.partition(".")
            if not kind:
                return 0, int(name != "check"), 0
            return 1, owners.index(owner), kinds.get(kind, 3)

        return {name: columns[name] for name in sorted(columns, key=place)}


def log_softmax(logits: Float[Tensor, "m b c"]) -> Float[Tensor, "m b c"]:
    """In float64, because what encoding costs is near 0."""
    return logits.double().log_softmax(dim=-1)
