"""Files that are either whole or absent, and Arrow files of columns of fixed or varying length.

A file is written to a temporary name, synced and renamed, and the folder is synced: after a kill or
a power cut it has all its bytes or is not there.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from limbeck.errors import StoreError
from limbeck.store.ragged import Ragged

__all__ = [
    "Column",
    "Columns",
    "map_columns",
    "sha256_of",
    "sync_folder",
    "write_columns",
    "write_whole",
]

Column = np.ndarray | Ragged
"""One value per row: (rows,) or (rows, ...), or of varying length."""

Columns = Mapping[str, Column]
"""Column name -> column."""


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it never exists in part."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and deletions in a folder last through a power cut."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal; about 1 GB/s."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def write_columns(path: Path, columns: Columns) -> None:
    """Write an Arrow IPC file of one record batch, uncompressed, without nulls."""
    fields, arrays = [], []
    for name, values in columns.items():
        array = list_array(values) if isinstance(values, Ragged) else fixed_array(values)
        field = pa.field(name, array.type, nullable=False)
        if len(values.shape) > 2:
            field = field.with_metadata({"shape": json.dumps(values.shape[1:])})
        fields.append(field)
        arrays.append(array)
    schema = pa.schema(fields)
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)

    def write(file: IO[bytes]) -> None:
        with pa.ipc.new_file(file, schema) as writer:
            writer.write_batch(batch)

    write_whole(path, write)


def fixed_array(values: np.ndarray) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    if values.ndim == 1:
        return flat
    item = pa.field("item", flat.type, nullable=False)
    kind = pa.list_(item, math.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def list_array(values: Ragged) -> pa.Array:
    items = fixed_array(values.items)
    kind = pa.list_(pa.field("item", items.type, nullable=False))
    assert len(values.items) < 2**31, "the writer bounds a shard far below this"
    offsets = pa.array(values.offsets.astype(np.int32))
    return pa.ListArray.from_arrays(offsets, items, type=kind)


def map_columns(path: Path) -> dict[str, Column]:
    """The columns of an Arrow file as read-only arrays over its memory map.

    Nothing is read until it is touched, and the kernel may drop it again. The map outlives the
    file handle, so a store of any number of shards uses no file descriptors.

    Raises:
        StoreError: if the file is not one that `write_columns` writes.
    """
    try:
        with pa.memory_map(str(path)) as file:
            reader = pa.ipc.open_file(file)
            if reader.num_record_batches != 1:
                raise pa.ArrowInvalid(f"{reader.num_record_batches} record batches")
            batch = reader.get_batch(0)
            batch.validate()
            pairs = zip(batch.schema, batch.columns, strict=True)
            return {field.name: viewed(field, column) for field, column in pairs}
    except (pa.ArrowException, ValueError, TypeError, NotImplementedError) as error:
        raise StoreError(
            f"{path} is not a shard of a knowledge store: {error}. Annotate again."
        ) from None


def viewed(field: pa.Field, column: pa.Array) -> Column:
    if column.null_count:
        raise pa.ArrowInvalid(f"{field.name} has nulls")
    if pa.types.is_list(field.type):
        offsets = np.asarray(column.offsets.to_numpy(zero_copy_only=True))
        items = np.asarray(viewed(field.type.value_field, column.values))
        found = Ragged(
            offsets, items, tuple(json.loads(dict(field.metadata or {}).get(b"shape", b"[]")))
        )
        found.check()
        return found
    if not pa.types.is_fixed_size_list(field.type):
        return np.asarray(column.to_numpy(zero_copy_only=True))
    shape = [field.type.list_size]
    if field.metadata and b"shape" in field.metadata:
        shape = json.loads(field.metadata[b"shape"])
    flat = np.asarray(column.flatten().to_numpy(zero_copy_only=True))
    return flat.reshape(len(column), *shape)
