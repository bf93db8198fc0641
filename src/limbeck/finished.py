"""What of a recipe's run is there already, finished and made from exactly this recipe.

Nothing is made here but the parts of the data, whose contents the hashes need.
"""

from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError
from limbeck.provenance import store_record
from limbeck.store import KnowledgeStore
from limbeck.students import Student, load
from limbeck.teaching import build_student

if TYPE_CHECKING:
    from limbeck.evaluation.verdict import Comparison
    from limbeck.experiment import Experiment

__all__ = ["finished_comparison", "finished_store", "finished_student"]


def finished_store(experiment: "Experiment") -> KnowledgeStore | None:
    """The knowledge store, if the objective reads one."""
    if not experiment.objective().reads_teacher:
        return None
    made_from = experiment.provenance.knowledge(experiment.annotation())
    held = store_record(experiment.recipe).holds(made_from)
    return experiment.store() if held and experiment.recipe.store.is_dir() else None


def finished_student(experiment: "Experiment", store: KnowledgeStore | None) -> Student | None:
    """The student taught from this store, if there is one that can be loaded."""
    if store is None and experiment.objective().reads_teacher:
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

    test, seeds = experiment.data().test, experiment.seeds
    if test is None or (store is None and experiment.objective().reads_teacher):
        return None
    path = experiment.folder / "comparison.json"
    made_from = experiment.provenance.comparison(store, test, seeds)
    held = experiment.record("comparison").holds(made_from)
    return Comparison.load(path) if held and path.is_file() else None
