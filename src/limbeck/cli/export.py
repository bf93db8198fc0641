"""`limbeck export`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["export"]


def export(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Write the student as ONNX and check it.

    The file is run in onnxruntime and compared with torch. Fails, with exit code 2, if the largest
    difference of a logit or a changed answer is more than rounding explains. Needs: pip install
    'limbeck[onnx]'

    \b
    Examples:
      limbeck export digits
      limbeck export mine.yaml output=runs/wide student.mlp.hidden='[64]'
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        exported = steps.export()
    print(exported)
