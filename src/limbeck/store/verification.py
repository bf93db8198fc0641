"""Is a store still true? Its checksums, and the teacher asked again about a sample."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck import seeding
from limbeck.errors import StoreError
from limbeck.store.answers import answer
from limbeck.store.choosing import chosen_tokens
from limbeck.store.encoding import centred, top_k
from limbeck.store.layout import Layout, log_softmax
from limbeck.store.reader import KnowledgeStore
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import TopK

__all__ = ["Verification", "verify"]

TOLERANCE = {"float16": (2e-3, 2e-3), "float32": (1e-4, 1e-4)}


@dataclass(frozen=True)
class Verification:
    """What a check of a store found.

    Attributes:
        shards: How many shards were read.
        bytes: Their size.
        damaged: Files whose bytes do not match their checksum.
        sampled: (example, view) pairs about which the teacher was asked again; 0 without a teacher.
        differing: How many of them it answers differently, beyond the tolerance of the dtype.
        largest_difference: Between a stored number (centred logits, top-k values and rests, hidden
            features) and today's, as a multiple of the tolerance, which is 2e-3 + 2e-3 |z| for
            float16 and 1e-4 + 1e-4 |z| for float32.
    """

    shards: int
    bytes: int
    damaged: tuple[str, ...]
    sampled: int
    differing: int
    largest_difference: float

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged and nothing differs."""
        return not self.damaged and not self.differing


def verify(
    path: Path | str,
    teacher: Teacher | None = None,
    transfer_set: TransferSet | None = None,
    *,
    sample: int = 256,
    seed: int = 0,
) -> Verification:
    """Read every byte of a store, and ask the teacher again about a sample.

    Args:
        path: The store's folder.
        teacher: The teacher that was annotated; None checks the bytes alone.
        transfer_set: The examples; needed with a teacher.
        sample: (example, view) pairs to ask about, >= 1; all of a store that has fewer.
        seed: Which ones.

    Raises:
        StoreError: if there is no store, its manifest is damaged or files are missing.
        StoreMismatch: if the store is about other examples or another teacher.
    """
    store = KnowledgeStore(path)
    damaged = []
    for number, shard in enumerate(store.manifest.shards):
        try:
            store.shards.opened(number)
        except StoreError:
            damaged.append(shard.file)
    size = sum(shard.bytes for shard in store.manifest.shards)
    excesses = torch.empty(0)
    if teacher is not None and transfer_set is None:
        raise StoreError("a teacher was given without its transfer set. Give both, or neither.")
    if transfer_set is not None and not damaged:
        store.check(transfer_set, teacher)
        if teacher is not None:
            excesses = asked_again(store, teacher, transfer_set, sample, seed)
    return Verification(
        shards=len(store.shards),
        bytes=size,
        damaged=tuple(damaged),
        sampled=len(excesses),
        differing=int((excesses > 1).sum()),
        largest_difference=float(excesses.max()) if len(excesses) else 0.0,
    )


def asked_again(
    store: KnowledgeStore, teacher: Teacher, transfer_set: TransferSet, sample: int, seed: int
) -> Tensor:
    """For each sampled pair its largest difference, as a multiple of the tolerance."""
    rows = seeding.permutation(store.manifest.rows, seed, "verify")[:sample]
    found = []
    for view in range(store.views):
        examples = rows[rows % store.views == view] // store.views
        if len(examples):
            found.append(differences(store, teacher, transfer_set, examples, view))
    return torch.cat(found)


def differences(
    store: KnowledgeStore,
    teacher: Teacher,
    transfer_set: TransferSet,
    rows: Int[Tensor, " b"],
    view: int,
) -> Tensor:
    stored = store.read(rows, view)
    subject = store.manifest.subject
    answers, hidden, lengths = [], {}, {}
    for record, member in zip(subject.teachers, teacher.members, strict=True):
        outputs = chosen_tokens(answer(member, transfer_set, rows, view), subject)
        member.release()
        answers.append(centred(outputs.logits))
        for layer, value in outputs.hidden.items():
            name = subject.hidden_name(record.name, layer)
            hidden[name], lengths[name] = value, outputs.lengths.get(layer)
    members = torch.stack(answers)
    if subject.keep == "mix":
        members = centred(Layout(subject).combined(log_softmax(members))[None]).float()
    excess = [
        excess_of_tokens(
            (stored.hidden[n], hidden[n]), (stored.lengths.get(n), lengths[n]), subject.hidden_dtype
        )
        for n in hidden
    ]
    if isinstance(stored.logits, TopK):
        today = top_k(members, stored.logits.indices, subject.temperatures)
        pairs = [(stored.logits.values, today.values)]
        pairs += [(stored.logits.rest[t][..., None], today.rest[t][..., None]) for t in today.rest]
    else:
        pairs = [(stored.logits, members)]
    excess += [excess_of(a[m], b[m], subject.dtype) for a, b in pairs for m in range(len(a))]
    return torch.stack(excess).amax(dim=0)


def excess_of_tokens(
    values: tuple[Tensor, Tensor], counts: tuple[Tensor | None, Tensor | None], dtype: str
) -> Tensor:
    """As `excess_of`; infinite for an example that has another number of tokens today."""
    before, now = counts
    if before is None and now is None:
        return excess_of(*values, dtype)
    if before is None or now is None:
        return torch.full((len(values[0]),), torch.inf)
    shape = [max(sizes) for sizes in zip(values[0].shape, values[1].shape, strict=True)]
    stored, today = (value.new_zeros(shape) for value in values)
    for whole, value in ((stored, values[0]), (today, values[1])):
        whole[tuple(map(slice, value.shape))] = value
    return excess_of(stored, today, dtype).masked_fill(before != now, torch.inf)


def excess_of(stored: Tensor, today: Tensor, dtype: str) -> Tensor:
    absolute, relative = TOLERANCE[dtype]
    allowed = absolute + relative * today.abs()
    return ((stored - today).abs() / allowed).flatten(1).amax(dim=1)
