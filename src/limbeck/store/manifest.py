"""The manifest as bytes, and back: checked, because a store may come from anywhere."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from limbeck.errors import StoreError
from limbeck.store.format import FORMAT_VERSION, MANIFEST, Field, Manifest
from limbeck.store.json_records import from_json, to_json
from limbeck.store.ragged import TOKENS

__all__ = ["load_manifest", "manifest_bytes"]

CHECKSUM = re.compile(rb'"checksum": "([0-9a-f]{64})"\n\}\n\Z')


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
    if not manifest.complete:
        raise TypeError("it is not complete")
    varying = [field.name for field in manifest.fields if TOKENS in field.shape]
    if varying != [column.name for column in manifest.ragged]:
        raise TypeError("its columns of varying length are not the ones it lists")
    if (manifest.format_version == 1 and varying) or not all(map(shaped, manifest.fields)):
        raise TypeError("it has columns that its version has not")
    if manifest.rows < 1 or manifest.rows != manifest.subject.rows or sum(counts) != manifest.rows:
        raise TypeError(f"its shards hold {sum(counts)} rows of {manifest.rows}")
    if not full or not 0 < counts[-1] <= manifest.shard_rows:
        raise TypeError(f"its shards are not of {manifest.shard_rows} rows")


def shaped(field: Field) -> bool:
    """Whether a field's value is of fixed shape, a vector per token, or attention maps."""
    if TOKENS not in field.shape:
        return True
    fixed = [size for size in field.shape if size != TOKENS]
    kinds = ((TOKENS, *fixed), (*fixed, TOKENS, TOKENS))
    return len(fixed) == 1 and fixed[0] > 0 and field.shape in kinds


def check_inside(name: str, folder: Path) -> None:
    plain = re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name) is not None
    if not plain or (folder / name).resolve().parent != folder.resolve():
        raise StoreError(
            f"the manifest of {folder} names the shard {name!r}, which is not a plain file inside "
            "the store. Do not trust this store; annotate again."
        )


def damaged(path: Path, why: str) -> StoreError:
    return StoreError(f"{path} is damaged: {why}. Copy the store again, or annotate again.")
