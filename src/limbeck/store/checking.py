"""Refusing what a store is not about, before training pairs an example with another's answer."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt16

from limbeck.errors import StoreMismatch
from limbeck.store.format import Manifest, Subject
from limbeck.store.matching import shown, teachers_differ, views_differ
from limbeck.store.request import records_of, views_of
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet

__all__ = ["check_store"]

Checks = Callable[[], UInt16[np.ndarray, " n"]]


def check_store(
    manifest: Manifest,
    checks: Checks,
    transfer_set: TransferSet | None,
    teacher: Teacher | None,
) -> None:
    """Compare a store with what it is about to be used with.

    Raises:
        StoreMismatch: saying what differs.
    """
    if transfer_set is not None:
        check_data(manifest.subject, checks, transfer_set)
    if teacher is not None:
        differs = teachers_differ(manifest.subject.teachers, records_of(teacher, transfer_set))
        if differs:
            raise StoreMismatch(f"this store {differs}. Use that teacher, or annotate again.")


def check_data(subject: Subject, checks: Checks, transfer_set: TransferSet) -> None:
    if subject.classes != tuple(transfer_set.classes):
        raise StoreMismatch(
            f"this store is about the classes {shown(subject.classes)} and {transfer_set.name} has "
            f"{shown(tuple(transfer_set.classes))}. Annotate again."
        )
    views = views_of(transfer_set)
    if differs := views_differ(subject.views, views):
        raise StoreMismatch(
            f"this store {differs}. Training would show the student other inputs than the teacher "
            "saw. Use the store's views, or annotate again."
        )
    data = subject.transfer_set
    if len(transfer_set) != data.examples:
        raise StoreMismatch(
            f"this store was annotated over {data.examples} examples and {transfer_set.name} has "
            f"{len(transfer_set)}. Annotate again."
        )
    if transfer_set.fingerprint != data.fingerprint:
        raise StoreMismatch(examples_differ(checks(), transfer_set))
    if views.probe != subject.views.probe:
        raise StoreMismatch(
            f"{transfer_set.name} renders other inputs than when this store was annotated, though "
            "its examples are the same: preprocessing or augmentation changed. Training would show "
            "the student other inputs than the teacher saw. Annotate again."
        )


def examples_differ(stored: UInt16[np.ndarray, " n"], transfer_set: TransferSet) -> str:
    differs = np.flatnonzero(stored != transfer_set.checks())
    if not differs.size:
        return (
            f"this store was annotated over other data: ids and inputs look alike, but "
            f"{transfer_set.name} has another fingerprint, so its preprocessing is another. "
            "Annotate again."
        )
    return (
        f"this store was annotated over other data: {differs.size} of {len(stored)} examples "
        f"differ (first: id '{transfer_set.ids[int(differs[0])]}'). Training would pair them with "
        "another example's soft targets. Annotate again."
    )
