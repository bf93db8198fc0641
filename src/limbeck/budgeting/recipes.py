"""A fit over a recipe: its teachers and store, and its student as the one to beat."""

from collections.abc import Callable, Mapping, Sequence

from limbeck.budgeting.admitting import admitted
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.candidates import family, from_functions, named
from limbeck.budgeting.choosing import fit
from limbeck.budgeting.result import Fit
from limbeck.comparison import DEFAULT_SEEDS
from limbeck.errors import DataError, RecipeError
from limbeck.experiment import Experiment
from limbeck.job import Progress
from limbeck.recipe import Recipe
from limbeck.recipe.axes import combinations, split_axes
from limbeck.students import Student
from limbeck.teaching import build_student, given_by

__all__ = ["fit_recipe"]


def fit_recipe(
    recipe: Recipe,
    budget: Budget,
    changes: Sequence[str] = (),
    *,
    students: str | None = None,
    finalists: int = 3,
    search: bool = True,
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Fit, Experiment]:
    """The most accurate student within a budget, taught as a recipe says.

    Args:
        recipe: Whose student is the one deployed now, and whose teachers, data, objective and
            training all candidates share.
        budget: What they keep to.
        changes: Such as "training.epochs=5"; a key of the student with several values, such as
            "student.mlp.hidden=[64],[32,32]", names the candidates.
        students: "my_file.py:function", which lists them; None and no such key: other widths and
            depths of the recipe's student.
        finalists: How many are trained in full.
        search: Whether to search how soft the targets should be.
        progress: Told of each update.
        say: Told, in a line, what is reused.

    Returns:
        What was found, and the experiment of the recipe; files are in its folder's `fit/`.

    Raises:
        RecipeError: if a change names nothing, or something else than the student has several
            values.
        LimbeckError: if no candidate keeps to the budget, or something does not fit.
    """
    single, axes = split_axes(changes)
    check_axes(axes, students)
    shared = Experiment(recipe.override(single).check(), progress=progress, say=say)
    parts = shared.data().validation, shared.test()
    if parts[0] is None:
        raise DataError("the data has no validation part to choose on. Keep one: validation: 0.1")
    shared.teaching()  # a recipe without a teacher ends here
    found = candidates_of(shared, axes, students)
    folder = shared.folder / "fit"
    admitted(found, budget, parts[0], folder, progress=progress)  # before a teacher is trained
    result = fit(
        found,
        shared.teacher(),
        shared.store(),
        shared.transfer_set(),
        budget,
        shared.objective(),
        shared.recipe.training,
        validation=parts[0],
        test=parts[1],
        to=folder,
        seed=shared.recipe.seed,
        seeds=shared.recipe.seeds or DEFAULT_SEEDS,
        finalists=finalists,
        search=search,
        teacher_scores=shared.teacher_scores(),
        progress=progress,
        recipe=shared.recipe.as_yaml(),
    )
    return result, shared


def check_axes(axes: Mapping[str, Sequence[str]], students: str | None) -> None:
    """Refuse several values of what all candidates share."""
    for key in axes:
        if key.split(".")[0] != "student":
            raise RecipeError(
                f"'{key}' has several values; the candidates of a fit differ in the student. Give "
                "it one value, or sweep over it: limbeck sweep"
            )
    if axes and students is not None:
        raise RecipeError("candidates come from --students or from changes. Leave one out.")


def candidates_of(
    shared: Experiment, axes: Mapping[str, list[str]], students: str | None
) -> dict[str, Student]:
    """The recipe's student, then the user's list, the values of its keys, or its family."""
    examples, piece = shared.data().train, shared.recipe.student
    current = build_student(piece, examples)
    if students is None and not axes:
        return family(current)
    found = {label(current, piece.name): current}
    if students is not None:
        return found | from_functions(students, given_by(examples))
    for settings in combinations(axes):
        changed = shared.recipe.override([f"{key}={value}" for key, value in settings.items()])
        student = build_student(changed.student, examples)
        name = ", ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())
        found.setdefault(label(student, name), student)
    return found


def label(student: Student, otherwise: str) -> str:
    """A short name: the architecture with its widths where limbeck knows them."""
    name, arguments = next(iter(student.architecture.items()), (otherwise, {}))
    try:
        return named(name, arguments)
    except KeyError:
        return otherwise
