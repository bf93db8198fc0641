"""`plan`: before anything long runs, how long it will take here, from a probe of a few batches."""

import math
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from limbeck.errors import NoKnowledgeWarning
from limbeck.finished import finished_comparison, finished_store, finished_student
from limbeck.job import Training
from limbeck.objectives import HardLabels, Objective
from limbeck.planning.figures import Plan, Stage, StoreSize
from limbeck.planning.probes import Cost, annotation_cost, some, training_seconds
from limbeck.recipe.plans import Ensembled, Fitted, Trained
from limbeck.store import KnowledgeSource, KnowledgeStore, KnowledgeSubset
from limbeck.students import Student
from limbeck.students.pruned import prune
from limbeck.teacher_scores import are_kept
from limbeck.teachers import Ensemble, Teacher, TorchModule
from limbeck.teaching import Seat, build_student
from limbeck.training import job_of
from limbeck.transfer_sets import TransferSet, split

if TYPE_CHECKING:
    from limbeck.experiment import Experiment
    from limbeck.recipe import Recipe

__all__ = ["plan"]

TRAINED_ROWS = 4096
"""On how many rows the updates of a probe are made."""

FITTED_ROWS = 2000
"""So few labelled rows an estimator is fitted to; of more, to a quarter."""

MOST_UPDATES = 100_000
"""More than a probe makes before its time is over."""

MANY_CLASSES = 20
TOP_K = 10
"""What the other encoding keeps of many classes; of fewer, half of them."""


def plan(planned: "Recipe | Experiment") -> Plan:
    """How long a recipe takes on this machine and how much it stores, from probes of seconds.

    Teachers that are still to be trained are timed untrained: their answers take as long. What a
    finished run left counts as done. The seeds of the comparison are timed one by one, and are
    faster where they train together.

    Args:
        planned: A recipe, or its experiment.

    Raises:
        LimbeckError: if the recipe cannot be run: its data, teacher, student or objective do not
            fit.

    Example:
        >>> print(plan(Recipe.load("digits")))  # doctest: +SKIP
    """
    from limbeck.evaluation.latency import processor
    from limbeck.experiment import Experiment

    experiment = planned if isinstance(planned, Experiment) else Experiment(planned.check())
    with tempfile.TemporaryDirectory(prefix="limbeck-plan-") as folder:
        planning = Planning(experiment, Path(folder))
        stages = (
            *planning.teachers(),
            *planning.annotation(),
            *planning.students(),
            *planning.evaluation(),
        )
        machine = f"{processor()}, {torch.get_num_threads()} threads"
        return Plan(experiment.recipe.name, stages, planning.stores(), machine)


@dataclass
class Planning:
    """A recipe and the probes of its steps, each made once."""

    experiment: "Experiment"
    folder: Path

    def teachers(self) -> tuple[Stage, ...]:
        """Those to be trained or fitted; those with the same settings are timed once."""
        if self.experiment.recipe.teacher is None:
            return ()
        known: dict[str, Stage] = {}
        stages = []
        for seat in self.seats:
            if not isinstance(seat.plan, Trained | Fitted):
                continue
            settings = repr(seat.plan)
            if settings not in known:
                known[settings] = self.teacher_stage(seat)
            begun = "fit" if isinstance(seat.plan, Fitted) else "train"
            stage = replace(known[settings], what=f"{begun} teacher {seat.name}")
            stages.append(done(stage) if self.experiment.teaching().is_made(seat) else stage)
        return tuple(stages)

    @cached_property
    def seats(self) -> tuple[Seat, ...]:
        return self.experiment.teaching().seats

    def teacher_stage(self, seat: Seat) -> Stage:
        """One teacher's training, or its fitting, which is timed on a part of the rows."""
        labelled = self.experiment.teaching().labelled
        if isinstance(seat.plan, Fitted):
            rows = len(labelled)
            if rows <= FITTED_ROWS:
                return Stage(seat.name, rows, self.fitting_seconds(seat, rows))
            seconds = [self.fitting_seconds(seat, count) for count in (rows // 8, rows // 4)]
            growth = math.log2(max(seconds[1] / seconds[0], 2.0))
            return Stage(seat.name, rows, seconds[1] * 4**growth)
        assert isinstance(seat.plan, Trained)
        views = seat.plan.views
        examples = labelled if views is None else views.build().of(labelled)
        student = build_student(seat.plan.student, labelled)
        training = seat.plan.training
        return self.training_stage(student, None, examples, HardLabels(), training, len(labelled))

    def fitting_seconds(self, seat: Seat, rows: int) -> float:
        begun = time.perf_counter()
        self.fitted(seat, rows)
        return time.perf_counter() - begun

    def fitted(self, seat: Seat, rows: int) -> Teacher:
        """An estimator, fitted to so many labelled rows, evenly over the classes."""
        teaching = self.experiment.teaching()
        labelled = teaching.labelled
        part = labelled if rows >= len(labelled) else split(labelled, rows)[0]
        data = replace(teaching.data, train=part)
        return replace(teaching, data=data, progress=None).make_one(seat)

    def training_stage(
        self,
        student: Student,
        knowledge: KnowledgeSource | None,
        examples: TransferSet,
        objective: Objective,
        training: Training,
        rows: int,
    ) -> Stage:
        """A training on so many rows, from a probe on these examples."""
        epoch = math.ceil(rows / training.batch_size)
        part = examples if knowledge is not None else some(examples, TRAINED_ROWS)
        short = training.for_updates(MOST_UPDATES, len(part))
        validation = self.experiment.data().validation
        job = job_of(student, knowledge, part, objective, short, validation=validation)
        seed, epochs = self.experiment.recipe.seed, training.epochs
        seconds = training_seconds(job, epochs * epoch, epochs, seed, self.folder / "checkpoint")
        stops = training.patience is not None and validation is not None
        return Stage("", rows * epochs, seconds, at_most=stops)

    @cached_property
    def teacher(self) -> Teacher:
        """The recipe's teacher, with untrained members in the place of those that are not made."""
        members = [self.member(seat) for seat in self.seats]
        plan = self.experiment.recipe.teacher
        return Ensemble(members, **plan.arguments) if isinstance(plan, Ensembled) else members[0]

    def member(self, seat: Seat) -> Teacher:
        """One teacher; what takes as long to answer, where it is not made yet."""
        teaching = self.experiment.teaching()
        if isinstance(seat.plan, Fitted):
            return self.fitted(seat, max(FITTED_ROWS, len(teaching.labelled) // 4))
        if not isinstance(seat.plan, Trained) or teaching.is_made(seat):
            return teaching.make_one(seat)
        student = build_student(seat.plan.student, teaching.labelled).fresh(seat.seed)
        return TorchModule(
            student.module,
            classes=teaching.data.train.classes,
            hidden=teaching.hidden_of(seat),
            tokenization=student.tokenization or teaching.data.train.tokenization,
            name=seat.name,
        )

    def annotation(self) -> tuple[Stage, ...]:
        """The annotating, if the objective reads a teacher."""
        if not self.experiment.objective().reads_teacher:
            return ()
        examples = self.experiment.transfer_set()
        rows = len(examples) * (examples.views or 1) * len(self.seats)
        stage = Stage("annotate", rows, self.probe[0].of(len(examples)))
        return (done(stage) if self.finished_store is not None else stage,)

    def evaluation(self) -> tuple[Stage, ...]:
        """What the teacher is asked about the test part, once for all its students."""
        test = self.experiment.data().test
        if self.experiment.recipe.teacher is None or test is None:
            return ()
        seconds = self.probe[0].of(len(test)) / (self.experiment.transfer_set().views or 1)
        stage = Stage("evaluate the teacher", len(test) * len(self.seats), seconds)
        teaching = self.experiment.teaching()
        made = all(teaching.is_made(seat) for seat in self.seats)
        return (done(stage) if made and are_kept(teaching, self.teacher, test) else stage,)

    @cached_property
    def finished_store(self) -> KnowledgeStore | None:
        return finished_store(self.experiment)

    @cached_property
    def probe(self) -> tuple[Cost, Cost, KnowledgeStore, TransferSet]:
        """Of the recipe's own annotation."""
        return self.annotated(self.experiment.annotation(), "asked")

    def annotated(
        self, arguments: dict[str, Any], name: str
    ) -> tuple[Cost, Cost, KnowledgeStore, TransferSet]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoKnowledgeWarning)
            return annotation_cost(
                self.teacher, self.experiment.transfer_set(), arguments, self.folder / name
            )

    def students(self) -> tuple[Stage, ...]:
        """The student's training, and those of the comparison."""
        recipe, examples = self.experiment.recipe, self.experiment.transfer_set()
        student, rows = self.student(), len(examples)
        known, part = None, examples
        if self.experiment.objective().reads_teacher:
            _, _, store, part = self.probe
            known = KnowledgeSubset(store, part, torch.arange(len(part)))
        objective, training = self.experiment.objective(), recipe.training
        stage = self.training_stage(student, known, part, objective, training, rows)
        trained = finished_student(self.experiment, self.finished_store) is not None
        own = replace(stage, what="train the student")
        stages = [done(own) if trained else own]
        if recipe.teacher is not None:
            seeds, labels = self.experiment.seeds, examples.labelled()
            twin = self.training_stage(student, None, labels, HardLabels(), training, rows)
            more = (seeds - 1) * stage.seconds + seeds * twin.seconds
            what = f"compare {seeds} seeds"
            rest = Stage(what, (2 * seeds - 1) * stage.rows, more, at_most=True)
            compared = (
                finished_comparison(self.experiment, self.finished_store) if trained else None
            )
            stages.append(rest if compared is None else done(rest))
        return tuple(stages)

    def student(self) -> Student:
        """The untrained student; one that begins as a teacher to be begins as that, untrained."""
        recipe, teaching = self.experiment.recipe, self.experiment.teaching
        if not recipe.begins_as_teacher or teaching().is_made(self.seats[0]):
            return build_student(recipe.student, self.experiment.transfer_set())
        assert isinstance(recipe.teacher, Trained)
        net = build_student(recipe.teacher.student, teaching().labelled).fresh(recipe.seed)
        settings = {k: v for k, v in recipe.student.arguments.items() if k != "trained"}
        return prune(net, **settings)

    def stores(self) -> tuple[StoreSize, ...]:
        """The size of the recipe's store, and what it would be with all classes or the top k."""
        if not self.experiment.objective().reads_teacher:
            return ()
        arguments, classes = self.experiment.annotation(), len(self.experiment.data().train.classes)
        chosen, rows = arguments.get("top_k"), len(self.experiment.transfer_set())
        sizes = [StoreSize(words(chosen), round(self.probe[1].of(rows)), chosen=True)]
        fewer = TOP_K if classes > MANY_CLASSES else classes // 2
        other = None if chosen is not None else fewer
        if other is None or other >= 2:
            changed = {**arguments, "top_k": other}
            size = self.annotated(changed, "other")[1]
            sizes.append(StoreSize(words(other), round(size.of(rows)), chosen=False))
        return tuple(sizes)


def done(stage: Stage) -> Stage:
    """What a finished run left takes no more time."""
    return replace(stage, seconds=0.0, done=True)


def words(top_k: int | None) -> str:
    """What a store keeps of each answer."""
    return "all classes" if top_k is None else f"the top {top_k}"
