"""The cache folder: what can be made again, kept because making it takes long."""

import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO

from limbeck.errors import DataError

__all__ = ["cache_folder", "cached"]


def cache_folder() -> Path:
    """`$LIMBECK_CACHE`, or limbeck's folder in the user's cache directory."""
    if stated := os.environ.get("LIMBECK_CACHE"):
        return Path(stated).expanduser()
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "limbeck"


def cached(name: str, write: Callable[[IO[bytes]], None]) -> Path:
    """A file of the cache, written if it is not there; whole or not at all, whoever else writes it.

    Raises:
        DataError: if the disk is full or the folder cannot be written.
    """
    path = cache_folder() / name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"the cache {path.parent} cannot be written ({error.strerror or error}). Free space, "
            "or set LIMBECK_CACHE to a folder that can hold it."
        ) from error
    return path
