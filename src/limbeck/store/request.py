"""What an annotation is asked for: teachers, transfer set, views and encoding as one `Subject`."""

import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from limbeck.errors import DataError, StoreError
from limbeck.fingerprint import digest
from limbeck.store.format import Data, FloatType, Keep, Subject, TeacherRecord, ViewsRecord
from limbeck.teachers.ensemble import Ensemble
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Combine

__all__ = ["about", "records_of", "subject_of", "views_of"]

PROBES = 8
ARITHMETIC_MIX = (
    "keep='mix' of an arithmetic ensemble was asked for, but a mean of probabilities is only right "
    "at the temperature at which it was taken. Use keep='members', or combine='geometric'."
)


def subject_of(
    teacher: Teacher,
    transfer_set: TransferSet,
    *,
    dtype: FloatType,
    top_k: int | None,
    temperatures: Sequence[float],
    hidden_dtype: FloatType,
    keep: Keep,
    hidden_tokens: int | None = None,
    hidden_width: int | None = None,
    projection_seed: int = 0,
) -> Subject:
    """The request, with what follows from it settled: k = c is dense, a geometric top-k is a mix.

    Raises:
        StoreError: if the encoding cannot be had.
        DataError: if the transfer set is empty, or has views without end.
    """
    for name, value in (("dtype", dtype), ("hidden_dtype", hidden_dtype)):
        if value not in ("float16", "float32"):
            raise StoreError(f"{name} is '{value}'. Use float16 or float32.")
    if keep not in ("members", "mix"):
        raise StoreError(f"keep is '{keep}'. Use members or mix.")
    subject = about(teacher, transfer_set)
    k = settled_top_k(top_k, len(subject.classes))
    if len(subject.teachers) == 1:
        keep = "members"
    elif keep == "mix" and subject.combine == "arithmetic":
        raise StoreError(ARITHMETIC_MIX)
    elif k is not None and subject.combine == "geometric":
        keep = "mix"
    return replace(
        subject,
        dtype=dtype,
        top_k=k,
        temperatures=() if k is None else settled_temperatures(temperatures),
        hidden_dtype=hidden_dtype,
        keep=keep,
        hidden_tokens=settled_size("hidden_tokens", hidden_tokens),
        hidden_width=settled_size("hidden_width", hidden_width),
        projection_seed=None if hidden_width is None else projection_seed,
    )


def about(teacher: Teacher, transfer_set: TransferSet) -> Subject:
    """Teachers, data and views; the encoding is left at dense float32."""
    if not len(transfer_set):
        raise DataError(f"{transfer_set.name} has no examples, and a store needs at least one.")
    members = teacher.members
    combine: Combine = "geometric"
    weights: tuple[float, ...] = ()
    if isinstance(teacher, Ensemble):
        combine = teacher.combine if len(members) > 1 else combine
        weights = teacher.weights
    return Subject(
        teachers=records_of(teacher, transfer_set),
        combine=combine,
        weights=weights,
        classes=tuple(str(name) for name in transfer_set.classes),
        transfer_set=Data(transfer_set.name, transfer_set.fingerprint, len(transfer_set)),
        views=views_of(transfer_set),
        dtype="float32",
        top_k=None,
        temperatures=(),
        hidden_dtype="float32",
        hidden=tuple(teacher.hidden),
        keep="members",
    )


def records_of(
    teacher: Teacher, transfer_set: TransferSet | None = None
) -> tuple[TeacherRecord, ...]:
    """Name, fingerprint and tokenizer of each teacher, with one in memory at a time.

    A teacher without a tokenizer of its own reads the tokens of the transfer set.
    """
    records = []
    tokens = None if transfer_set is None else transfer_set.tokenization
    for name, member in zip(member_names(teacher.members), teacher.members, strict=True):
        tokenization = member.tokenization or tokens
        tokenizer = None if tokenization is None else tokenization.fingerprint
        records.append(TeacherRecord(name, member.fingerprint, tokenizer))
        if len(teacher.members) > 1:
            member.release()
    return tuple(records)


def member_names(members: Sequence[Teacher]) -> list[str]:
    """Names that can stand in a column name: letters, digits, "_" and "-", each used once."""
    names: list[str] = []
    for member in members:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", member.name) or "teacher"
        name, number = plain, 1
        while name in names:
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names


def views_of(transfer_set: TransferSet) -> ViewsRecord:
    """How the transfer set augments, with the hash of eight inputs as it renders them now.

    Raises:
        DataError: if it has views without end.
    """
    examples, views = len(transfer_set), transfer_set.views
    if views is None:
        raise DataError(
            f"{transfer_set.name} has views without end, and a store holds a number of them. Give "
            "Views a count, such as 4."
        )
    probes: list[Tensor | list[str]] = []  # of texts: which tokens they become is the reader's own
    for number in range(PROBES):
        row = torch.tensor([number * (examples - 1) // (PROBES - 1)])
        probe = transfer_set.batch(row, number % views)
        probes.append(probe.inputs if probe.texts is None else list(probe.texts))
    augmented = getattr(transfer_set, "transform", None) is not None
    return ViewsRecord(
        count=views,
        seed=getattr(transfer_set, "seed", None) if augmented else None,
        transform=getattr(transfer_set, "description", None) if augmented else None,
        probe=digest(*probes),
    )


def settled_top_k(top_k: int | None, classes: int) -> int | None:
    if top_k is None or top_k == classes:
        return None
    if not 1 <= top_k < classes:
        raise StoreError(
            f"top_k is {top_k}, of {classes} classes. Use 1 to {classes}, or leave it out to keep "
            "all of them."
        )
    return top_k


def settled_size(name: str, value: int | None) -> int | None:
    if value is not None and value < 1:
        raise StoreError(f"{name} is {value}. Use 1 or more, or leave it out to keep all.")
    return value


def settled_temperatures(temperatures: Sequence[float]) -> tuple[float, ...]:
    values = sorted({float(t) for t in temperatures})
    if not values or not all(0 < t < float("inf") for t in values):
        raise StoreError(
            f"temperatures are {list(temperatures)}; a top-k store needs at least one, each "
            "positive and finite."
        )
    return tuple(values)
