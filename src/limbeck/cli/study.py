"""`limbeck study`."""

from typing import Annotated

import typer

__all__ = ["study"]


def study(
    name: Annotated[
        str, typer.Argument(help="Which study; without one, the studies there are.")
    ] = "",
    size: Annotated[str, typer.Option(help="smoke (seconds), small (minutes) or full.")] = "small",
    data: Annotated[
        str | None, typer.Option(help="A folder with mnist/, cifar10/, ... as on the hub.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Where everything is kept; default: runs/studies/NAME-SIZE.")
    ] = None,
) -> None:
    r"""Reproduce a published experiment: its figure beside ours.

    What an interrupted study has done is kept; the same command goes on from there.

    \b
    Examples:
      limbeck study
      limbeck study hinton-mnist --size smoke
      limbeck study hinton-mnist --size full --data path/to/data
    """
    from limbeck.cli.progress import ConsoleProgress
    from limbeck.cli.session import say
    from limbeck.studies import names, run_study, study_module
    from limbeck.studies.page import table

    if not name:
        for each in names():
            story = (study_module(each).__doc__ or "").strip()
            print(f"{each:<24}{story.splitlines()[0]}")
        return
    with ConsoleProgress() as progress:
        result = run_study(
            name,
            size,
            data=data,
            output=output,
            progress=progress,
            say=progress.say,
        )
    print(table(result["rows"]))
    for row in result["rows"]:
        if row["why"]:
            print(f"{row['what']}: {row['why']}")
    say(f"time: {result['seconds']:.0f} s")
