"""`limbeck distill`."""

from limbeck.cli.options import Changes, RecipeName

__all__ = ["distill"]


def distill(recipe: RecipeName, changes: Changes = None) -> None:
    r"""Train the student from the knowledge store.

    Annotates first if that is not done. An interrupted training goes on from its last checkpoint,
    to the very weights that it would have reached without the interruption.

    \b
    Examples:
      limbeck distill digits
      limbeck distill mine.yaml training.epochs=100 objective.soft_targets.temperature=2
    """
    from limbeck.cli.session import experiment

    with experiment(recipe, changes) as steps:
        run = steps.run()
    history = run.history
    print(f"trained {history.steps[-1]:,} updates in {history.seconds:.1f} s")
    print(f"loss of the last epoch: {history.loss[-1]:.4f}")
    if history.validation_accuracy:
        accuracy = history.validation_accuracy[history.best_epoch - 1]
        print(f"validation accuracy: {accuracy:.1%} (epoch {history.best_epoch})")
    print(f"student: {steps.folder / 'student'}")
