"""What a run folder holds, and from what it was made: a small JSON beside each artefact.

An artefact is reused as long as the digest of everything it depends on is the one in its record.
A record that says `complete: false` is of an artefact that was begun and can be gone on with.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError

__all__ = ["Record", "read_json", "write_json"]


@dataclass(frozen=True)
class Record:
    """The record of one artefact.

    Attributes:
        path: The JSON file.
    """

    path: Path

    def read(self) -> dict[str, Any]:
        """What it says; empty if there is none or it is damaged."""
        try:
            facts = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def holds(self, digest: str) -> bool:
        """Whether the artefact is finished and was made from exactly this."""
        facts = self.read()
        return facts.get("digest") == digest and facts.get("complete") is True

    def is_other(self, digest: str) -> bool:
        """Whether the artefact, finished or not, was made from something else."""
        facts = self.read()
        return bool(facts) and facts.get("digest") != digest

    def write(self, digest: str, *, complete: bool = True, **facts: Any) -> None:
        """Record what the artefact is made from.

        Raises:
            LimbeckError: if it cannot be written.
        """
        write_json(self.path, {"digest": digest, "complete": complete, **facts})


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        LimbeckError: if it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LimbeckError(f"{path} is damaged ({error}). Delete it and run again.") from error


def write_json(path: Path, facts: Any) -> None:
    """Write a JSON file in one step: a kill leaves the old one or the new one.

    Raises:
        LimbeckError: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise LimbeckError(
            f"{path} cannot be written: {error.strerror or error}. Free some space, or choose "
            "another output."
        ) from error
