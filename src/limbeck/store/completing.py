"""The end of writing a store: its manifest, from what the journal tells, then nothing else."""

import math
from pathlib import Path

import numpy as np
import pyarrow
import torch

from limbeck import __version__
from limbeck.store.fidelity import fidelity, summed
from limbeck.store.files import map_columns, sync_folder, write_whole
from limbeck.store.format import (
    FORMAT_VERSION,
    MANIFEST,
    Field,
    Manifest,
    RaggedColumn,
    Shard,
)
from limbeck.store.journal import JOURNAL, Entry, Journal
from limbeck.store.manifest import manifest_bytes
from limbeck.store.ragged import Ragged

__all__ = ["clear_leftovers", "complete"]


def complete(journal: Journal) -> None:
    """Write the manifest of a store whose shards are all there, and delete what is not of it."""
    raw = manifest_bytes(manifest_of(journal))
    write_whole(journal.folder / MANIFEST, lambda file: file.write(raw))
    clear_leftovers(journal.folder)


def manifest_of(journal: Journal) -> Manifest:
    """What the store holds."""
    subject, rows = journal.job.subject, journal.job.shard_rows
    last = len(subject.teachers) - 1
    finals = [journal.entries[last, shard] for shard in range(math.ceil(subject.rows / rows))]
    entries = [journal.entries[key] for key in sorted(journal.entries)]
    columns = map_columns(journal.folder / finals[0].file)
    varying = tuple(
        ragged_column(journal.folder, finals, name)
        for name, column in columns.items()
        if isinstance(column, Ragged)
    )
    return Manifest(
        format_version=FORMAT_VERSION if varying else 1,
        versions={
            "limbeck": __version__,
            "numpy": np.__version__,
            "pyarrow": pyarrow.__version__,
            "torch": torch.__version__,
        },
        subject=subject,
        fields=tuple(Field(n, str(c.dtype), c.shape[1:]) for n, c in columns.items()),
        ragged=varying,
        rows=subject.rows,
        shard_rows=rows,
        shards=tuple(Shard(e.file, e.rows, e.bytes, e.sha256) for e in finals),
        fidelity=fidelity(summed(entry.measures for entry in entries)),
        complete=True,
        checksum="",
    )


def ragged_column(folder: Path, shards: list[Entry], name: str) -> RaggedColumn:
    """How long a column of varying length is, over all shards."""
    items = longest = 0
    for shard in shards:
        column = map_columns(folder / shard.file)[name]
        assert isinstance(column, Ragged)
        items += len(column.items)
        longest = max(longest, int(column.counts(np.arange(len(column))).max()))
    return RaggedColumn(name, items, longest)


def clear_leftovers(folder: Path) -> None:
    """Delete what only an unfinished store needs."""
    for pattern in ("part-*.arrow", "*.tmp"):
        for path in folder.glob(pattern):
            path.unlink()
    (folder / JOURNAL).unlink(missing_ok=True)
    sync_folder(folder)
