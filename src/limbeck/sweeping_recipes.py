"""A sweep over a recipe: one teacher, one store, and students as the changes say."""

from collections.abc import Callable, Mapping, Sequence

from limbeck.errors import RecipeError
from limbeck.experiment import Experiment
from limbeck.job import Job, Progress
from limbeck.recipe import Recipe
from limbeck.recipe.axes import combinations, split_axes
from limbeck.sweeping import Label, Sweep, sweep_jobs
from limbeck.teaching import build_student
from limbeck.training import job_of

__all__ = ["sweep_recipe"]


def sweep_recipe(
    recipe: Recipe,
    changes: Sequence[str],
    *,
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Sweep, Experiment]:
    """Train the students of a recipe in every combination of some changes.

    Args:
        recipe: Whose data, teacher and store all students share.
        changes: Such as "training.epochs=5" for all, "objective.soft_targets.temperature=1,2,4" or
            "seed=0..9" for an axis of the sweep.
        progress: Told of each update.
        say: Told, in a line, what is reused.

    Returns:
        The sweep, and the experiment of the recipe with the changes for all.

    Raises:
        RecipeError: if a change names nothing, or nothing has several values.
        LimbeckError: if the recipe's data has no validation part, or something does not fit.
    """
    single, axes = split_axes(changes)
    if not axes:
        raise RecipeError(
            "nothing has several values to sweep over. Give a key some, such as "
            "objective.soft_targets.temperature=1,2,4,8 or seed=0..9."
        )
    shared = Experiment(recipe.override(single).check(), progress=progress, say=say)
    stated = axes.pop("seed", [str(shared.recipe.seed)])
    seeds = list(dict.fromkeys(shared.recipe.override([f"seed={s}"]).seed for s in stated))
    variants = [
        (settings, shared.recipe.override([f"{key}={value}" for key, value in settings.items()]))
        for settings in combinations(axes)
    ]
    jobs = [(labels(settings), job_for(shared, variant)) for settings, variant in variants]
    return sweep_jobs(jobs, seeds, progress=progress), shared


def job_for(shared: Experiment, variant: Recipe) -> Job:
    """What one student of the sweep is trained on and how."""
    objective = variant.build_objective()
    data = shared.data()
    if variant.begins_as_teacher:
        shared.teacher()
    return job_of(
        build_student(variant.student, data.train),
        shared.store() if objective.reads_teacher else None,
        shared.transfer_set(),
        objective,
        variant.training,
        validation=data.validation,
        checkpoint=shared.folder / "sweep",
    )


def labels(settings: Mapping[str, str]) -> dict[str, Label]:
    """The values as numbers where they are."""
    return {axis: number(value) for axis, value in settings.items()}


def number(text: str) -> Label:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
