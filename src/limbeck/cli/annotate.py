"""`limbeck annotate`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["annotate"]


def annotate(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Let the teachers answer once, into a knowledge store.

    Trains, fits or loads the teachers that the recipe names, one at a time. An interrupted store
    goes on where it stopped; a finished one that still matches is reused.

    \b
    Examples:
      limbeck annotate digits
      limbeck annotate mine.yaml data=my.npz annotate.top_k=20
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        store = steps.store()
    print(f"knowledge store: {store.path}")
