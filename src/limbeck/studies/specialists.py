"""Specialists for what a generalist confuses, and all of them distilled into one net again.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5, on 100 million images of
15 000 classes: 61 specialists of 300 classes raise the accuracy of a generalist from 25.0 % to
26.1 %, and from 43.1 % to 45.9 % where only the classes of specialists are in question; the more
specialists know a class, the more it gains. Section 6.1 proposes specialists that keep all classes,
by soft targets; the last section leaves open whether all can be distilled into one net again.

Ours are 200 glyphs of three scripts, and 20 specialists of 12 classes, about as many to a class as
in the paper. The generalist is far from done, as theirs was after six months: it sees the images
twice. That is our second design, chosen on validation images. After eight passes over twice as many
images it was right on 86 %, specialists added 0.3 points, no more where more of them knew a class,
and one net kept nothing of that. Sets are clusters of covariance columns of length 1 (see
`confusable_classes`); the most probable class calls specialists in. How their dustbin is put right
is chosen on validation images: by Bayes' rule, by the paper's words, or not at all, as the images
that call a specialist in are mostly of its classes. The one net is the generalist itself, trained
on with the soft targets of the whole; what as much training gives with its own soft targets, or
with labels, is beside it: more passes with labels would help such a generalist most. Size "smoke"
has ten digits and says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import limbeck as lb
from limbeck import specialists
from limbeck.evaluation import score
from limbeck.studies.charts import lines
from limbeck.studies.study import Study
from limbeck.studies.table import Row, above, at_least, measured, row, that
from limbeck.transfer_sets import glyphs

__all__ = ["run"]

PUBLISHED = {"generalist": 25.0, "with": 26.1, "conditional before": 43.1, "conditional": 45.9}
"""Accuracies in %: Hinton, Vinyals & Dean 2015, table 3."""
PUBLISHED_GAIN = {0: 0.0, 1: 3.4, 2: 7.4, 3: 8.8, 4: 10.5, 5: 11.1, 6: 11.3, 7: 12.8, 8: 13.6}
"""Relative gain in % by how many specialists know the class: table 4."""


@dataclass(frozen=True)
class Settings:
    """Specialists: how many clusters. Known: classes of each. Channels: of the nets' blocks."""

    classes: int
    per_class: int
    pixels: int
    channels: tuple[int, ...]
    epochs: int
    specialists: int
    known: int
    special_epochs: int
    single_epochs: int
    seeds: int
    temperature: float = 2.0


SIZES = {
    "smoke": Settings(10, 0, 8, (4,), 30, 4, 3, 4, 4, 1),
    "small": Settings(50, 600, 24, (8, 16, 32), 4, 6, 10, 3, 4, 1),
    "full": Settings(200, 600, 24, (8, 16, 32), 2, 20, 12, 3, 4, 3),
}


def run(study: Study) -> list[Row]:
    """Every seed, then the table and gain by coverage."""
    size = SIZES[study.size]
    found = study.repeat("seed", size.seeds, partial(measures, study, size), **vars(size))
    points = [{"by": n, "gain": gain, "of": "published"} for n, gain in PUBLISHED_GAIN.items()]
    points += [{"by": n, "gain": gain, "of": "ours"} for n, gain in gains_of(found).items()]
    titles = {"by": "specialists that know the class", "gain": "relative gain in accuracy, in %"}
    study.figure("coverage", lines(points, "by", "gain", colour="of", titles=titles))
    return rows(found)


def measures(study: Study, size: Settings, seed: int) -> dict[str, Any]:
    """What `tested` gives of all nets of one seed, and which corrections were chosen."""
    smoke = study.size == "smoke"
    data = study.digits() if smoke else glyphs(size.classes, size.per_class, size=size.pixels)
    assert data.validation is not None
    train, labels = data.train, lb.HardLabels()
    net = lb.students.cnn(train.input_shape, size.channels, size.classes, hidden=0)
    first = lb.Training(optimizer=lb.AdamW(3e-3), epochs=size.epochs)
    generalist = study.distill(net, None, train, labels, first, seed=seed).student
    teacher = lb.TorchModule.from_student(generalist, name="generalist")
    store = study.annotate(teacher, train, f"generalist-{seed}")
    sets = specialists.confusable_classes(store, size.specialists, size=size.known, seed=seed)
    short = lb.Training(optimizer=lb.AdamW(2e-3), epochs=size.special_epochs)
    expert = partial(specialists.train_specialist, generalist, train)
    dustbins = [expert(each, short, seed=seed, **study.kept) for each in sets]
    all_classes = [expert(each, short, knowledge=store, seed=seed, **study.kept) for each in sets]
    whole = specialists.best_corrected(teacher, dustbins, data.validation)
    every = specialists.best_corrected(teacher, all_classes, data.validation)
    longer = lb.Training(optimizer=lb.AdamW(2e-3), epochs=size.single_epochs)
    further = partial(study.distill, lb.Student(generalist.module), training=longer, seed=seed)
    soft = 0.9 * lb.SoftTargets(size.temperature) + 0.1 * labels
    models: dict[str, lb.Teacher | lb.Student] = {
        "generalist": teacher,
        "with": whole,
        "all classes": every,
        "single": further(study.annotate(whole, train, f"whole-{seed}"), train, soft).student,
        "own targets": further(store, train, soft).student,
        "labels": further(None, train, labels).student,
    }
    chosen = {"with": whole.correction, "all classes": every.correction}
    return {**tested(models, sets, data.test), "chosen": chosen}


def tested(
    models: Mapping[str, lb.Teacher | lb.Student],
    sets: Sequence[Sequence[int]],
    test: lb.TransferSet | None,
) -> dict[str, Any]:
    """Accuracies in %, and by coverage [specialists, examples, accuracy before, after]."""
    assert test is not None
    scores = {what: score(model, test) for what, model in models.items()}
    before, after, classes = scores["generalist"], scores["with"], range(len(test.classes))
    right = partial(specialists.conditional_accuracy, labels=test.labels)
    known = [number for each in sets for number in each]
    covered = specialists.gain_by_coverage(before, after, test.labels, sets)
    return {
        **{what: 100 * right(each, classes=classes) for what, each in scores.items()},
        "conditional before": 100 * right(before, classes=known),
        "conditional": 100 * right(after, classes=known),
        "coverage": [astuple(each) for each in covered],
    }


def rows(found: Sequence[dict[str, Any]]) -> list[Row]:
    """The accuracies, the gain by coverage, and the distilled nets."""
    floats = [what for what, each in found[0].items() if isinstance(each, float)]
    value = {what: measured([each[what] for each in found]) for what in floats}
    table = []
    for what, before, after in (
        ("test accuracy in %", "generalist", "with"),
        ("accuracy in % among the specialists' classes", "conditional before", "conditional"),
    ):
        gain = value[after].mean - value[before].mean
        better = that("above the generalist", gain > 0)
        why = f"Specialists change it by {gain:+.2f} points."
        table.append(row(f"generalist, {what}", value[before], PUBLISHED[before]))
        table.append(row(f"with specialists, {what}", value[after], PUBLISHED[after], better, why))
    gain, kept = (value[k].mean - value["generalist"].mean for k in ("with", "single"))
    share = 100 * kept / gain if gain > 0 else 0.0
    why = f"Of {gain:.2f} points {kept:.2f} are kept." if gain > 0 else "There is no gain to keep."
    what = "share of the specialists' gain that one net keeps, in %"
    all_classes = "with specialists that keep all classes, test accuracy in %"
    return [
        *table,
        row(all_classes, value["all classes"]),
        *coverage_rows(gains_of(found)),
        row("generalist, all distilled into it, test accuracy in %", value["single"]),
        row("generalist, its own soft targets instead, in %", value["own targets"]),
        row("generalist, trained on with labels for as long, in %", value["labels"]),
        row(what, share, "left open", at_least(50), why),
    ]


def coverage_rows(gains: dict[int, float]) -> list[Row]:
    """Relative gain by how many specialists know the class, and whether it rises."""
    what = "relative gain in % where {} specialists know the class"
    table = [row(what.format(n), gains[n], PUBLISHED_GAIN.get(n, "")) for n in gains]
    fewest, most = min(gains), max(gains)
    rise = gains[most] - gains[fewest]
    what = f"relative gain in % where {most} know the class, above that where {fewest} do"
    why = f"The gain changes by {rise:+.2f} points from {fewest} to {most}."
    return [*table, row(what, rise, 14.1, above(0), why)]


def gains_of(found: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Relative gain in % by coverage, ascending; where the generalist is never right, left out."""
    covered = (specialists.Covered(*entry) for each in found for entry in each["coverage"])
    pooled = specialists.pooled(covered)
    return {each.specialists: 100 * each.relative_gain for each in pooled if each.before}
