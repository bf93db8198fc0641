"""What each step of a run depends on: its artefact is reused as long as this hash is the same."""

from dataclasses import dataclass
from typing import Any

from limbeck.artefacts import Record
from limbeck.fingerprint import digest, module_digest
from limbeck.objectives import Objective
from limbeck.recipe import Recipe
from limbeck.recipe.contents import code_of
from limbeck.store import KnowledgeStore
from limbeck.students import Student
from limbeck.teaching import Teaching
from limbeck.transfer_sets import TransferSet

__all__ = ["Provenance", "store_record"]


@dataclass(frozen=True)
class Provenance:
    """The hashes of a run's steps.

    A store of None is that of an objective that reads labels alone.

    Attributes:
        recipe: What is run.
        teaching: What makes the teacher, if the recipe has one.
        examples: The training rows, in the recipe's views.
        validation: The rows that the student's best epoch is chosen on.
        objective: What the student minimises.
    """

    recipe: Recipe
    teaching: Teaching | None
    examples: TransferSet
    validation: TransferSet | None
    objective: Objective

    def knowledge(self, arguments: dict[str, Any]) -> str:
        """What a knowledge store, annotated with these arguments, depends on."""
        return digest(self.teacher(), self.examples.fingerprint, arguments)

    def teacher(self) -> str:
        """What the teacher depends on; empty if there is none."""
        return "" if self.teaching is None else self.teaching.digest()

    def job(self, store: KnowledgeStore | None) -> str:
        """What every student of the recipe depends on, whatever its seed."""
        student, validation = self.recipe.student, self.validation
        return digest(
            student.settings,
            self.teacher() if self.recipe.begins_as_teacher else code_of(student),
            repr(self.objective),
            repr(self.recipe.training),
            self.examples.inputs_fingerprint,
            self.examples.labels,
            "" if store is None else store.fingerprint,
            "" if validation is None else validation.inputs_fingerprint,
        )

    def student(self, store: KnowledgeStore | None) -> str:
        """What the student depends on."""
        return digest(self.job(store), self.recipe.seed)

    def evaluation(self, store: KnowledgeStore | None, test: TransferSet) -> str:
        """What a measurement of the student on the test part depends on."""
        return digest(self.student(store), self.teacher(), test.fingerprint, test.labels)

    def comparison(self, store: KnowledgeStore | None, test: TransferSet, seeds: int) -> str:
        """What the verdict over so many seeds depends on."""
        return digest(self.evaluation(store, test), seeds)

    def export(self, student: Student, measured_on: TransferSet) -> str:
        """What a trained student's ONNX file, compared with it on these rows, depends on."""
        tokenization = student.tokenization
        tokens = () if tokenization is None else (tokenization.fingerprint,)
        weights = module_digest(student.module)
        return digest(weights, measured_on.fingerprint, student.classes, *tokens)


def store_record(recipe: Recipe) -> Record:
    """The record beside a recipe's knowledge store, wherever it is."""
    return Record(recipe.store.with_suffix(".made.json"))
