"""A first answer about one example: how large a shard may be, and which layers are per token.

It is about the shortest text. A layer whose second axis is as long as that text by chance is found
out by the first longer one, and if there is none, nothing is padded and nothing can be lost.
"""

import math

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import StoreError, TeacherError
from limbeck.store.answers import answer
from limbeck.store.choosing import chosen_tokens
from limbeck.store.format import Subject
from limbeck.store.ragged import TOKENS, row_shape
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Outputs

__all__ = ["check_same_layers", "per_token", "rows_of_a_shard"]

BUFFER_BYTES = 256 * 2**20


def per_token(member: Teacher, transfer_set: TransferSet) -> frozenset[str]:
    """The hidden layers with which a teacher answers for each token."""
    return frozenset(tried(member, transfer_set).lengths) if member.hidden else frozenset()


def check_same_layers(member: Teacher, outputs: Outputs, expected: frozenset[str]) -> None:
    """Refuse layers that look as if they answered per token in some batches only.

    Raises:
        TeacherError: naming one.
    """
    if differs := sorted(expected.symmetric_difference(outputs.lengths)):
        raise TeacherError(
            f"layer '{differs[0]}' of teacher '{member.name}' is as long as the texts in some "
            "batches and not in others, so its values are not those of tokens, though its shape "
            "looked like it. Name another layer, or pool this one over the text first."
        )


def rows_of_a_shard(
    teacher: Teacher, transfer_set: TransferSet, subject: Subject, shard_rows: int
) -> int:
    """Shard rows as a multiple of the views, so that the buffer of a member keeps its bound.

    The first member's answer about one example says how wide its hidden features are; texts may
    all be as long as the tokenizer allows.

    Raises:
        StoreError: if a choice of tokens was asked for and no layer answers per token.
    """
    numbers = 4 * len(subject.classes)
    if subject.hidden:
        first = teacher.members[0]
        said = chosen_tokens(tried(first, transfer_set), subject)
        numbers += 4 * numbers_of(said, most_tokens(first, transfer_set, subject))
    check_choice(teacher, transfer_set, subject)
    bounded = max(1, min(shard_rows, BUFFER_BYTES // numbers))
    views = subject.views.count
    return max(views, bounded - bounded % views)


def check_choice(teacher: Teacher, transfer_set: TransferSet, subject: Subject) -> None:
    if subject.hidden_tokens is None and subject.hidden_width is None:
        return
    if not any(per_token(member, transfer_set) for member in teacher.members):
        raise StoreError(
            "hidden_tokens or hidden_width was asked for, and none of the teacher's hidden layers "
            f"({', '.join(subject.hidden) or 'none'}) answers per token. Leave it out, or name a "
            "layer that does."
        )


def tried(member: Teacher, transfer_set: TransferSet) -> Outputs:
    """What a teacher says about the shortest example; of other data than texts, the first."""
    lengths = transfer_set.lengths
    row: Int[Tensor, " 1"] = (
        torch.tensor([0]) if lengths is None else lengths.argmin().reshape(1).long()
    )
    return answer(member, transfer_set, row, 0)


def most_tokens(member: Teacher, transfer_set: TransferSet, subject: Subject) -> int | None:
    """The most tokens that are kept of an example; None if that is not known."""
    tokenization = member.tokenization or transfer_set.tokenization
    limits = [subject.hidden_tokens, None if tokenization is None else tokenization.max_length]
    return min((limit for limit in limits if limit is not None), default=None)


def numbers_of(outputs: Outputs, most: int | None) -> int:
    """How many numbers an example's hidden features can be."""
    count = 0
    for name, value in outputs.hidden.items():
        shape = row_shape(value) if name in outputs.lengths else tuple(value.shape[1:])
        longest = most or value.shape[-1 if value.ndim == 4 else 1]
        count += math.prod(longest if size == TOKENS else size for size in shape)
    return count
