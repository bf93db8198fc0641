"""`limbeck recipes`."""

__all__ = ["recipes"]


def recipes() -> None:
    r"""List the recipes that come with limbeck.

    \b
    Examples:
      limbeck recipes
      limbeck run digits
    """
    from rich.table import Table

    from limbeck.cli.console import console
    from limbeck.recipes import shipped, summary

    table = Table("recipe", "what it does", box=None, pad_edge=False)
    for name, path in shipped().items():
        table.add_row(name, summary(path))
    console().print(table)
    print("\nRun one: limbeck run NAME. Take one and change it: limbeck copy NAME mine.yaml")
