"""What a student comes from: teachers and data, as their own cards and folders say.

A hub folder's README.md begins with YAML between two lines of dashes, of which the licence is read.
Nothing is asked of the network.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Source", "front_matter", "source_of"]

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CACHED = re.compile(r"(?:models|datasets)--(.+)--(.+)")
"""How huggingface_hub names the folders of its cache."""

DASHES = "---"


@dataclass(frozen=True)
class Source:
    """A teacher or a data set.

    Attributes:
        name: What a card calls it: the hub id, or the name of its folder or file.
        hub_id: "owner/name"; None if it is not known to be on the hub.
        licence: As its card states it; None if it has no card or the card is silent.
    """

    name: str
    hub_id: str | None = None
    licence: str | None = None


def source_of(where: str | Path | Source) -> Source:
    """A teacher or a data set from the hub id, folder or file that it was loaded from."""
    if isinstance(where, Source):
        return where
    path = Path(where)
    if not path.exists():
        hub_id = "/".join(str(where).split("/")[:2])  # a configuration may follow
        found = HUB_ID.fullmatch(hub_id)
        return Source(hub_id, hub_id) if found else Source(path.name or str(where))
    path = path.resolve()
    parts = (CACHED.fullmatch(part) for part in path.parts)
    cached = next((f"{found[1]}/{found[2]}" for found in parts if found), None)
    folder = path if path.is_dir() else path.parent
    stated = front_matter(folder / "README.md").get("license")
    licence = stated if isinstance(stated, str) else None
    return Source(cached or path.name, cached, licence)


def front_matter(card: Path) -> Mapping[str, Any]:
    """The YAML at the top of a card; empty if there is no card or no YAML."""
    try:
        lines = card.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    if not lines or lines[0] != DASHES or DASHES not in lines[1:]:
        return {}
    try:
        facts = yaml.safe_load("\n".join(lines[1 : lines.index(DASHES, 1)]))
    except yaml.YAMLError:
        return {}
    return facts if isinstance(facts, dict) else {}
