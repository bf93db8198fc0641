"""The command `limbeck`: its verbs, and how each ending becomes an exit code."""

import inspect
import os
from collections.abc import Sequence

import typer

from limbeck.cli.annotate import annotate
from limbeck.cli.card import card
from limbeck.cli.check import check
from limbeck.cli.compare import compare
from limbeck.cli.copy import copy
from limbeck.cli.distill import distill
from limbeck.cli.doctor import doctor
from limbeck.cli.endings import ending
from limbeck.cli.evaluate import evaluate
from limbeck.cli.export import export
from limbeck.cli.fit import fit
from limbeck.cli.objectives import objectives
from limbeck.cli.plan import plan
from limbeck.cli.predict import predict
from limbeck.cli.recipes import recipes
from limbeck.cli.report import report
from limbeck.cli.run import run
from limbeck.cli.show import show
from limbeck.cli.study import study
from limbeck.cli.sweep import sweep
from limbeck.cli.verify import verify

__all__ = ["app", "main"]

HELP = """Make a small model out of big ones, and know whether that helped.

Teachers answer once, into a knowledge store; students learn from it at the speed of plain
training; every run ends with a verdict against the same student trained without a teacher.

\b
Examples:
  limbeck recipes                         what comes with limbeck
  limbeck run digits                      a whole experiment, in under a minute
  limbeck copy digits mine.yaml           take a recipe and make it yours
  limbeck run mine.yaml training.epochs=5 data=my.npz
"""

VERBS = {
    "Experiments, each step reusing what is there": (
        run,
        annotate,
        distill,
        evaluate,
        compare,
        export,
        report,
        card,
    ),
    "Recipes": (recipes, copy, check, plan, doctor),
    "Many students, published experiments": (fit, sweep, study),
    "Things": (show, verify, objectives, predict),
}

INTERRUPTED = 130
"""What typer answers instead of passing Ctrl-C on."""

app = typer.Typer(
    name="limbeck",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
for verbs in VERBS.values():
    for verb in verbs:
        # The docstrings are raw: click's mark for lines that stay as they are is a real "\b".
        app.command(help=inspect.cleandoc(verb.__doc__ or "").replace(r"\b", "\b"))(verb)


@app.callback(invoke_without_command=True)
def about(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    if version:
        from limbeck import __version__

        print(f"limbeck {__version__}")
        raise typer.Exit


about.__doc__ = HELP


def main(arguments: Sequence[str] | None = None) -> int:
    r"""Run the command line and give its exit code.

    0 if it worked; 1 for a fault of limbeck's own, and where `doctor` finds that a run would be
    wasted; 2 for a mistake of the user's or a fault of disk or data, told in one sentence; 130
    after Ctrl-C.

    Args: arguments: What follows the word limbeck; None: those of this process.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads stall a busy machine
    try:
        code = app(None if arguments is None else list(arguments), standalone_mode=False)
        if code == INTERRUPTED:
            return ending(KeyboardInterrupt())
        return code if isinstance(code, int) else 0
    except BaseException as error:
        return ending(error)
