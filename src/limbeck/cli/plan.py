"""`limbeck plan`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["plan"]


def plan(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Tell how long a recipe takes on this machine, and how much it stores, before it runs.

    Times a few batches of every step: seconds, where the run may take days. Steps that a run left
    finished count as done.

    \b
    Examples:
      limbeck plan mnist_ensemble
      limbeck plan mine.yaml annotate.top_k=20
    """
    from limbeck import planning
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        print(planning.plan(steps))
