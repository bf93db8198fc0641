"""The verdict: did distilling help, by how much, and is it sure?

For every seed the student is trained twice: distilled, and from scratch with the same initial
weights, the same number of updates and the same data order. Both are measured on the same test
examples, so every (seed, example) gives a pair: right or wrong, against right or wrong.
"""

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

import limbeck
from limbeck.errors import LimbeckError
from limbeck.evaluation.advice import Figures, advise, nearly_one_hot
from limbeck.evaluation.arms import Arm, Measure
from limbeck.evaluation.bias import Bias, bias
from limbeck.evaluation.evaluation import Evaluation, groups_of, measured
from limbeck.evaluation.flips import flipped
from limbeck.evaluation.latency import processor
from limbeck.evaluation.leave_one_out import leave_one_out
from limbeck.evaluation.scoring import Progress, labelled_rows, score
from limbeck.evaluation.significance import Interval, crossed, ratio, variances
from limbeck.evaluation.verdict import ClassChange, Comparison
from limbeck.evaluation.wording import sentence, verdict_of
from limbeck.store import KnowledgeStore
from limbeck.teachers import Teacher
from limbeck.training import Run
from limbeck.transfer_sets import TransferSet

__all__ = ["DEFAULT_SEEDS", "ClassChange", "Comparison", "compare"]

Array = np.ndarray[Any, Any]

DEFAULT_SEEDS = 15
"""How many seeds find a true difference of 1 to 1.5 points on 899 digits nine times out of ten;
benchmarks/verdict.py measures fewer and more."""


def compare(
    run: Run,
    teacher: Teacher | None,
    test: TransferSet,
    *,
    seeds: int = DEFAULT_SEEDS,
    confidence: float = 0.95,
    teacher_scores: Float[Tensor, "n c"] | None = None,
    progress: Progress | None = None,
    recipe: str | Mapping[str, Any] | None = None,
) -> Comparison:
    """Train the student again with other seeds, and from scratch with every seed, and compare.

    Every student reads the test part once, after its training. Nothing is chosen by it. Students
    train together: stacked, in a process per core, or one by one, as a probe finds fastest.

    Args:
        run: A distilled run; it counts for its own seed, and its job is repeated for the next.
        teacher: Measured beside the students; None leaves out its row and the gap.
        test: Labelled examples that no choice was made on.
        seeds: How many seeds, from the run's own on; >= 2. Two or three are for a first look: with
            two, 9 % of equal students were told apart in benchmarks/verdict.py.
        confidence: Of all intervals, in (0, 1).
        teacher_scores: What `score(teacher, test)` gave; None asks the teacher again.
        progress: Told of each update.
        recipe: Kept with the result, for reports.

    Raises:
        DataError: if the test part is empty or has no labels.
        TeacherError: if the teacher's classes are not the test part's.
        LimbeckError: if there are fewer than two seeds, the student's classes are not the test
            part's, or there is no labelled example to train from scratch on.
    """
    rows = checked(run, test, seeds, confidence)
    measure = Measure(test, rows, confidence)
    of_teacher = None
    if teacher is not None:
        if teacher_scores is None:
            teacher_scores = score(teacher, test, progress=progress)
        scores = teacher_scores[rows]
        of_teacher = measured(measure.of(scores, teacher.name), teacher, test)
        measure = replace(measure, teacher_scores=scores)
    numbers = tuple(range(run.seed, run.seed + seeds))
    distilled, scratch = Arm(), Arm()
    for again in (run, *run.repeats(numbers[1:], progress=progress)):
        distilled.add(again, measure)
    for twin in run.twins(numbers, progress=progress):
        scratch.add(twin, measure)
    size = measured(distilled.evaluations[0], run.student, test)
    distilled.give(size)
    scratch.give(size)
    return concluded(run, measure, numbers, of_teacher, distilled, scratch, recipe)


def checked(run: Run, test: TransferSet, seeds: int, confidence: float) -> Int[Tensor, " n"]:
    """The labelled rows of the test part; raises before any training if something is amiss."""
    if seeds < 2:
        raise LimbeckError(
            f"seeds is {seeds}; a verdict needs at least 2, to know how much a seed matters. Use "
            f"{DEFAULT_SEEDS}, or evaluate the student alone."
        )
    if not 0 < confidence < 1:
        raise LimbeckError(f"confidence is {confidence}; it is between 0 and 1, such as 0.95.")
    rows = labelled_rows(test)
    if len(rows) < 2:
        raise LimbeckError(
            f"{test.name} has one labelled example; a verdict needs at least 2. Use a larger part."
        )
    known = run.student.classes
    if known and tuple(known) != tuple(test.classes):
        raise LimbeckError(
            f"the student was trained for the classes {list(known)} and {test.name} has "
            f"{list(test.classes)}. Test on data with the same classes in the same order."
        )
    return rows


def concluded(
    run: Run,
    measure: Measure,
    seeds: tuple[int, ...],
    teacher: Evaluation | None,
    distilled: Arm,
    scratch: Arm,
    recipe: str | Mapping[str, Any] | None,
) -> Comparison:
    """The verdict on the figures."""
    differences = distilled.hits - scratch.hits
    difference = crossed(differences, measure.confidence).scaled(100.0)
    accuracies = [
        crossed(a.hits, measure.confidence).within(0.0, 1.0) for a in (distilled, scratch)
    ]
    gap, gap_note = recovered(measure, differences, scratch.hits)
    knowledge = run.knowledge
    left_out = (
        leave_one_out(knowledge, run.transfer_set) if isinstance(knowledge, KnowledgeStore) else ()
    )
    return Comparison(
        verdict=verdict_of(difference),
        sentence=sentence(
            difference,
            accuracies[0].estimate,
            accuracies[1].estimate,
            data=measure.test.name,
            examples=len(measure.rows),
            seeds=len(seeds),
        ),
        data=measure.test.name,
        examples=len(measure.rows),
        unlabelled=len(measure.test) - len(measure.rows),
        seeds=seeds,
        teacher=teacher,
        distilled=distilled.evaluations,
        scratch=scratch.evaluations,
        distilled_accuracy=accuracies[0],
        scratch_accuracy=accuracies[1],
        difference_points=difference,
        gap_recovered=gap,
        gap_note=gap_note,
        per_class=class_changes(measure, distilled.hits, scratch.hits),
        left_out=left_out,
        distilled_histories=distilled.histories,
        scratch_histories=scratch.histories,
        advice=advised(run, measure, teacher, distilled, scratch, teacher_sure=gap is not None),
        recipe=recipe,
        versions=versions(),
        **who_pays(measure, distilled, scratch),
    )


def advised(
    run: Run,
    measure: Measure,
    teacher: Evaluation | None,
    distilled: Arm,
    scratch: Arm,
    *,
    teacher_sure: bool,
) -> tuple[str, ...]:
    """What to try where distilling did not win."""
    differences = distilled.hits - scratch.hits
    difference = crossed(differences, measure.confidence).scaled(100.0)
    if verdict_of(difference) == "BEATS":
        return ()
    by_seed, by_example = variances(differences.mean(axis=1), differences.mean(axis=0))
    return advise(
        Figures(
            verdict=verdict_of(difference),
            difference_points=difference,
            by_seed=by_seed,
            by_example=by_example,
            seeds=len(distilled.evaluations),
            default_seeds=DEFAULT_SEEDS,
            examples=len(measure.rows),
            teacher=None if teacher is None else teacher.accuracy.estimate,
            teacher_sure=teacher_sure,
            distilled=float(distilled.hits.mean()),
            scratch=float(scratch.hits.mean()),
            agreement_distilled=mean_agreement(distilled.evaluations),
            agreement_scratch=mean_agreement(scratch.evaluations),
            one_hot=nearly_one_hot(run.knowledge, run.objective),
        )
    )


def recovered(
    measure: Measure, differences: Float[Array, "s n"], scratch: Float[np.ndarray, "s n"]
) -> tuple[Interval | None, str]:
    """Which part of the way from scratch to the teacher was made, or why that cannot be said."""
    if measure.teacher_scores is None:
        return None, "there was no teacher to compare with"
    ahead = measure.hits(measure.teacher_scores) - scratch
    gap = ratio(differences, ahead, measure.confidence)
    if gap is not None:
        return gap, ""
    lead = crossed(ahead, measure.confidence).scaled(100.0)
    return None, (
        f"not stated, as the teacher is not surely better than the student from scratch "
        f"({lead.estimate:+.2f} points, interval {lead.low:+.2f} to {lead.high:+.2f})"
    )


def who_pays(measure: Measure, distilled: Arm, scratch: Arm) -> dict[str, Any]:
    """The bias of both students against the teacher, and the flips of the distilled one."""
    if measure.teacher_scores is None:
        return {}
    test, rows = measure.test, measure.rows
    teacher, labels = measure.teacher_scores.argmax(dim=1), test.labels[rows]
    groups = groups_of(test, rows)

    def of(arm: Arm) -> Bias:
        return bias(teacher, arm.answers, labels, test.classes, groups=groups)

    ids = [test.ids[row] for row in rows.tolist()]
    flips = flipped(teacher, distilled.answers, labels, ids, test.classes)
    return {"distilled_bias": of(distilled), "scratch_bias": of(scratch), "flips": flips}


def class_changes(
    measure: Measure, distilled: Float[Array, "s n"], scratch: Float[np.ndarray, "s n"]
) -> tuple[ClassChange, ...]:
    """The change of each class's recall; 0 for a class without test examples."""
    labels = measure.test.labels[measure.rows].numpy()
    table = []
    for number, name in enumerate(measure.test.classes):
        of_class = labels == number
        pair = distilled[:, of_class], scratch[:, of_class]
        count = int(of_class.sum())
        means = [float(hits.mean()) if count else 0.0 for hits in pair]
        if count > 1:
            change = crossed(pair[0] - pair[1], measure.confidence).scaled(100.0)
        else:
            points = 100 * (means[0] - means[1])
            change = Interval(points, -math.inf, math.inf, measure.confidence)
        table.append(ClassChange(name, count, means[1], means[0], change))
    return tuple(table)


def mean_agreement(evaluations: Sequence[Evaluation]) -> float | None:
    """Agreement with the teacher, over the seeds."""
    values = [e.teacher_agreement for e in evaluations if e.teacher_agreement is not None]
    return sum(values) / len(values) if values else None


def versions() -> dict[str, str]:
    """What the comparison was made with."""
    return {
        "limbeck": limbeck.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "system": platform.system(),
        "processor": processor(),
        "threads": str(torch.get_num_threads()),
    }
