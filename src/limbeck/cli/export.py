"""`limbeck export`."""

from typing import Annotated

import typer

from limbeck.cli.options import Changes, RecipeName

__all__ = ["export"]


def export(
    recipe: RecipeName,
    changes: Changes = None,
    *,
    int8: Annotated[
        bool, typer.Option("--int8", help="Write student.int8.onnx too, if it passes its gate.")
    ] = False,
    gate: Annotated[
        float | None,
        typer.Option(help="How many points of accuracy INT8 may lose. [default: 0.2]"),
    ] = None,
) -> None:
    r"""Write the student as ONNX and check it.

    The file is run in onnxruntime and compared with torch. Fails, with exit code 2, if the largest
    difference of a logit or a changed answer is more than rounding explains, or if INT8 loses more
    accuracy than its gate allows. Needs: pip install 'limbeck[onnx]'

    \b
    Examples:
      limbeck export digits
      limbeck export digits --int8 --gate 0.5
      limbeck export mine.yaml output=runs/wide student.mlp.hidden='[64]'
    """
    from limbeck.cli.session import experiment
    from limbeck.errors import LimbeckError

    if gate is not None and not int8:
        raise LimbeckError("--gate is what INT8 may lose, and there is no --int8. Add it.")
    if gate is not None and not 0 <= gate < float("inf"):
        raise LimbeckError(f"--gate is {gate:g}; it is in points of accuracy, 0 or more.")
    with experiment(recipe, changes) as steps:
        exported = steps.export()
        print(exported)
        if int8:
            from limbeck.quantizing import GATE, quantize

            print(
                quantize(
                    steps.run(),
                    exported,
                    test=steps.data().test,
                    gate=GATE if gate is None else gate,
                    progress=steps.progress,
                )
            )
