"""`limbeck report`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["report"]


def report(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Write the report, one HTML page.

    It opens without a network; the verdict comes first.

    \b
    Examples:
      limbeck report digits
      limbeck report mine.yaml seeds=20
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        path = steps.report()
    print(f"report: {path}")
