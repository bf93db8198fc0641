"""The knowledge store on disk, format versions 1 and 2: this docstring is the specification.

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

and in version 2 also, of layers that answer for each token, without padding:

    <member>.hidden.<layer>   List<FixedSizeList<halffloat | float>[d]>: one item per token of the
                              row; its shape is [-1, d]
    <member>.hidden.<layer>   List<FixedSizeList<halffloat | float>[h]>: attention maps, one item
                              per pair (query, key) of tokens, t * t of them, the key running
                              faster; its shape is [h, -1, -1]

Their Arrow offsets are 32 bits and start at 0. How many items a row has is known from the offsets,
and so is its number of tokens: the items, or their square root. Tokens are the teacher's own, not
those of a student.

Logits are raw, not softened: minus their row maximum, clipped at -60000. `<member>` is a teacher's
name, or `mix` where the geometric mean of an ensemble was stored. `indices` is uint16 up to 65536
classes.

**The manifest** is UTF-8 JSON, a `Manifest` below. Its last key `checksum` is the SHA-256, as
64 lower-case hexadecimal digits, of the file's bytes with those 64 digits replaced by zeros.
`complete` is true: the manifest is written last, so a folder without one is not a store yet.
`ragged` lists the columns of varying length, one for each field with -1 in its shape. A store has
version 2 if there are any, else 1. Keys that have a default below are left out where they have it.
Unknown keys are ignored; a reader refuses a greater `format_version`. Shard names are plain names
of files inside the folder. There are no times in a store: the same request writes the same bytes.

`hidden_tokens` and `hidden_width` say what was kept of per-token layers: the first tokens, and how
many columns after the projection with `projection_seed` that `choosing.py` defines. With
`hidden_tokens` 1 the column is of fixed width, [d].

While a store is being written the folder holds `journal.jsonl`, `part-*.arrow` and `*.tmp` instead
of a manifest; see `journal.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
    "RaggedColumn",
    "Shard",
    "Subject",
    "TeacherRecord",
    "ViewsRecord",
]

FORMAT_VERSION = 2
MANIFEST = "manifest.json"

FloatType = Literal["float16", "float32"]
Keep = Literal["members", "mix"]


@dataclass(frozen=True)
class TeacherRecord:
    """A teacher of the store.

    Attributes:
        name: In the columns.
        fingerprint: What weights, configuration and preprocessing hash to.
        tokenizer: Of texts, what the tokenizer that it read them with hashes to.
    """

    name: str
    fingerprint: str
    tokenizer: str | None = None


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
        hidden_tokens: Of per-token layers, how many tokens were kept, the first ones; None: all.
        hidden_width: Of per-token layers, columns after the projection; None: none was made.
        projection_seed: Of that projection.
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
    hidden_tokens: int | None = None
    hidden_width: int | None = None
    projection_seed: int | None = None

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
    """A column: its numpy dtype and the shape of one row's value, -1 where its tokens are."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class RaggedColumn:
    """A column of varying length.

    Attributes:
        name: Of the column.
        items: In all rows together: tokens, or pairs of tokens.
        longest: The most tokens of a row.
    """

    name: str
    items: int
    longest: int


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
    ragged: tuple[RaggedColumn, ...]
    rows: int
    shard_rows: int
    shards: tuple[Shard, ...]
    fidelity: Fidelity
    complete: bool
    checksum: str
