"""`limbeck fit`."""

from typing import Annotated

import typer

from limbeck.cli.options import Changes, RecipeName

__all__ = ["fit"]


def fit(
    recipe: RecipeName,
    changes: Changes = None,
    latency: Annotated[
        str,
        typer.Option(
            help='Such as "2 ms p95, batch 1, 1 thread"; "current": as the recipe\'s student.'
        ),
    ] = "current",
    size: Annotated[
        str | None, typer.Option(help="Of the ONNX file, such as 500kB or 1MB; default: any.")
    ] = None,
    students: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:FUNCTION",
            help="Your own candidates; default: the student in other widths and depths.",
        ),
    ] = None,
    finalists: Annotated[int, typer.Option(help="How many are trained in full.")] = 3,
    search: Annotated[
        bool, typer.Option(help="Search around the default temperature and weight.")
    ] = True,
) -> None:
    r"""Find the most accurate student that keeps to a budget.

    The recipe's student is the one to beat. Candidates are exported untrained and timed in ONNX
    Runtime; what misses the budget is never trained. The others learn from one store, most of them
    briefly, the best in full and with from-scratch twins. Goes on after an interruption. Writes
    fit.json, student.onnx and report.html to fit/ in the recipe's output.

    \b
    Examples:
      limbeck fit digits
      limbeck fit digits --latency "0.1 ms p95, batch 1, 1 thread" --size 20kB
      limbeck fit digits student.mlp.hidden=[8],[32],[16,16] --latency "current, batch 64"
      limbeck fit mine.yaml --students my_models.py:candidates --latency "2 ms p50, 2 threads"
    """
    from limbeck.budgeting import Budget
    from limbeck.budgeting.recipes import fit_recipe
    from limbeck.cli.progress import ConsoleProgress
    from limbeck.recipe import Recipe
    from limbeck.reporting import report_fit

    budget = Budget.parse(latency, size)
    with ConsoleProgress() as progress:
        found, experiment = fit_recipe(
            Recipe.load(recipe),
            budget,
            changes or [],
            students=students,
            finalists=finalists,
            search=search,
            progress=progress,
            say=progress.say,
        )
    print(found)
    print()
    print(f"figures: {experiment.folder / 'fit' / 'fit.json'}")
    print(f"deployed file: {found.file}")
    print(f"report: {report_fit(found, experiment.folder / 'fit' / 'report.html')}")
