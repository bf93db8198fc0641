"""`limbeck verify`."""

from typing import Annotated

import typer

__all__ = ["verify"]


def verify(
    store: Annotated[str, typer.Argument(metavar="STORE", help="A knowledge store's folder.")],
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE]", help="Also ask this recipe's teachers again."),
    ] = None,
) -> None:
    r"""Check that a knowledge store is still true.

    Reads everything and compares checksums. With a recipe the data and the teachers are compared
    with those the store was made from, and the teachers answer a sample of examples again.

    \b
    Examples:
      limbeck verify runs/digits/knowledge.store
      limbeck verify runs/digits/knowledge.store digits
    """
    raise NotImplementedError
