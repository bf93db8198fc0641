"""The arguments that several verbs share."""

from typing import Annotated

import typer

__all__ = ["Changes", "RecipeName"]

RecipeName = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A recipe's YAML file, or a shipped name (see: limbeck recipes)."
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Changes to the recipe, such as training.epochs=5, data=PATH or seed=3.",
    ),
]
