"""Whether the files that a recipe names are there."""

import re
from pathlib import Path
from typing import Any

from limbeck.recipe.annotations import members, parameters
from limbeck.recipe.marked import shown
from limbeck.recipe.pieces import Piece
from limbeck.recipes import shipped

__all__ = ["check_files"]

MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
DATA_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*")
"""An id of the hub; of data, a folder may follow it."""

ON_THE_HUB = {
    "hub_images": ("path",),
    "hugging_face": ("path", "tokenizer"),
    "text_cnn": ("embedding_from",),
    "text_gru": ("embedding_from",),
    "text_transformer": ("embedding_from",),
    "transformers": ("model",),
    "transformers_classifier": ("model",),
}
"""Parameters that take a path or an id of the hub."""


def check_files(piece: Piece) -> None:
    """Refuse a path where there is nothing; a text that may be a hub id passes.

    Raises:
        RecipeError: naming the path, and how to make it where a shipped recipe does.
    """
    known = parameters(piece.target) if piece.target is not None else {}
    for name, value in piece.arguments.items():
        is_path = name in known and Path in members(known[name].annotation)
        if not is_path or not isinstance(value, (str, Path)) or there(Path(value)):
            continue
        hub_id = DATA_ID if name == "path" else MODEL_ID
        if not (name in ON_THE_HUB.get(piece.name, ()) and hub_id.fullmatch(str(value))):
            raise piece.place.error(
                f"there is nothing at {shown(str(value))}, which {name!r} names. {remedy(value)}"
            )


def there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def remedy(path: Any) -> str:
    """The shipped recipe whose student it is, or where paths start."""
    place = Path(path)
    if place.name == "student" and place.parent.name in shipped():
        return f"Make it with: limbeck run {place.parent.name}"
    return (
        "Correct the path; in a recipe of yours it starts from the recipe's folder, elsewhere from "
        "the working folder."
    )
