"""`doctor`: every check of a recipe, from the cheapest to the dearest."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from limbeck.doctoring.capacity import capacity
from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.doctoring.gradients import gradient_ratio
from limbeck.doctoring.invariance import invariance
from limbeck.doctoring.leaks import leaks
from limbeck.doctoring.normalisation import normalisation
from limbeck.doctoring.overflow import answers, finite_updates, precision, sure_logits
from limbeck.doctoring.resolution import resolution
from limbeck.doctoring.soft_targets import kept_mass, one_hot
from limbeck.doctoring.teacher_quality import order_of_classes, teacher_is_better
from limbeck.doctoring.transfer_size import transfer_size

if TYPE_CHECKING:
    from limbeck.experiment import Experiment
    from limbeck.recipe import Recipe

__all__ = ["doctor"]

ON_PIECES = (one_hot, kept_mass, sure_logits, precision, gradient_ratio, invariance)
ON_STUDENTS = (capacity, transfer_size, resolution)


def doctor(examined: "Recipe | Experiment") -> list[Finding]:
    """Look for what would make a run of this recipe worthless, before it runs or after its end.

    What a finished run left is read; otherwise a few hundred rows go through the teacher, and short
    trainings on slices of the data take its place. A teacher that trains within about a minute is
    made in the run folder, where the run finds it; any other that is not there is not judged, and
    `say` of the experiment tells so. Of the test part only inputs are read, to find copies of
    training rows, and the comparison that a finished run left.

    Args:
        examined: A recipe, or its experiment.

    Returns:
        A finding for each fault, those that waste a run first; none for a healthy recipe. The same
        recipe gives the same findings.

    Raises:
        LimbeckError: if the recipe cannot be run at all: its data, student or objective do not fit.

    Example:
        >>> for finding in doctor(Recipe.load("digits")):
        ...     print(finding)
    """
    from limbeck.experiment import Experiment

    experiment = examined if isinstance(examined, Experiment) else Experiment(examined.check())
    with tempfile.TemporaryDirectory(prefix="limbeck-doctor-") as folder:
        found = findings(Case(experiment, Path(folder)))
    return sorted(found, key=lambda finding: not finding.wasted)


def findings(case: Case) -> list[Finding]:
    """Every finding, in the order of the checks; what follows from a found cause is left out."""
    found = [*leaks(case), *answers(case)]
    if any(finding.check == "answers" for finding in found):
        return found
    for check in ON_PIECES:
        found += check(case)
    diverged = finite_updates(case)
    if diverged:
        return found + diverged
    cause = order_of_classes(case) or normalisation(case)
    found += cause or teacher_is_better(case)
    for check in ON_STUDENTS:
        found += check(case)
    return found
