"""The recipes that come with limbeck. Nothing heavy is imported to list them."""

import importlib.resources
from pathlib import Path

__all__ = ["shipped", "summary"]


def shipped() -> dict[str, Path]:
    """The recipes that come with limbeck, by name."""
    folder = Path(str(importlib.resources.files("limbeck"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def summary(path: Path) -> str:
    """What a recipe does: its leading comment as one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.lstrip("# ") for line in lines if line.startswith("#")]
    return " ".join(comment)
