"""What each step of a run depends on: its artefact is reused as long as this hash is the same."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from limbeck.fingerprint import digest
from limbeck.store import KnowledgeStore
from limbeck.teaching import code_of

if TYPE_CHECKING:
    from limbeck.experiment import Experiment

__all__ = ["Provenance"]


@dataclass(frozen=True)
class Provenance:
    """The hashes of an experiment's steps; none of them makes a step.

    A store of None is that of an objective that reads labels alone.
    """

    experiment: "Experiment"

    def knowledge(self) -> str:
        """What the knowledge store depends on."""
        teaching, examples = self.experiment.teaching(), self.experiment.transfer_set()
        return digest(teaching.digest(), examples.fingerprint, self.experiment.annotation())

    def job(self, store: KnowledgeStore | None) -> str:
        """What every student of the recipe depends on, whatever its seed."""
        recipe, examples = self.experiment.recipe, self.experiment.transfer_set()
        validation = self.experiment.data().validation
        return digest(
            recipe.student.settings,
            self.beginning(),
            repr(self.experiment.objective()),
            repr(recipe.training),
            examples.inputs_fingerprint,
            examples.labels,
            "" if store is None else store.fingerprint,
            "" if validation is None else validation.inputs_fingerprint,
        )

    def beginning(self) -> str:
        """What the files of the student hash to; its teacher's if it begins as that."""
        recipe = self.experiment.recipe
        if recipe.begins_as_teacher:
            return self.experiment.teaching().digest()
        return code_of(recipe.student)

    def student(self, store: KnowledgeStore | None) -> str:
        """What the student depends on."""
        return digest(self.job(store), self.experiment.recipe.seed)

    def evaluation(self, store: KnowledgeStore | None) -> str:
        """What a measurement of the student on the test part depends on."""
        test, recipe = self.experiment.test(), self.experiment.recipe
        teacher = "" if recipe.teacher is None else self.experiment.teaching().digest()
        return digest(self.student(store), teacher, test.fingerprint, test.labels)

    def comparison(self, store: KnowledgeStore | None) -> str:
        """What the verdict depends on."""
        return digest(self.evaluation(store), self.experiment.seeds)
