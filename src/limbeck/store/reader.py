"""Reading a store: a shuffled batch is one gather from memory-mapped columns."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, Shaped, UInt16
from torch import Tensor

from limbeck.errors import StoreError, nearest
from limbeck.fingerprint import digest
from limbeck.store.checking import check_store
from limbeck.store.describing import summary
from limbeck.store.format import Manifest
from limbeck.store.manifest import load_manifest
from limbeck.store.places import Places
from limbeck.store.shards import Shards
from limbeck.store.source import KnowledgeSource
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Combine, Knowledge, TopK

__all__ = ["KnowledgeStore"]

TOGETHER_BYTES = 64 * 2**20
"""Dense logits in several columns that take no more than this are copied into memory once."""


class KnowledgeStore(KnowledgeSource):
    """Knowledge on disk, by row and view.

    Opening checks the manifest and the sizes of the shards. A shard's checksum is checked when it
    is first read (about 1 s per GB), then it stays memory-mapped: a store of any size opens at
    once and takes no memory that the system could not take back.

    Args:
        path: The store's folder.

    Raises:
        StoreError: if there is no finished store, or it is damaged or of a newer format.

    Attributes:
        path: The store's folder.
        manifest: All that the store says about itself.
        members: Names of the teachers whose answers are read; ("mix",) for a stored mix.
        combine: How they become one.
        weights: One per member, summing to 1; empty means equal.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest: Manifest = load_manifest(self.path)
        subject = self.manifest.subject
        self.classes = subject.classes
        self.views: int = subject.views.count
        self.members: tuple[str, ...] = subject.members
        self.combine: Combine = subject.combine
        self.weights: tuple[float, ...] = subject.weights if len(self.members) > 1 else ()
        self.temperatures = subject.temperatures if subject.top_k is not None else None
        self.shards = Shards(self.path, self.manifest)
        self.ragged = frozenset(column.name for column in self.manifest.ragged)
        self.hidden_fields = hidden_fields(self.manifest, self.members)
        self.together: np.ndarray[Any, Any] | None = None

    def __len__(self) -> int:
        return self.manifest.subject.transfer_set.examples

    def summary(self) -> dict[str, str]:
        """What is in the store, by what it is called in a table."""
        return summary(self.manifest)

    def __str__(self) -> str:
        width = max(map(len, self.summary()))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.summary().items())

    @property
    def fingerprint(self) -> str:
        """What the manifest and the way of combining hash to."""
        chosen = [self.members, self.combine, self.weights]
        return digest(self.manifest.checksum, chosen)

    @property
    def hidden_shapes(self) -> Mapping[str, tuple[int, ...]]:  # type: ignore[override]
        """Shape of each hidden feature, by layer, or of an ensemble by `member.layer`.

        Of a layer that answers per token it has -1 in place of the tokens.
        """
        return {name: self.shards.fields[field].shape for name, field in self.hidden_fields.items()}

    def combined(
        self,
        combine: Combine | None = None,
        weights: Sequence[float] | None = None,
        without: Sequence[str] = (),
    ) -> "KnowledgeStore":
        """The same store with its members combined in another way; nothing is copied.

        Args:
            combine: "arithmetic" or "geometric"; None keeps the present way.
            weights: One per member that stays, positive; they are scaled to sum to 1. None keeps
                the present ones.
            without: Names of members to leave out.

        Raises:
            StoreError: if a member is unknown, none is left, the weights do not fit, or the store
                holds only a mix.
        """
        check_choice(self, combine, without)
        positions = [i for i, name in enumerate(self.members) if name not in without]
        old = self.weights or (1.0,) * len(self.members)
        new = [old[i] for i in positions] if weights is None else [float(w) for w in weights]
        if len(new) != len(positions) or not all(0 < w < float("inf") for w in new):
            raise StoreError(
                f"the weights {list(weights or [])} do not fit {len(positions)} members. Give "
                "each member one weight that is positive and finite."
            )
        store = copy.copy(self)
        store.members = tuple(self.members[i] for i in positions)
        store.combine = combine or self.combine
        equal = len(set(new)) == 1
        store.weights = () if equal else tuple(w / sum(new) for w in new)
        store.hidden_fields = hidden_fields(self.manifest, store.members)
        store.together = None
        return store

    def check(
        self, transfer_set: TransferSet | None = None, teacher: Teacher | None = None
    ) -> None:
        """Refuse anything that this store is not about.

        Raises:
            StoreMismatch: saying what differs: examples, views, classes or teachers.
        """
        check_store(self.manifest, self.checks, transfer_set, teacher)

    def checks(self) -> UInt16[np.ndarray, " n"]:
        """The 16-bit hash of each example's id and input, (n,)."""
        columns = (self.shards.fixed(number, "check") for number in range(len(self.shards)))
        return np.concatenate([column[:: self.views] for column in columns])

    def read(self, rows: Int[Tensor, " b"], view: int = 0) -> Knowledge:
        """The knowledge about these examples in this view, float32, on the CPU.

        Features per token are padded with zeros to the longest of these examples.

        Raises:
            StoreError: if a row or the view is not in the store, or a shard is damaged.
        """
        numbers = self.numbers(rows, view)
        logits: Tensor | TopK
        if self.temperatures is not None:
            logits = self.top_k(Places(numbers, self.manifest.shard_rows))
        else:
            logits = self.dense(numbers)
        hidden: dict[str, Tensor] = {}
        lengths: dict[str, Tensor] = {}
        if self.hidden_fields:
            places = Places(numbers, self.manifest.shard_rows)
        for name, field in self.hidden_fields.items():
            if field in self.ragged:
                hidden[name], lengths[name] = self.shards.gather_tokens(field, places)
            else:
                hidden[name] = self.shards.gather(field, places)
        return Knowledge(logits, hidden, self.combine, self.weights, lengths)

    def numbers(self, rows: Int[Tensor, " b"], view: int) -> Int64[np.ndarray, " b"]:
        """Which rows of the store these examples in this view are."""
        examples = rows.numpy()
        if not 0 <= view < self.views:
            raise StoreError(
                f"there is no view {view} in this store of {self.views} (0 is the first)."
            )
        if examples.size and not (examples.min() >= 0 and examples.max() < len(self)):
            outside = examples[(examples < 0) | (examples >= len(self))][0]
            raise StoreError(
                f"example {outside} is not in this store of {len(self)}. Use the transfer set it "
                "was annotated over."
            )
        return examples * self.views + view if self.views > 1 else examples

    def dense(self, rows: Int64[np.ndarray, " b"]) -> Float[Tensor, "m b c"]:
        """The members' centred logits, of these rows of the store."""
        if self.together is None and self.worth_copying:
            self.together = self.side_by_side()
        if self.together is not None:
            found = torch.from_numpy(self.together.take(rows, axis=0))
            return found.transpose(0, 1).to(torch.float32)
        places = Places(rows, self.manifest.shard_rows)
        parts = [self.shards.gather(f"{name}.logits", places) for name in self.members]
        return parts[0].unsqueeze(0) if len(parts) == 1 else torch.stack(parts)

    @property
    def ahead(self) -> int:  # type: ignore[override]
        """Eight batches; one where hidden features would take much memory."""
        return 1 if self.hidden_fields else 8

    @property
    def worth_copying(self) -> bool:
        """Whether dense logits lie in several columns, are few, and each shard was read before."""
        several = len(self.members) * len(self.shards) > 1
        return several and self.logit_bytes <= TOGETHER_BYTES and self.shards.all_opened

    @property
    def logit_bytes(self) -> int:
        """What the members' dense logits take on disk."""
        per_row = sum(self.shards.bytes_per_row(f"{name}.logits") for name in self.members)
        return per_row * self.manifest.subject.rows

    def side_by_side(self) -> Shaped[np.ndarray, "rows m c"]:
        """All logits, those of a row beside each other: one place in memory to go to, not m."""
        columns = [f"{name}.logits" for name in self.members]
        numbers = range(len(self.shards))
        return np.concatenate(
            [np.stack([self.shards.fixed(n, c) for c in columns], axis=1) for n in numbers]
        )

    def top_k(self, places: Places) -> TopK:
        """The members' kept classes and the rest."""
        values = [self.shards.gather(f"{name}.values", places) for name in self.members]
        rests = torch.stack([self.shards.gather(f"{name}.rest", places) for name in self.members])
        indices = self.shards.gather("indices", places, torch.int64)
        rest = {t: rests[..., i] for i, t in enumerate(self.temperatures or ())}
        return TopK(torch.stack(values), indices, rest, len(self.classes))


def hidden_fields(manifest: Manifest, members: tuple[str, ...]) -> dict[str, str]:
    """The name of each hidden feature in `Knowledge.hidden`, and its column."""
    teachers = [teacher.name for teacher in manifest.subject.teachers]
    read = teachers if manifest.subject.keep == "mix" else members
    fields = [field.name.split(".hidden.", 1) for field in manifest.fields]
    pairs = [parts for parts in fields if len(parts) == 2 and parts[0] in read]
    name = manifest.subject.hidden_name
    return {name(owner, layer): f"{owner}.hidden.{layer}" for owner, layer in pairs}


def check_choice(store: KnowledgeStore, combine: Combine | None, without: Sequence[str]) -> None:
    for name in without:
        if name not in store.members:
            known = nearest(name, store.members, what="members")
            raise StoreError(f"the store has no member '{name}' to leave out. {known}")
    if len(set(without)) == len(store.members):
        raise StoreError("all members are left out. Keep at least one.")
    if combine not in (None, "arithmetic", "geometric"):
        raise StoreError(f"combine is '{combine}'. Use arithmetic or geometric.")
    if combine in (None, store.combine):
        return
    subject = store.manifest.subject
    if subject.keep == "mix":
        raise StoreError(
            f"this store keeps only the {subject.combine} mix of its teachers. To choose the mean "
            "when training, annotate again with keep='members'."
        )
    if subject.top_k is not None and len(subject.teachers) > 1:
        raise StoreError(
            f"the classes of this top-k store were chosen for the {subject.combine} mean. To "
            "choose the mean when training, annotate again without top_k."
        )
