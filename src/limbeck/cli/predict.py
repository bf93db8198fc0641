"""`limbeck predict`."""

import sys
from typing import Annotated

import typer

__all__ = ["predict"]


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An exported .onnx file.")],
    rows: Annotated[str, typer.Argument(metavar="ROWS", help="Inputs, .npz or .npy.")],
    to: Annotated[
        str | None,
        typer.Option("--to", help="Write all probabilities to this CSV file instead."),
    ] = None,
) -> None:
    r"""Classify rows with an exported student.

    torch is not needed for it.

    \b
    Examples:
      limbeck predict runs/digits/student.onnx rows.npz
      limbeck predict runs/digits/student.onnx rows.npz --to predictions.csv
    """
    from limbeck.predicting import predict as predict_rows

    predictions = predict_rows(model, rows)
    if to is not None:
        print(f"{predictions}\nwritten to: {predictions.save(to)}")
        return
    print("row,label,probability")
    for row, label in enumerate(predictions.labels):
        print(f"{row},{label},{predictions.probabilities[row].max():.4f}")
    print(predictions, file=sys.stderr)
