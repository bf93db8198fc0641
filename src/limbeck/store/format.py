"""The knowledge store on disk, format version 1: this docstring is the specification.

A store is a folder of one `manifest.json` and shards named `shard-00000.arrow`, `shard-00001.arrow`
and so on. Every shard but the last holds `shard_rows` rows. Row number

    row = example * views + view,    shard = row // shard_rows,    position = row % shard_rows

so that any (example, view) is found by arithmetic alone.

**Shards** are Arrow IPC files (not streams), uncompressed, one record batch each, little-endian,
without nulls. The columns, in this order:

    check                     uint16: 16 bits of a hash of the example's id and input
    <member>.logits           FixedSizeList<halffloat | float>[c], dense stores only
    indices                   FixedSizeList<uint16 | uint32>[k], top-k stores only: the classes kept
    <member>.values           FixedSizeList<halffloat | float>[k]: the logits of the classes kept
    <member>.rest             FixedSizeList<float>[temperatures]: for each temperature T of the
                              manifest, logsumexp(z / T) over the classes dropped, of the rounded z
    <member>.hidden.<layer>   FixedSizeList<halffloat | float>[...], row-major; its shape is in the
                              manifest and in the Arrow field's metadata

Logits are raw, not softened: minus their row maximum, clipped at -60000. `<member>` is a teacher's
name, or `mix` where the geometric mean of an ensemble was stored. `indices` is uint16 up to 65536
classes.

**The manifest** is UTF-8 JSON, a `Manifest` below. Its last key `checksum` is the SHA-256, as
64 lower-case hexadecimal digits, of the file's bytes with those 64 digits replaced by zeros.
`complete` is true: the manifest is written last, so a folder without one is not a store yet.
`ragged` is reserved for fields of varying length (tokens) and is empty in version 1. Unknown keys
are ignored; a reader refuses a greater `format_version`. Shard names are plain names of files
inside the folder. There are no times in a store: the same request writes the same bytes.

While a store is being written the folder holds `journal.jsonl`, `part-*.arrow` and `*.tmp` instead
of a manifest; see `journal.py`.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from limbeck.errors import StoreError
from limbeck.store.json_records import from_json, to_json
from limbeck.types import Combine

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "Data",
    "Fidelity",
    "Field",
    "FloatType",
    "Keep",
    "Manifest",
    "Shard",
    "Subject",
    "TeacherRecord",
    "ViewsRecord",
    "load_manifest",
    "manifest_bytes",
]

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
CHECKSUM = re.compile(rb'"checksum": "([0-9a-f]{64})"\n\}\n\Z')

FloatType = Literal["float16", "float32"]
Keep = Literal["members", "mix"]


@dataclass(frozen=True)
class TeacherRecord:
    """A teacher of the store: its name in the columns and what its weights hash to."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class Data:
    """The transfer set of the store."""

    name: str
    fingerprint: str
    examples: int


@dataclass(frozen=True)
class ViewsRecord:
    """The augmentation of the store.

    Attributes:
        count: Views of each example.
        seed: Seed of the augmentation; None without one.
        transform: What the transform calls itself; None without one.
        probe: Hash of eight rendered inputs, spread over examples and views.
    """

    count: int
    seed: int | None
    transform: str | None
    probe: str


@dataclass(frozen=True)
class Subject:
    """What a store is about: all that a request must share with it to be served by it.

    Attributes:
        teachers: In the order of the ensemble.
        combine: How they become one, unless chosen otherwise when training.
        weights: One per teacher, or none for equal ones.
        classes: In the transfer set's order.
        dtype: Of logits and top-k values.
        top_k: Classes kept of each example; None in a dense store.
        temperatures: Those at which the dropped classes were summed up; none in a dense store.
        hidden_dtype: Of hidden features.
        hidden: The layers read: of an ensemble `<member>.<layer>`, else `<layer>`.
        keep: Every member's logits, or their mix alone.
    """

    teachers: tuple[TeacherRecord, ...]
    combine: Combine
    weights: tuple[float, ...]
    classes: tuple[str, ...]
    transfer_set: Data
    views: ViewsRecord
    dtype: FloatType
    top_k: int | None
    temperatures: tuple[float, ...]
    hidden_dtype: FloatType
    hidden: tuple[str, ...]
    keep: Keep

    @property
    def members(self) -> tuple[str, ...]:
        """The names under which logits are stored."""
        return ("mix",) if self.keep == "mix" else tuple(t.name for t in self.teachers)

    def hidden_name(self, member: str, layer: str) -> str:
        """What `Knowledge.hidden` calls a member's layer: of an ensemble `member.layer`."""
        name = f"{member}.{layer}"
        return name if name in self.hidden else layer

    @property
    def rows(self) -> int:
        """Examples times views."""
        return self.transfer_set.examples * self.views.count


@dataclass(frozen=True)
class Field:
    """A column: its numpy dtype and the shape of one row's value."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Shard:
    """One file of rows."""

    file: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Fidelity:
    """What encoding cost, measured on every row against the float32 logits at temperature 1.

    Attributes:
        kl_p50: Median of KL(teacher || stored) in nats, rounded up to the next 1/8 octave.
        kl_p99: Its 99th percentile, likewise. Of a top-k store the dropped classes count as one.
        argmax_agreement: Share of rows whose first most probable class is the same, 0 to 1.
        mass_kept: Mean probability of the classes kept, at each temperature; none where dense.
        confident: Share of soft targets with more than 0.999 on one class at temperature 1.
    """

    kl_p50: float
    kl_p99: float
    argmax_agreement: float
    mass_kept: tuple[float, ...]
    confident: float


@dataclass(frozen=True)
class Manifest:
    """All that a store says about itself; the keys of `manifest.json`."""

    format_version: int
    versions: Mapping[str, str]
    subject: Subject
    fields: tuple[Field, ...]
    ragged: tuple[str, ...]
    rows: int
    shard_rows: int
    shards: tuple[Shard, ...]
    fidelity: Fidelity
    complete: bool
    checksum: str


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is written, with its checksum filled in."""
    blank = dataclasses.replace(manifest, checksum="0" * 64)
    text = json.dumps(to_json(blank), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    raw = text.encode()
    return raw.replace(b"0" * 64, hashlib.sha256(raw).hexdigest().encode())


def load_manifest(folder: Path) -> Manifest:
    """Read and check a store's manifest.

    Raises:
        StoreError: if there is none, it is damaged, of a newer format, or names files elsewhere.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if (folder / "journal.jsonl").is_file():
            raise StoreError(
                f"the knowledge store at {folder} is not finished (no {MANIFEST}, but a journal). "
                "Go on with: limbeck annotate"
            )
        raise StoreError(
            f"no knowledge store at {folder} (no {MANIFEST}). Write one with: limbeck annotate"
        )
    raw = path.read_bytes()
    values = parsed(raw, path)
    version = values.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise StoreError(
            f"the store at {folder} has format {version}; this limbeck reads up to "
            f"{FORMAT_VERSION}. Update limbeck, or annotate again with this one."
        )
    found = CHECKSUM.search(raw)
    blank = raw if found is None else raw[: found.start(1)] + b"0" * 64 + raw[found.end(1) :]
    if found is None or hashlib.sha256(blank).hexdigest().encode() != found[1]:
        raise damaged(path, "its bytes do not match its checksum")
    try:
        manifest = from_json(Manifest, values)
        check_consistent(manifest, folder)
    except (KeyError, TypeError) as error:
        raise damaged(path, f"not understood: {error}") from None
    return manifest


def parsed(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        values = json.loads(raw)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise damaged(path, "it is not JSON") from None
    if not isinstance(values, dict):
        raise damaged(path, "it is not an object")
    return values


def check_consistent(manifest: Manifest, folder: Path) -> None:
    """Rows must add up, and every shard must be a plain file inside the folder."""
    for shard in manifest.shards:
        check_inside(shard.file, folder)
    counts = [shard.rows for shard in manifest.shards]
    full = all(count == manifest.shard_rows for count in counts[:-1])
    if manifest.ragged or not manifest.complete:
        raise TypeError("it is incomplete or has fields that version 1 has not")
    if manifest.rows < 1 or manifest.rows != manifest.subject.rows or sum(counts) != manifest.rows:
        raise TypeError(f"its shards hold {sum(counts)} rows of {manifest.rows}")
    if not full or not 0 < counts[-1] <= manifest.shard_rows:
        raise TypeError(f"its shards are not of {manifest.shard_rows} rows")


def check_inside(name: str, folder: Path) -> None:
    plain = re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) is not None
    if not plain or (folder / name).resolve().parent != folder.resolve():
        raise StoreError(
            f"the manifest of {folder} names the shard {name!r}, which is not a plain file inside "
            "the store. Do not trust this store; annotate again."
        )


def damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged: {why}. Copy the store again, or annotate again.")
