"""What of a recipe's run is there already, finished and made from exactly this recipe.

Nothing is made here but the parts of the data, whose contents the hashes need.
"""

from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError
from limbeck.store import KnowledgeStore
from limbeck.students import Student, load
from limbeck.teaching import build_student

if TYPE_CHECKING:
    from limbeck.evaluation.verdict import Comparison
    from limbeck.experiment import Experiment

__all__ = ["finished_comparison", "finished_store", "finished_student"]


def finished_store(experiment: "Experiment") -> KnowledgeStore | None:
    """The knowledge store, if the objective reads one."""
    if not reads_teacher(experiment):
        return None
    path = experiment.folder / "knowledge.store"
    held = experiment.record("knowledge").holds(experiment.provenance.knowledge())
    return experiment.store() if held and path.is_dir() else None


def finished_student(experiment: "Experiment", store: KnowledgeStore | None) -> Student | None:
    """The student taught from this store, if there is one that can be loaded."""
    if store is None and reads_teacher(experiment):
        return None
    if not experiment.record("student").holds(experiment.provenance.student(store)):
        return None
    try:
        return load(
            experiment.folder / "student",
            module=build_student(experiment.recipe.student, experiment.transfer_set()),
        )
    except LimbeckError:
        return None


def finished_comparison(
    experiment: "Experiment", store: KnowledgeStore | None
) -> "Comparison | None":
    """The comparison of the student that was taught from this store."""
    from limbeck.evaluation.verdict import Comparison

    if experiment.recipe.teacher is None or experiment.data().test is None:
        return None
    if store is None and reads_teacher(experiment):
        return None
    path = experiment.folder / "comparison.json"
    held = experiment.record("comparison").holds(experiment.provenance.comparison(store))
    return Comparison.load(path) if held and path.is_file() else None


def reads_teacher(experiment: "Experiment") -> bool:
    """Whether the student learns from more than labels, so that there must be a store."""
    return bool(experiment.objective().needs - {"labels"})
