"""Specialists for what a generalist confuses, and all of them distilled into one net again.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5, on 100 million images of
15 000 classes: 61 specialists of 300 classes raise the accuracy of a generalist from 25.0 % to
26.1 %, and from 43.1 % to 45.9 % where only the classes of specialists are in question; the more
specialists know a class, the more it gains. Section 6.1 proposes specialists that keep all classes,
by soft targets; the last section leaves open whether all can be distilled into one net again.

Ours are 200 glyphs of three scripts, and 20 specialists of 12 classes, about as many to a class as
in the paper. There are enough images that the small generalist underfits, as theirs did: where it
overfitted, with 225 images of a class, specialists with a Bayes-corrected dustbin lost. Sets are
clusters of covariance columns of length 1 (see `confusable_classes`); the most probable class calls
specialists in. How their dustbin is put right is chosen on validation images: by Bayes' rule, by
the paper's words, or not at all, as the images that call a specialist in are mostly of its classes.
The one net is the generalist itself, trained on with the soft targets of the whole; what as much
training gives with its own soft targets, or with labels, is beside it. Size "smoke" has ten
digits and says nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

import limbeck as lb
from limbeck.evaluation import score
from limbeck.specialists import (
    Correction,
    Specialist,
    WithSpecialists,
    conditional_accuracy,
    confusable_classes,
    gain_by_coverage,
    train_specialist,
)
from limbeck.studies.study import Study
from limbeck.studies.table import Figure, Row, measured
from limbeck.transfer_sets import Splits, glyphs

if TYPE_CHECKING:
    import altair

__all__ = ["PUBLISHED", "SIZES", "run"]

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
    "small": Settings(50, 600, 24, (8, 16, 32), 8, 6, 10, 3, 4, 1),
    "full": Settings(200, 1200, 24, (8, 16, 32), 8, 20, 12, 3, 4, 2),
}


def run(study: Study) -> list[Row]:
    """Every seed, then the table and gain by coverage."""
    size = SIZES[study.size]
    found = []
    for seed in range(size.seeds):
        make = partial(measures, study, size, seed)
        found.append(study.once(f"seed {seed}", make, **asdict(size)))
    study.figure("coverage", chart(found))
    return table(found)


def measures(study: Study, size: Settings, seed: int) -> dict[str, Any]:
    """Accuracies in %; by coverage [specialists, examples, before, after]; what was chosen."""
    world = World(study, size, seed)
    generalist = world.generalist()
    teacher = lb.TorchModule.from_student(generalist, name="generalist")
    store = world.annotated(teacher)
    sets = confusable_classes(store, size.specialists, size=size.known, seed=seed)
    known = sorted({number for each in sets for number in each})
    whole = world.best(teacher, world.specialists(generalist, sets, None))
    every = world.best(teacher, world.specialists(generalist, sets, store))
    soft = 0.9 * lb.SoftTargets(size.temperature) + 0.1 * lb.HardLabels()
    models: dict[str, lb.Teacher | lb.Student] = {
        "generalist": teacher,
        "with": whole,
        "all classes": every,
        "single": world.further(generalist, world.annotated(whole), soft),
        "own targets": world.further(generalist, store, soft),
        "labels": world.further(generalist, None, lb.HardLabels()),
    }
    test, labels = world.test, world.test.labels
    scores = {what: score(model, test) for what, model in models.items()}
    before, after = scores["generalist"], scores["with"]
    covered = gain_by_coverage(before, after, labels, sets)
    return {
        **{what: 100 * accuracy(each, test) for what, each in scores.items()},
        "conditional before": 100 * conditional_accuracy(before, labels, known),
        "conditional": 100 * conditional_accuracy(after, labels, known),
        "coverage": [[c.specialists, c.examples, c.before, c.after] for c in covered],
        "chosen": {"with": whole.correction, "all classes": every.correction},
    }


class World:
    """Data, nets and stores of one seed."""

    def __init__(self, study: Study, size: Settings, seed: int) -> None:
        self.study, self.size, self.seed = study, size, seed
        self.data: Splits = (
            study.digits()
            if study.size == "smoke"
            else glyphs(size.classes, size.per_class, size=size.pixels)
        )

    def generalist(self) -> lb.Student:
        """Trained on labels."""
        shape, size = self.data.train.input_shape, self.size
        student = lb.students.cnn(shape, size.channels, size.classes, hidden=0)
        return self.trained(student, None, lb.HardLabels(), 3e-3, size.epochs)

    def further(
        self, generalist: lb.Student, store: lb.KnowledgeStore | None, objective: lb.Objective
    ) -> lb.Student:
        """The generalist, trained on."""
        start = lb.Student(generalist.module)
        return self.trained(start, store, objective, 2e-3, self.size.single_epochs)

    def trained(
        self,
        student: lb.Student,
        store: lb.KnowledgeStore | None,
        objective: lb.Objective,
        learning_rate: float,
        epochs: int,
    ) -> lb.Student:
        """A net, trained or read back."""
        return lb.distill(
            student,
            store,
            self.data.train,
            objective,
            lb.Training(optimizer=lb.AdamW(learning_rate), epochs=epochs),
            seed=self.seed,
            checkpoint=self.study.folder / "checkpoints",
            progress=self.study.progress,
        ).student

    def specialists(
        self,
        generalist: lb.Student,
        sets: Sequence[tuple[int, ...]],
        store: lb.KnowledgeStore | None,
    ) -> list[Specialist]:
        """One for each set; with a store they keep all classes."""
        training = lb.Training(optimizer=lb.AdamW(2e-3), epochs=self.size.special_epochs)
        return [
            train_specialist(
                generalist,
                self.data.train,
                each,
                training,
                knowledge=store,
                seed=self.seed,
                checkpoint=self.study.folder / "checkpoints",
                progress=self.study.progress,
            )
            for each in sets
        ]

    def best(self, teacher: lb.Teacher, specialists: Sequence[Specialist]) -> WithSpecialists:
        """Generalist and specialists, dustbins corrected as is best on validation images."""
        validation = self.data.validation
        assert validation is not None
        kinds: tuple[Correction, ...] = ("bayes", "literal", "none")
        whole = [WithSpecialists(teacher, specialists, correction=kind) for kind in kinds]
        right = [accuracy(score(each, validation), validation) for each in whole]
        return whole[right.index(max(right))]

    @property
    def test(self) -> lb.TransferSet:
        assert self.data.test is not None
        return self.data.test

    def annotated(self, teacher: lb.Teacher) -> lb.KnowledgeStore:
        """What a teacher says of the training images, once."""
        path = self.study.folder / f"{teacher.fingerprint[:12]}.store"
        return lb.annotate(teacher, self.data.train, path, progress=self.study.progress)


def accuracy(scores: Float[Tensor, "n c"], examples: lb.TransferSet) -> float:
    """In [0, 1]."""
    return float((scores.argmax(dim=1) == examples.labels).double().mean())


def table(found: Sequence[dict[str, Any]]) -> list[Row]:
    """The rows, from the measures of every seed."""
    value = {
        k: measured([each[k] for each in found])
        for k, v in found[0].items()
        if isinstance(v, float)
    }
    rows = []
    for what, before, after in (
        ("test accuracy in %", "generalist", "with"),
        ("accuracy in % among the specialists' classes", "conditional before", "conditional"),
    ):
        base, ours = value[before], value[after]
        holds = ours.mean > base.mean
        why = "" if holds else f"Specialists change it by {ours.mean - base.mean:+.2f} points."
        published, wanted = str(PUBLISHED[after]), "above the generalist"
        rows.append(Row(f"generalist, {what}", str(PUBLISHED[before]), base))
        rows.append(Row(f"with specialists, {what}", published, ours, wanted, holds, why))
    what = "with specialists that keep all classes, test accuracy in %"
    rows.append(Row(what, "", value["all classes"]))
    return [*rows, *coverage_rows(found), *single_rows(value)]


def coverage_rows(found: Sequence[dict[str, Any]]) -> list[Row]:
    """Relative gain by how many specialists know the class, over all seeds' examples."""
    gains = gains_of(found)
    fewest, most = min(gains), max(gains)
    rows = []
    for number, gain in gains.items():
        what = f"relative gain in % where {number} specialists know the class"
        rows.append(Row(what, str(PUBLISHED_GAIN.get(number, "")), measured([gain])))
    rise = gains[most] - gains[fewest]
    holds = rise > 0
    why = "" if holds else f"The gain changes by {rise:+.2f} points from {fewest} to {most}."
    what = f"relative gain in % where {most} know the class, above that where {fewest} do"
    return [*rows, Row(what, "14.1", measured([rise]), "above 0", holds, why)]


def gains_of(found: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Relative gain in % by coverage, ascending; where the generalist is never right, left out."""
    entries = [entry for each in found for entry in each["coverage"]]
    gains = {}
    for number in sorted({entry[0] for entry in entries}):
        mine = [entry for entry in entries if entry[0] == number]
        before, after = (sum(entry[1] * entry[i] for entry in mine) for i in (2, 3))
        if before:
            gains[number] = 100 * (after - before) / before
    return gains


def single_rows(value: dict[str, Figure]) -> list[Row]:
    """The distilled nets, and the share of the specialists' gain that one keeps."""
    gain, kept = (value[k].mean - value["generalist"].mean for k in ("with", "single"))
    share = 100 * kept / gain if gain > 0 else 0.0
    holds = share >= 50
    why = f"Of {gain:.2f} points {kept:.2f} are kept." if gain > 0 else "There is no gain to keep."
    what = "share of the specialists' gain that one net keeps, in %"
    ours = measured([share])
    return [
        Row("generalist, all distilled into it, test accuracy in %", "", value["single"]),
        Row("generalist, its own soft targets instead, in %", "", value["own targets"]),
        Row("generalist, trained on with labels for as long, in %", "", value["labels"]),
        Row(what, "left open", ours, "at least 50", holds, "" if holds else why),
    ]


def chart(found: Sequence[dict[str, Any]]) -> "altair.Chart":
    """Relative gain by coverage, published and ours."""
    import altair as alt

    values = [
        {"known by": number, "gain": gain, "what": what}
        for what, gains in (("published", PUBLISHED_GAIN), ("ours", gains_of(found)))
        for number, gain in gains.items()
    ]
    data = alt.Data(values=values)  # type: ignore[no-untyped-call]
    lines: altair.Chart = (
        alt.Chart(data)
        .mark_line(point=True)
        .encode(
            x=alt.X("known by:Q", title="specialists that know the class"),
            y=alt.Y("gain:Q", title="relative gain in accuracy, in %"),
            color=alt.Color("what:N", title=None),
        )
    )
    return lines
