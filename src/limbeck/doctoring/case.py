"""What is examined: the recipe's pieces, and small probes of them, each made once.

A few hundred rows go through the teacher, unless a finished store has its answers; two twins are
trained on a slice of the labelled rows. Rows and seeds follow from the recipe, so that the same
recipe gives the same figures. Nothing here reads the test part.
"""

import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck import seeding
from limbeck.annotation import annotate
from limbeck.doctoring.presence import made_teacher
from limbeck.doctoring.trial import Trial, try_out
from limbeck.errors import NoKnowledgeWarning
from limbeck.evaluation.scoring import score
from limbeck.finished import finished_comparison, finished_store, finished_student
from limbeck.job import Job, Training
from limbeck.objectives import HardLabels, Objective
from limbeck.pruning import pruned_at_once
from limbeck.store import KnowledgeStore, KnowledgeSubset
from limbeck.students import Student
from limbeck.teachers import Teacher
from limbeck.teaching import build_student
from limbeck.training import job_of
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

if TYPE_CHECKING:
    from limbeck.evaluation.verdict import Comparison
    from limbeck.experiment import Experiment

__all__ = ["Case"]

STORED_ROWS = 2000
"""How many rows of a finished store are read: enough for shares to within two points."""

ANSWERED_ROWS = 512
"""How many rows go through a teacher: seconds, but for the largest nets."""

JUDGED_ROWS = 1000
"""On how many rows accuracies are measured: to within three points."""

FEWEST_JUDGED = 30
"""Of fewer validation rows an accuracy says too little; training rows are held out then."""

TWIN_ROWS = 2000
TWIN_PASSES = 20
"""A net that does not fit a slice within so many passes over it is hardly going to."""

PROBE_EXAMPLES = 60_000
PROBE_WORK = 3e10
"""A probe's training sees so many examples, and so many weights times examples: a few seconds."""


@dataclass
class Case:
    """A recipe that is being examined.

    Attributes:
        experiment: Its steps and its run folder.
        folder: For the answers that are asked for; emptied after the examination.
    """

    experiment: "Experiment"
    folder: Path

    @cached_property
    def transfer_set(self) -> TransferSet:
        """The training rows, in the recipe's views."""
        return self.experiment.transfer_set()

    @cached_property
    def objective(self) -> Objective:
        """What the student minimises."""
        return self.experiment.objective()

    @cached_property
    def student(self) -> Student:
        """The student, untrained; one that is to be pruned, without what it will lose."""
        built = build_student(self.experiment.recipe.student, self.transfer_set)
        return pruned_at_once(built)

    @cached_property
    def store(self) -> KnowledgeStore | None:
        """The finished store, if there is one."""
        return finished_store(self.experiment)

    @cached_property
    def trained(self) -> Student | None:
        """The student of a finished run, if there is one."""
        return finished_student(self.experiment, self.store)

    @cached_property
    def comparison(self) -> "Comparison | None":
        """The comparison of a finished run, if there is one."""
        return None if self.trained is None else finished_comparison(self.experiment, self.store)

    @cached_property
    def teacher(self) -> Teacher | None:
        """The teacher, if it can be had without a long wait."""
        return made_teacher(self.experiment)

    @cached_property
    def asked(self) -> KnowledgeStore | None:
        """The finished store, or else one of a few hundred rows; None without a teacher."""
        if self.store is not None or not self.objective.reads_teacher:
            return self.store
        if self.teacher is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NoKnowledgeWarning)
            return annotate(
                self.teacher,
                self.transfer_set.select(self.rows(ANSWERED_ROWS)),
                self.folder / "probe.store",
                progress=self.experiment.progress,
                **self.experiment.annotation(),
            )

    @cached_property
    def knowledge(self) -> KnowledgeSubset | None:
        """What the teacher says about some rows, which are the subset's transfer set."""
        if self.asked is None:
            return None
        if self.store is not None:
            return KnowledgeSubset(self.store, self.transfer_set, self.rows(STORED_ROWS))
        asked = self.transfer_set.select(self.rows(ANSWERED_ROWS))
        return KnowledgeSubset(self.asked, asked, torch.arange(len(asked)))

    def rows(self, most: int) -> Int[Tensor, " r"]:
        """At most so many rows of the transfer set, ascending, the same ones each time."""
        order = seeding.permutation(len(self.transfer_set), "doctor", "rows")
        return order[:most].sort().values

    @cached_property
    def labelled(self) -> Int[Tensor, " n"]:
        """The rows of the transfer set with a label, in the order in which slices take them."""
        rows = (self.transfer_set.labels != UNLABELLED).nonzero().flatten()
        return rows[seeding.permutation(len(rows), "doctor", "labelled")]

    @cached_property
    def held_out(self) -> int:
        """How many of the labelled training rows are kept from the twins: none with validation."""
        validation = self.experiment.data().validation
        known = 0 if validation is None else int((validation.labels != UNLABELLED).sum())
        return 0 if known >= FEWEST_JUDGED else min(JUDGED_ROWS, len(self.labelled) // 5)

    @cached_property
    def judged(self) -> TransferSet | None:
        """Labelled rows that accuracies are measured on, unseen by the twins; None without any."""
        if self.held_out:
            return self.transfer_set.select(self.labelled[: self.held_out].sort().values)
        validation = self.experiment.data().validation
        if validation is None or not bool((validation.labels != UNLABELLED).any()):
            return None
        known = validation.labelled()
        order = seeding.permutation(len(known), "doctor", "judged")
        return known.select(order[:JUDGED_ROWS].sort().values)

    @property
    def judged_where(self) -> str:
        """The judged rows in words."""
        assert self.judged is not None
        kind = "training rows held out" if self.held_out else "validation rows"
        return f"{len(self.judged):,} {kind}"

    def training(self, examples: int, most: int = PROBE_EXAMPLES) -> Training:
        """The recipe's training on so many rows, cut to what a probe may take."""
        full = replace(self.experiment.recipe.training, patience=None, compile=False)
        updates = full.epochs * math.ceil(len(self.transfer_set) / full.batch_size)
        affordable = math.ceil(min(most, self.affordable) / full.batch_size)
        return full.for_updates(min(updates, affordable), examples)

    @cached_property
    def affordable(self) -> int:
        """How many examples a probe of this student may see."""
        weights = max(1, self.student.parameters_count())
        return max(TWIN_PASSES * 100, min(PROBE_EXAMPLES, int(PROBE_WORK / weights)))

    @cached_property
    def job(self) -> Job | None:
        """The recipe's objective on a slice; None where its knowledge or labels are not there."""
        if not self.objective.reads_teacher:
            return self.on_slice(self.objective) if len(self.labelled) else None
        if self.knowledge is None:
            return None
        examples = self.knowledge.transfer_set
        training = self.training(len(examples))
        return job_of(self.student, self.knowledge, examples, self.objective, training)

    def on_slice(self, objective: Objective) -> Job:
        """The student on labels alone, on a slice of the labelled rows."""
        training = self.training(len(self.slice))
        return job_of(self.student, None, self.slice, objective, training)

    @cached_property
    def slice(self) -> TransferSet:
        """The labelled rows that the twins learn from."""
        most = min(TWIN_ROWS, self.affordable // TWIN_PASSES)
        rows = self.labelled[self.held_out :][:most]
        return self.transfer_set.select(rows.sort().values)

    @cached_property
    def trial(self) -> Trial | None:
        """A short training with the recipe's objective; None where it cannot be had."""
        if self.job is None:
            return None
        if repr(self.objective) == repr(HardLabels()) and self.twins:
            return self.twins[0]  # without a teacher the student is its own twin
        return self.try_out(self.job, self.experiment.recipe.seed)

    @cached_property
    def twins(self) -> tuple[Trial, ...]:
        """Two twins on the slice, with the recipe's seed and the next; none without labels."""
        if not len(self.labelled):
            return ()
        seed = self.experiment.recipe.seed
        return tuple(self.try_out(self.on_slice(HardLabels()), s) for s in (seed, seed + 1))

    def try_out(self, job: Job, seed: int) -> Trial:
        """A short training, of which the experiment's `progress` is told."""
        return try_out(job, seed, self.experiment.progress)

    @cached_property
    def twin_hits(self) -> Bool[Tensor, "s n"] | None:
        """Where each twin is right on the judged rows; None where that cannot be said."""
        students = [twin.student for twin in self.twins]
        if self.judged is None or not students or None in students:
            return None
        return torch.stack([self.hits(s, self.judged) for s in students if s is not None])

    @cached_property
    def teacher_scores(self) -> Float[Tensor, "n c"] | None:
        """The teacher's log-probabilities of the judged rows; None where they cannot be had."""
        if self.teacher is None or self.judged is None:
            return None
        return score(self.teacher, self.judged, progress=self.experiment.progress)

    def hits(self, model: Student | Teacher, examples: TransferSet) -> Bool[Tensor, " n"]:
        """Where a student or teacher is right."""
        said = score(model, examples, progress=self.experiment.progress)
        return said.argmax(dim=1) == examples.labels
