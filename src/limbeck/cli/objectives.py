"""`limbeck objectives`."""

from typing import Annotated

import typer

__all__ = ["objectives"]


def objectives(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One objective's whole card.")
    ] = None,
) -> None:
    r"""List the objectives, or show one's card.

    \b
    Examples:
      limbeck objectives
      limbeck objectives soft_targets
    """
    raise NotImplementedError
