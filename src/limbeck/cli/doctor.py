"""`limbeck doctor`."""

import typer

from limbeck.cli.options import Changes, RecipeName

__all__ = ["doctor"]


def doctor(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Look for what would waste a run of this recipe, before it runs or after its end.

    Asks the teacher about a few hundred rows and trains for seconds on slices of the data; what a
    finished run left is read instead. Each finding is a sentence with the figure and what to do.

    Exit code 0 without findings or with mere advice, 1 where a run would be wasted.

    \b
    Examples:
      limbeck doctor digits
      limbeck doctor mine.yaml training.epochs=1
    """
    from limbeck import doctoring
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        findings = doctoring.doctor(steps)
    for finding in findings:
        print(finding)
    wasted = sum(finding.wasted for finding in findings)
    advice = len(findings) - wasted
    print(f"{recipe}: {wasted} findings that waste a run, {advice} of mere advice")
    if wasted:
        raise typer.Exit(1)
