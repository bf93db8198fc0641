"""Annotate: the teachers speak once, into a knowledge store."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from limbeck.errors import NoKnowledgeWarning, StoreMismatch
from limbeck.store import KnowledgeStore
from limbeck.store.completing import clear_leftovers
from limbeck.store.format import MANIFEST, FloatType, Keep, Subject
from limbeck.store.matching import difference
from limbeck.store.request import subject_of
from limbeck.store.writer import write_store
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet

__all__ = ["annotate"]

ONE_HOT = 0.98


def annotate(
    teacher: Teacher,
    transfer_set: TransferSet,
    to: Path | str,
    *,
    dtype: FloatType = "float16",
    top_k: int | None = None,
    temperatures: Sequence[float] = (1.0, 2.0, 4.0),
    hidden_dtype: FloatType = "float16",
    keep: Keep = "members",
    hidden_tokens: int | None = None,
    hidden_width: int | None = None,
    projection_seed: int = 0,
    batch_size: int | None = None,
    shard_rows: int = 8192,
    progress: Callable[[str, int, int], None] | None = None,
) -> KnowledgeStore:
    """Run a teacher once over a transfer set, in every view, and keep what it says.

    A finished store of the same request is reused without running the teacher. An unfinished one
    is gone on with; the result has the same bytes as an uninterrupted one. An ensemble's members
    run one after the other, so that one is in memory at a time.

    Args:
        teacher: A teacher or an ensemble.
        transfer_set: The examples, with their views.
        to: The store's folder; created if it is not there.
        dtype: Of logits: float16 costs about 4e-5 nats on 1000 classes, float32 nothing.
        top_k: Keep this many classes of each example, 1 to c, and the rest as one number per
            temperature. A geometric ensemble is then kept as its mix.
        temperatures: At which the rest is kept, > 0; only with `top_k`.
        hidden_dtype: Of hidden features, which are those of the teacher's `hidden` layers.
        keep: "members" keeps every teacher of an ensemble apart, so that mean, weights and
            leaving one out are chosen when training; "mix" keeps only the geometric mean.
        hidden_tokens: Of hidden layers that answer per token, keep the first this many tokens of
            each example, >= 1; 1 keeps the first alone, [CLS], as a plain feature. None: all.
        hidden_width: Of such layers, keep this many columns after a random projection, from 1 to
            less than the layer has. None: all of them as they are.
        projection_seed: Of that projection.
        batch_size: Examples that a teacher sees at once, >= 1; None: `transfer_set.rows_at_once`.
        shard_rows: Rows of a file, >= 1; a kill costs the file that is being written.
        progress: Called with what is done, rows done and rows to do.

    Returns:
        The store, opened.

    Raises:
        TeacherError: if the teacher scores other classes, or its answers are not finite.
        StoreMismatch: if there is a store about something else at that path.
        StoreError: if the encoding cannot be had, the folder holds other files, or the disk is
            full.
        DataError: if the transfer set is empty, or has views without end.

    Warns:
        NoKnowledgeWarning: if at least 98 % of the soft targets put more than 0.999 on one class.
    """
    if batch_size is None:
        batch_size = transfer_set.rows_at_once
    if batch_size < 1 or shard_rows < 1:
        raise ValueError(
            f"batch_size is {batch_size} and shard_rows is {shard_rows}; both must be 1 or more."
        )
    folder = Path(to)
    subject = subject_of(
        teacher,
        transfer_set,
        dtype=dtype,
        top_k=top_k,
        temperatures=temperatures,
        hidden_dtype=hidden_dtype,
        keep=keep,
        hidden_tokens=hidden_tokens,
        hidden_width=hidden_width,
        projection_seed=projection_seed,
    )
    if (folder / MANIFEST).is_file():
        store = matching_store(folder, subject)
    else:
        write_store(
            teacher,
            transfer_set,
            folder,
            subject,
            batch_size=batch_size,
            shard_rows=shard_rows,
            progress=progress,
        )
        store = KnowledgeStore(folder)
    warn_if_one_hot(store)
    return store


def matching_store(folder: Path, subject: Subject) -> KnowledgeStore:
    """The finished store in this folder, combined as the request says.

    Raises:
        StoreMismatch: if it is about something else.
    """
    store = KnowledgeStore(folder)
    stored = store.manifest.subject
    if differs := difference(stored, subject):
        raise StoreMismatch(
            f"the store at {folder} {differs}. Delete it, or annotate to another path."
        )
    clear_leftovers(folder)
    if (stored.combine, stored.weights) == (subject.combine, subject.weights):
        return store
    return store.combined(subject.combine, subject.weights)


def warn_if_one_hot(store: KnowledgeStore) -> None:
    share = store.manifest.fidelity.confident
    if share >= ONE_HOT:
        warnings.warn(
            f"{share:.0%} of the soft targets put more than 0.999 on one class; at temperature 1.0 "
            "a student learns from them what hard labels teach. Was the teacher fitted on these "
            "rows?",
            NoKnowledgeWarning,
            stacklevel=3,
        )
