"""`limbeck sweep`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["sweep"]


def sweep(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Train many students of one recipe together, and find the best.

    A key with several values, by commas or as first..last, is an axis of the sweep. All students
    learn from one store; the best combination is chosen on the validation part, and the test part
    is not read. Writes sweep.json and the figure sweep.svg to the recipe's output.

    \b
    Examples:
      limbeck sweep digits objective.soft_targets.temperature=1,2,4,8 seed=0..4
      limbeck sweep digits student.mlp.hidden=[8],[16],[32] training.epochs=30 seed=0..9
    """
    from limbeck.cli.progress import ConsoleProgress
    from limbeck.recipe import Recipe
    from limbeck.reporting.surface import draw_sweep
    from limbeck.sweeping_recipes import sweep_recipe

    with ConsoleProgress() as progress:
        found, experiment = sweep_recipe(
            Recipe.load(recipe), changes or [], progress=progress, say=progress.say
        )
    print(found)
    print()
    print(f"best on validation: {found.best}")
    print(f"figures: {found.save(experiment.folder / 'sweep.json')}")
    print(f"surface: {draw_sweep(found, experiment.folder / 'sweep.svg')}")
