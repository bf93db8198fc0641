"""`limbeck check`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["check"]


def check(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Validate a recipe without running it.

    Prints the recipe with all changes.

    \b
    Examples:
      limbeck check mine.yaml
      limbeck check digits training.epochs=5
    """
    from limbeck.recipe import Recipe

    checked = Recipe.load(recipe).override(changes or []).check()
    print(checked.as_yaml(), end="")
    print(f"# {recipe} is valid; it writes to {checked.output}")
