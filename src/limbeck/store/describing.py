"""What is in a store, for people."""

import math

import numpy as np

from limbeck.store.format import Field, Manifest, RaggedColumn
from limbeck.store.ragged import TOKENS

__all__ = ["payload_bytes", "summary"]


OFFSET_BYTES = 4


def payload_bytes(manifest: Manifest) -> float:
    """Bytes per row of all that training reads: every field but the check."""
    items = {column.name: column.items for column in manifest.ragged}
    each = 0.0
    for field in manifest.fields:
        if field.name in items:
            each += items[field.name] / manifest.rows * width(field) + OFFSET_BYTES
        elif field.name != "check":
            each += width(field)
    return each


def width(field: Field) -> int:
    """Bytes of a row's value, or of one of its items where there are several."""
    fixed = (size for size in field.shape if size != TOKENS)
    return math.prod(fixed) * np.dtype(field.dtype).itemsize


def summary(manifest: Manifest) -> dict[str, str]:
    """The lines of `limbeck show`, by name."""
    subject, fidelity = manifest.subject, manifest.fidelity
    stored = sum(shard.bytes for shard in manifest.shards)
    payload = payload_bytes(manifest)
    data, views = subject.transfer_set, subject.views
    lines = {
        "format": f"{manifest.format_version}, written by limbeck {manifest.versions['limbeck']}"
        if "limbeck" in manifest.versions
        else str(manifest.format_version),
        "transfer set": f"{data.name}, {data.examples:,} examples ({data.fingerprint[:12]})",
        "views": f"{views.count}" + (f" of {views.transform}" if views.transform else ""),
        "classes": f"{len(subject.classes)}: {', '.join(subject.classes[:10])}"
        + (", ..." if len(subject.classes) > 10 else ""),
        "teachers": ", ".join(f"{t.name} ({t.fingerprint[:12]})" for t in subject.teachers),
        "rows": f"{manifest.rows:,} in {len(manifest.shards)} shards",
        "bytes per row": f"{stored / manifest.rows:.1f}, of which {payload:.10g} are knowledge",
        "fields": ", ".join(f"{f.name} {f.dtype}{list(f.shape)}" for f in manifest.fields),
        "lost to encoding": f"KL p50 {fidelity.kl_p50:.1e}, p99 {fidelity.kl_p99:.1e} nats; argmax "
        f"agreement {fidelity.argmax_agreement:.2%}",
        "over 0.999 on one class": f"{fidelity.confident:.1%} of the soft targets",
    }
    if subject.hidden_tokens is not None:
        lines["tokens kept"] = f"the first {subject.hidden_tokens} of each example"
    if subject.hidden_width is not None:
        seed = subject.projection_seed
        lines["columns kept"] = f"{subject.hidden_width}, a random projection (seed {seed})"
    for column in manifest.ragged:
        lines[f"tokens of {column.name}"] = tokens(manifest, column)
    if len(subject.teachers) > 1:
        weights = ", ".join(f"{w:g}" for w in subject.weights) or "equal"
        kept = "the mix alone" if subject.keep == "mix" else "every member"
        lines["combined"] = f"{subject.combine}, weights {weights}; kept: {kept}"
    for temperature, mass in zip(subject.temperatures, fidelity.mass_kept, strict=False):
        lines[f"kept by top {subject.top_k} at T = {temperature:g}"] = f"{mass:.2%} of probability"
    return lines


def tokens(manifest: Manifest, column: RaggedColumn) -> str:
    """How many tokens a layer was kept for."""
    shape = next(field.shape for field in manifest.fields if field.name == column.name)
    what = "per row" if shape.count(TOKENS) == 1 else "pairs per row"
    return f"{column.items / manifest.rows:.1f} {what}, at most {column.longest} tokens"
