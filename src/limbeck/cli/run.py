"""`limbeck run`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["run"]


def run(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Do a whole experiment, ending with a verdict.

    The steps: annotate, distill, evaluate, compare, export, report. Without a teacher in the recipe
    there is nothing to annotate and to compare, and no verdict.

    Each step reuses what is already there and still matches, so the command can be repeated after
    an interruption or a change. Everything is written to the recipe's output, runs/NAME.

    \b
    Examples:
      limbeck run digits
      limbeck run mnist_ensemble data=path/to/mnist
      limbeck run mine.yaml training.epochs=5 objective.soft_targets.temperature=2 seeds=10
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        found: object = steps.evaluation()
        if steps.recipe.teacher is not None:
            found = steps.comparison()
        exported = steps.export()
        page = steps.report()
    print(found)
    print()
    print(f"report:  {page}")
    print(f"model:   {exported.path}")
    print(f"student: {steps.folder / 'student'}")
