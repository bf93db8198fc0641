"""One big net with jittered images teaches a smaller one that never sees jitter, on MNIST.

Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015,
https://arxiv.org/abs/1503.02531, section 3: a 1200-1200 net with dropout, limited weights and
images jittered by up to 2 pixels makes 67 errors on the 10,000 test images, an 800-800 net without
any of these 146, and the same net taught at temperature 20 from images that are not jittered 74.

The paper names no optimiser, no epochs and no weight of the hard labels. Ours were set before any
test figure was seen: the teacher as in `hinton_teacher`; students AdamW at 0.001 along a cosine,
0.9 of soft targets and 0.1 of hard labels. All 60,000 images train, no epoch is chosen, and the
last weights are measured. At 70 errors of 10,000 the sampling error alone is 8.3. Distilled
students miss the published figure, and a second way, found on 10,000 training images kept apart,
missed it too: soft targets alone at a rate of 0.006 left 113 errors with the first seed. Students
of either kind disagree with the teacher on about 50 test images, where it is mostly right.

Beyond the paper, the same 800-800 net learns from several such teachers, who also answer about
jittered views of the images, over a longer schedule.
"""

import math
from dataclasses import dataclass

import limbeck as lb
from limbeck.studies.charts import ticks
from limbeck.studies.hinton_teacher import averaging, hinton_teacher
from limbeck.studies.study import Study, accuracy
from limbeck.studies.table import Row, Wanted, at_least, at_most, between, measured, row
from limbeck.transfer_sets import Splits

__all__ = ["run"]

TEACHER, SCRATCH, DISTILLED = 67, 146, 74
TEMPERATURE, BATCH = 20.0, 250


@dataclass(frozen=True)
class Settings:
    """What a size costs."""

    teacher_units: int
    teacher_epochs: int
    pixels: int
    units: int
    epochs: int
    seeds: int
    teachers: int
    views: int
    long_epochs: int
    long_seeds: int


SIZES = {
    "smoke": Settings(128, 120, 1, 32, 100, 2, 2, 2, 100, 2),
    "small": Settings(400, 20, 2, 400, 10, 2, 2, 2, 20, 2),
    "full": Settings(1200, 150, 2, 800, 60, 5, 2, 16, 100, 2),
}


def run(study: Study) -> list[Row]:
    """Teacher, students from scratch and distilled, then beyond the paper."""
    settings = SIZES[study.size]
    smoke = study.size == "smoke"
    data = study.digits() if smoke else study.images("mnist", "ylecun/mnist", validation=0)
    facts = vars(settings)
    alone = study.once(
        "teacher, test errors", lambda: errors(teacher_of(study, data, settings, 0), data), **facts
    )
    arms = study.once("students", lambda: students(study, data, settings), **facts)
    best = study.once("beyond the paper", lambda: beyond(study, data, settings), **facts)
    drawn = {
        "teacher": [alone],
        "several teachers": best["teachers"],
        "from scratch": arms["scratch"],
        "distilled": arms["distilled"],
        "from several teachers and views": best["students"],
    }
    study.figure("errors", ticks(drawn, "test errors"))
    return rows(alone, arms, best, published=study.size == "full")


def students(study: Study, data: Splits, settings: Settings) -> dict[str, list[int]]:
    """Test errors of every seed's student, from scratch and distilled."""
    assert data.test is not None
    teacher = teacher_of(study, data, settings, seed=0)
    first = study.distill(
        student_of(data, settings),
        study.annotate(teacher, data.train, "one"),
        data.train,
        0.9 * lb.SoftTargets(temperature=TEMPERATURE) + 0.1 * lb.HardLabels(),
        lb.Training(epochs=settings.epochs, batch_size=BATCH),
    )
    comparison = lb.compare(
        first, teacher, data.test, seeds=settings.seeds, progress=study.progress
    )
    study.say(comparison.sentence)
    return {
        "scratch": [wrong(each.accuracy.estimate, data) for each in comparison.scratch],
        "distilled": [wrong(each.accuracy.estimate, data) for each in comparison.distilled],
    }


def beyond(study: Study, data: Splits, settings: Settings) -> dict[str, list[int]]:
    """Test errors of the teachers together, and of students who learn from views of the images."""
    teachers = [teacher_of(study, data, settings, seed) for seed in range(settings.teachers)]
    ensemble = lb.Ensemble(teachers, combine="geometric")
    views = lb.Views(lb.Shift(pixels=settings.pixels), count=settings.views).of(data.train)
    store = study.annotate(ensemble, views, "views")
    updates = settings.long_epochs * math.ceil(len(data.train) / BATCH)
    training = lb.Training(
        epochs=settings.long_epochs, batch_size=BATCH, average=averaging(updates)
    )
    objective = lb.SoftTargets(temperature=TEMPERATURE)
    student = student_of(data, settings)
    runs = [
        study.distill(student, store, views, objective, training, seed=seed)
        for seed in range(settings.long_seeds)
    ]
    return {
        "teachers": [errors(ensemble, data)],
        "students": [errors(each.student, data) for each in runs],
    }


def teacher_of(study: Study, data: Splits, settings: Settings, seed: int) -> lb.Teacher:
    return hinton_teacher(
        study,
        data.train,
        units=settings.teacher_units,
        epochs=settings.teacher_epochs,
        pixels=settings.pixels,
        seed=seed,
    )


def student_of(data: Splits, settings: Settings) -> lb.Student:
    inputs = math.prod(data.train.input_shape)
    return lb.students.mlp(inputs, [settings.units] * 2, len(data.train.classes))


def errors(model: lb.Teacher | lb.Student, data: Splits) -> int:
    """How many test examples it gets wrong."""
    return wrong(accuracy(model, data.test) / 100, data)


def wrong(right: float, data: Splits) -> int:
    assert data.test is not None
    return round((1 - right) * len(data.test))


def rows(
    teacher: int, arms: dict[str, list[int]], best: dict[str, list[int]], *, published: bool
) -> list[Row]:
    """The table; what the paper found is asked of the full size alone."""
    scratch, distilled = measured(arms["scratch"]), measured(arms["distilled"])

    def asked(wanted: Wanted) -> Wanted | None:
        return wanted if published else None

    more, fewer = distilled.mean - teacher, measured(best["students"]).mean - best["teachers"][0]
    why = (
        f"{more:.0f} errors more than the teacher's, on images unlike those it spoke about; where "
        f"it spoke about jittered ones too, {fewer:.0f} more."
    )
    table = [
        row("teacher, test errors", teacher, TEACHER, asked(at_most(75))),
        row("student from scratch, test errors", scratch, SCRATCH, asked(between(130, 160))),
        row("student distilled, test errors", distilled, DISTILLED, asked(at_most(78)), why),
    ]
    if scratch.mean > teacher:
        closed = 100 * (scratch.mean - distilled.mean) / (scratch.mean - teacher)
        paper = f"{100 * (SCRATCH - DISTILLED) / (SCRATCH - TEACHER):.0f}"
        table.append(row("gap closed, %", closed, paper, asked(at_least(88)), why))
    return [
        *table,
        row("several teachers together, test errors", best["teachers"]),
        row("student of several teachers and of views, test errors", best["students"]),
    ]
