"""What the files that a recipe names hash to, so that what was made from others is made again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limbeck.fingerprint import digest, file_digest
from limbeck.recipe import user_code
from limbeck.recipe.pieces import Piece

__all__ = ["code", "code_of", "content", "files"]


def code_of(piece: Piece) -> str:
    """What the user's file of a piece hashes to; of limbeck's own names the files they read."""
    if piece.target is None:
        return code(piece.name, piece)
    found = files(piece.arguments)
    return digest(found) if found else ""


def code(reference: str, piece: Piece) -> str:
    """What the file of a user's function hashes to."""
    return content(user_code.check_user_code(reference, piece.place))


def files(arguments: Mapping[str, Any]) -> list[str]:
    """What the files among the arguments hash to."""
    return [content(value) for value in arguments.values() if isinstance(value, Path)]


def content(path: Path) -> str:
    """What a file, or the files of a folder, hash to."""
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if each.is_file())
        return digest(
            [str(each.relative_to(path)) for each in inside], [content(f) for f in inside]
        )
    return file_digest(path)
