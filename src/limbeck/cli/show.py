"""`limbeck show`."""

from typing import Annotated

import typer

__all__ = ["show"]


def show(
    store: Annotated[str, typer.Argument(metavar="STORE", help="A knowledge store's folder.")],
) -> None:
    r"""Say what a knowledge store holds.

    \b
    Examples:
      limbeck show runs/digits/knowledge.store
    """
    from limbeck.store import KnowledgeStore

    print(KnowledgeStore(store))
