"""`limbeck evaluate`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["evaluate"]


def evaluate(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Measure the student on the test part.

    Accuracy, calibration, agreement with the teacher, latency. Make every choice on the validation
    part before you read the test part.

    \b
    Examples:
      limbeck evaluate digits
      limbeck evaluate mine.yaml seed=3
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        evaluation = steps.evaluation()
    print(evaluation)
    print(f"written to: {steps.folder / 'evaluation.json'}")
