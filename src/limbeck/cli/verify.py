"""`limbeck verify`."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from limbeck.store import Verification

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
    from limbeck.cli.session import experiment
    from limbeck.store import verify as verify_store

    if recipe is None:
        tell(store, verify_store(store))
        return
    with experiment(recipe, None) as steps:
        found = verify_store(store, steps.teacher(), steps.transfer_set())
    tell(store, found)


def tell(store: str, found: "Verification") -> None:
    """Print what was found, or fail with what is wrong."""
    from limbeck.errors import StoreError

    if found.damaged:
        raise StoreError(
            f"{len(found.damaged)} of {found.shards} shards of {store} do not match their "
            f"checksums, first {found.damaged[0]}. Copy the store again, or delete it and annotate "
            "again."
        )
    if found.differing:
        raise StoreError(
            f"today the teacher answers {found.differing} of {found.sampled} sampled examples "
            f"differently, by up to {found.largest_difference:.3g} times the tolerance. Annotate "
            "again."
        )
    print(f"{found.shards} shards, {found.bytes:,} bytes: all match their checksums")
    if found.sampled:
        print(f"{found.sampled:,} examples asked again: all answers as stored")
