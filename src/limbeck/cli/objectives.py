"""`limbeck objectives`."""

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limbeck.objectives.cards import Card

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
    from limbeck.cli.console import console
    from limbeck.errors import RecipeError, nearest
    from limbeck.objectives.cards import cards

    known = {card.name: card for card in cards()}
    if name is None:
        from rich.table import Table

        table = Table("objective", "what it does", box=None, pad_edge=False)
        for card in known.values():
            table.add_row(card.name, card.summary)
        console().print(table)
        print("\nOne card: limbeck objectives NAME")
        return
    if name not in known:
        raise RecipeError(f"there is no objective '{name}'. {nearest(name, known)}")
    print(text_of(known[name]))


def text_of(card: "Card") -> str:
    """A card as plain text: what it does, its formula, its keys and its source."""
    lines = [card.name, "", f"  {card.summary}", ""]
    if card.formula:
        lines += [textwrap.indent(card.formula, "      "), ""]
    for signature, meaning in card.parameters:
        lines.append(f"  {signature}")
        lines.append(textwrap.fill(meaning, 96, initial_indent=" " * 6, subsequent_indent=" " * 6))
    if card.citation:
        source = textwrap.fill(card.citation, 96, initial_indent="  ", subsequent_indent="  ")
        lines += ["", source]
    return "\n".join(lines)
