"""`limbeck predict`."""

from typing import Annotated

import typer

__all__ = ["predict"]


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An exported .onnx file.")],
    rows: Annotated[str, typer.Argument(metavar="ROWS", help="Inputs, .npz or .npy.")],
) -> None:
    r"""Classify rows with an exported student.

    torch is not needed for it.

    \b
    Examples:
      limbeck predict runs/digits/student.onnx rows.npz
    """
    raise NotImplementedError
