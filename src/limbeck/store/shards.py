"""The columns of a store's shards: memory-mapped, checked when first read, gathered by row."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from limbeck.errors import StoreError
from limbeck.store.files import Columns, map_columns, sha256_of
from limbeck.store.format import Manifest
from limbeck.store.places import Places
from limbeck.store.ragged import Ragged, padded

__all__ = ["Shards"]


class Shards:
    """All shards of a store.

    Args:
        folder: The store's folder.
        manifest: What the store says about itself.

    Raises:
        StoreError: if a shard is missing or cut short.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.fields = {field.name: field for field in manifest.fields}
        self.columns: list[Columns | None] = [None] * len(manifest.shards)
        for shard in manifest.shards:
            path = folder / shard.file
            size = path.stat().st_size if path.is_file() else None
            if size != shard.bytes:
                found = "is missing" if size is None else f"has {size} bytes, not {shard.bytes}"
                raise StoreError(
                    f"{path} {found}. Copy the store again, or delete it and annotate again."
                )

    def __len__(self) -> int:
        return len(self.columns)

    def opened(self, number: int) -> Columns:
        """The columns of a shard, mapped and checked when first asked for.

        Raises:
            StoreError: if its bytes do not match its checksum, or its columns the manifest.
        """
        columns = self.columns[number]
        if columns is None:
            columns = self.columns[number] = checked_columns(self.folder, self.manifest, number)
        return columns

    @property
    def all_opened(self) -> bool:
        """Whether every shard has been read and checked."""
        return None not in self.columns

    def fixed(self, number: int, field: str) -> Shaped[np.ndarray, "rows ..."]:
        """A shard's column of fixed shape."""
        column = self.opened(number)[field]
        assert not isinstance(column, Ragged)
        return column

    def varying(self, number: int, field: str) -> Ragged:
        """A shard's column of varying length."""
        column = self.opened(number)[field]
        assert isinstance(column, Ragged)
        return column

    def bytes_per_row(self, field: str) -> int:
        """What a value of a column of fixed shape takes."""
        kind = self.fields[field]
        return math.prod(kind.shape) * np.dtype(kind.dtype).itemsize

    def gather(self, field: str, places: Places, kind: torch.dtype = torch.float32) -> Tensor:
        """A column's values at these places."""
        if len(self) == 1:
            return torch.from_numpy(self.fixed(0, field).take(places.positions, axis=0)).to(kind)
        stored = self.fields[field]
        found = np.empty((len(places.positions), *stored.shape), stored.dtype)
        for number, begin, end in places.groups:
            column, part = self.fixed(number, field), slice(begin, end)
            column.take(places.positions[part], axis=0, out=found[part], mode="clip")
        return torch.from_numpy(found)[places.back].to(kind)

    def gather_tokens(
        self, field: str, places: Places
    ) -> tuple[Float[Tensor, "b ..."], Int[Tensor, " b"]]:
        """A column's values per token at these places, padded, and how many tokens each has."""
        groups = [
            (self.varying(number, field), places.positions[begin:end])
            for number, begin, end in places.groups or [(0, 0, 0)]
        ]
        found, counts = padded(groups)
        return found[places.back].to(torch.float32), counts[places.back]


def checked_columns(folder: Path, manifest: Manifest, number: int) -> Columns:
    shard = manifest.shards[number]
    path = folder / shard.file
    try:
        found = sha256_of(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror}. Copy the store again."
        ) from None
    if found != shard.sha256:
        raise StoreError(
            f"{path} is damaged: its bytes do not match the checksum in the manifest. Copy the "
            "store again, or delete it and annotate again."
        )
    columns = map_columns(path)
    expected = {f.name: (f.dtype, (shard.rows, *f.shape)) for f in manifest.fields}
    if {name: (str(c.dtype), c.shape) for name, c in columns.items()} != expected:
        raise StoreError(
            f"{path} has other columns than the manifest says. Delete the store and annotate again."
        )
    return columns
