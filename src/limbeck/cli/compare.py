"""`limbeck compare`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["compare"]


def compare(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Did distilling help? Say it with a verdict.

    The student against the same student trained without a teacher. For each seed both start from
    the same weights and make the same number of updates. Ends with BEATS, TIES or LOSES, from a
    paired test on the test part.

    \b
    Examples:
      limbeck compare digits
      limbeck compare mine.yaml seeds=20
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        comparison = steps.comparison()
    print(comparison)
    print(f"written to: {steps.folder / 'comparison.json'}")
