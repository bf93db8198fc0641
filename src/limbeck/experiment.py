"""A recipe's run folder: each step reuses what earlier steps left, if it still matches.

    runs/<name>/
        recipe.yaml             the recipe with all changes
        teachers/<name>/        each trained teacher
        knowledge.store/        what the teachers said, unless the recipe names another place
        checkpoints/            resumable state of every training
        student/                the student
        evaluation.json, comparison.json, student.onnx, report.html
        hub/                    student and knowledge as folders for the hub

A recipe without a teacher has no teachers, no knowledge and no comparison. The test part is read by
`evaluation`, `comparison` and `export` alone.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from limbeck.annotation import annotate
from limbeck.artefacts import Record, read_json, write_json
from limbeck.errors import DataError, RecipeError
from limbeck.objectives import Objective
from limbeck.provenance import Provenance, store_record
from limbeck.recipe import Recipe
from limbeck.store import KnowledgeStore
from limbeck.teachers import Teacher
from limbeck.teaching import Teaching, build_student
from limbeck.training import Run, distill
from limbeck.transfer_sets import Splits, TransferSet

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.evaluation import Evaluation
    from limbeck.exporting import Export

__all__ = ["Experiment"]

Progress = Callable[[str, int, int], None]
T = TypeVar("T")


def once(step: Callable[["Experiment"], T]) -> Callable[["Experiment"], T]:
    """A step that is made when it is first asked for, and then kept."""

    @wraps(step)
    def kept(experiment: "Experiment") -> T:
        if step.__name__ not in experiment.made:
            experiment.made[step.__name__] = step(experiment)
        result: T = experiment.made[step.__name__]
        return result

    return kept


def silent(line: str) -> None:
    """Say nothing."""


@dataclass
class Experiment:
    """A recipe being run. Every step makes the steps before it, and each is made once.

    Attributes:
        recipe: What to do.
        progress: Told what is done of a long step: (what, done, total).
        say: Told, in a line, what is reused.
    """

    recipe: Recipe
    progress: Progress | None = None
    say: Callable[[str], None] = silent
    folder: Path = field(init=False)
    made: dict[str, Any] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.recipe.output

    @property
    def provenance(self) -> Provenance:
        """What each step depends on."""
        teaching = None if self.recipe.teacher is None else self.teaching()
        validation = self.data().validation
        return Provenance(self.recipe, teaching, self.transfer_set(), validation, self.objective())

    @property
    def seeds(self) -> int:
        """How many seeds the comparison has."""
        from limbeck.comparison import DEFAULT_SEEDS

        return DEFAULT_SEEDS if self.recipe.seeds is None else self.recipe.seeds

    def record(self, name: str) -> Record:
        """The record beside an artefact of this name."""
        return Record(self.folder / f"{name}.made.json")

    @once
    def data(self) -> Splits:
        """The parts of the data."""
        return self.recipe.data.build_as(Splits)

    @once
    def transfer_set(self) -> TransferSet:
        """The training rows, in the recipe's views."""
        if self.recipe.views is None:
            return self.data().train
        viewed: TransferSet = self.recipe.views.build().of(self.data().train)
        return viewed

    def test(self) -> TransferSet:
        """The test part.

        Raises:
            DataError: if the data has none.
        """
        test = self.data().test
        if test is None:
            raise DataError(
                "the data has no test part, so nothing can be measured on it. Give one, or state "
                "'test: 0.2' for the data if its source can keep a part apart."
            )
        return test

    @once
    def objective(self) -> Objective:
        """What the student minimises."""
        return self.recipe.build_objective()

    @once
    def teaching(self) -> Teaching:
        """What makes the teacher.

        Raises:
            RecipeError: if the recipe has none.
        """
        if self.recipe.teacher is None:
            raise RecipeError(
                f"the recipe '{self.recipe.name}' has no 'teacher', so there is nothing to "
                "annotate, and nothing to compare its student with. Add 'teacher: ...' to it."
            )
        return Teaching(
            self.recipe.teacher,
            self.data(),
            self.folder / "teachers",
            self.recipe.seed,
            tuple(dict.fromkeys(self.objective().teacher_layers)),
            self.progress,
        )

    @once
    def teacher(self) -> Teacher:
        """The teacher: trained, fitted or loaded."""
        return self.teaching().make()

    @once
    def store(self) -> KnowledgeStore:
        """What the teacher says about the transfer set."""
        self.teaching()  # or it says that there is no teacher
        arguments, path = self.annotation(), self.recipe.store
        made_from, record = self.provenance.knowledge(arguments), store_record(self.recipe)
        if record.holds(made_from) and path.is_dir():
            store = KnowledgeStore(path)
            store.check(self.transfer_set())
            self.say(f"knowledge store: reused from {path}")
            return store
        if record.is_other(made_from) and path == self.folder / "knowledge.store":
            shutil.rmtree(path, ignore_errors=True)
        teacher = self.teacher()
        if not path.exists():  # else it was begun, or is from elsewhere and not ours to delete
            record.write(made_from, complete=False)
        store = annotate(teacher, self.transfer_set(), path, progress=self.progress, **arguments)
        record.write(made_from, classes=list(store.classes), examples=len(store))
        return store

    def annotation(self) -> dict[str, Any]:
        """The arguments of annotate; a top-k store is made for the objective's temperatures."""
        arguments = dict(self.recipe.annotate)
        wanted = {t for _, term in self.objective().terms for t in term.temperatures}
        if arguments.get("top_k") is not None and "temperatures" not in arguments and wanted:
            arguments["temperatures"] = tuple(sorted({1.0, *wanted}))
        return arguments

    def knowledge(self) -> KnowledgeStore | None:
        """The store, if the objective reads a teacher."""
        return self.store() if self.objective().reads_teacher else None

    @once
    def run(self) -> Run:
        """The trained student; an interrupted training goes on from its checkpoint."""
        recipe = self.recipe
        if recipe.begins_as_teacher:
            self.teacher()
        store = self.knowledge()
        made_from, job = self.provenance.student(store), self.provenance.job(store)
        record = self.record("student")
        reused = record.holds(made_from)
        if record.read().get("job") not in (None, job):
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "recipe.yaml").write_text(recipe.as_yaml(), encoding="utf-8")
        run = distill(
            build_student(recipe.student, self.transfer_set()),
            store,
            self.transfer_set(),
            self.objective(),
            recipe.training,
            seed=recipe.seed,
            validation=self.data().validation,
            checkpoint=self.folder / "checkpoints",
            progress=self.progress,
        )
        if reused:
            self.say(f"student: reused from {self.folder / 'student'}")
            return run
        run.save(self.folder / "student")
        record.write(made_from, job=job, seed=recipe.seed)
        return run

    @once
    def teacher_scores(self) -> Tensor:
        """What the teacher says about the test part."""
        from limbeck.teacher_scores import teacher_scores

        return teacher_scores(self.teaching(), self.teacher(), self.test(), self.progress)

    @once
    def evaluation(self) -> "Evaluation":
        """The student on the test part."""
        from limbeck.evaluation import Evaluation, evaluate

        made_from = self.provenance.evaluation(self.knowledge(), self.test())
        run = self.run()
        record, path = self.record("evaluation"), self.folder / "evaluation.json"
        if record.holds(made_from) and path.is_file():
            self.say(f"evaluation: reused from {path}")
            return Evaluation.from_dict(read_json(path))
        scores = None if self.recipe.teacher is None else self.teacher_scores()
        found = evaluate(run.student, self.test(), teacher_scores=scores, progress=self.progress)
        write_json(path, found.as_dict())
        record.write(made_from)
        return found

    @once
    def comparison(self) -> "Comparison":
        """The verdict: the student against its from-scratch twin, on the test part."""
        from limbeck.comparison import Comparison, compare

        self.teaching()  # without a teacher nothing is trained in vain
        made_from = self.provenance.comparison(self.knowledge(), self.test(), self.seeds)
        run = self.run()
        record, path = self.record("comparison"), self.folder / "comparison.json"
        if record.holds(made_from) and path.is_file():
            self.say(f"comparison: reused from {path}")
            return Comparison.load(path)
        comparison = compare(
            run,
            self.teacher(),
            self.test(),
            seeds=self.seeds,
            teacher_scores=self.teacher_scores(),
            progress=self.progress,
            recipe=self.recipe.as_yaml(),
        )
        comparison.save(path)
        record.write(made_from)
        return comparison

    @once
    def export(self) -> "Export":
        """The student as ONNX, compared with torch on the test part, or on other real rows."""
        from limbeck.exporting import Export, export

        test = self.data().test
        data = test if test is not None else self.data().train
        student, path = self.run().student, self.folder / "student.onnx"
        made_from, record = self.provenance.export(student, data), self.record(path.name)
        if record.holds(made_from):
            known = Export.from_dict(record.read()["export"], self.folder)
            if known.is_there:
                self.say(f"ONNX file: reused from {path}")
                return known
        exported = export(student, path, data=data)
        record.write(made_from, export=exported.as_dict())
        return exported

    @once
    def report(self) -> Path:
        """The report on the comparison, or on the student alone, and on the export."""
        from limbeck.reporting import report, report_trained

        path = self.folder / "report.html"
        if self.recipe.teacher is not None:
            return report(self.comparison(), path, export=self.export())
        run, recipe = self.run(), self.recipe.as_yaml()
        return report_trained(run, self.evaluation(), path, export=self.export(), recipe=recipe)
