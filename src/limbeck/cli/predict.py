"""`limbeck predict`."""

import sys
from typing import Annotated

import typer

__all__ = ["predict"]


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An exported .onnx file.")],
    rows: Annotated[
        str | None,
        typer.Argument(
            metavar="[ROWS]",
            help="Inputs, .npz or .npy; of a student of texts .txt, .csv, .jsonl or .parquet.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A text; may be given several times.")
    ] = None,
    column: Annotated[str, typer.Option("--column", help="The file's column of texts.")] = "text",
    to: Annotated[
        str | None,
        typer.Option("--to", help="Write all probabilities to this CSV file instead."),
    ] = None,
) -> None:
    r"""Classify rows or texts with an exported student.

    torch is not needed for it.

    \b
    Examples:
      limbeck predict runs/digits/student.onnx rows.npz
      limbeck predict runs/digits/student.onnx rows.npz --to predictions.csv
      limbeck predict runs/reviews/student.onnx --text "Not a dull minute."
      limbeck predict runs/reviews/student.onnx reviews.csv --column review
    """
    from limbeck.predicting import predict as predict_rows

    predictions = predict_rows(model, rows, texts=text or None, column=column)
    if to is not None:
        print(f"{predictions}\nwritten to: {predictions.save(to)}")
        return
    print("row,label,probability")
    for row, label in enumerate(predictions.labels):
        print(f"{row},{label},{predictions.probabilities[row].max():.4f}")
    print(predictions, file=sys.stderr)
