"""Which temperature is best depends on how small the student is, on MNIST.

Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015,
https://arxiv.org/abs/1503.02531, section 3: with 300 or more units in each of two hidden layers
all temperatures above 8 give fairly similar results; with 30 units, 2.5 to 4 work significantly
better than higher or lower ones.

The teacher is that of the study hinton-mnist, trained on 50,000 images; students learn from soft
targets alone, AdamW at 0.003 along a cosine. Errors are counted on 10,000 training images that are
kept apart, so that nothing is chosen on the test part. Seeds are paired: every temperature starts
from the same weights and sees the same order. The teacher and students of 300 units and more train
in bfloat16 where the processor multiplies in it; smaller ones together, as one stacked model.

The paper does not name its optimiser, and it matters: softer answers have larger gradients, and so
larger steps where they are SGD's, not where they are Adam's. Students of 30 units learn a second
time, by SGD with momentum at 0.02 for all temperatures. Of the two rates tried it is the one that
all survive: at 0.1 temperature 1 was best (3.16 %), and students diverged from 3 up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

import limbeck as lb
from limbeck.studies.charts import lines
from limbeck.studies.hinton_teacher import hinton_teacher
from limbeck.studies.study import Study
from limbeck.studies.table import Row, below, between, measured, row
from limbeck.transfer_sets import Splits

__all__ = ["run"]

FEW = (1.0, 2.5, 4.0, 8.5, 11.0, 15.0, 20.0)
MANY = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.5, 11.0, 15.0, 20.0)
ENDS = (1.0, 4.0, 8.5, 20.0)

SECOND = (4, 30)
"""Widths that learn by SGD too: that of the paper's finding, and of smoke."""

ADAMW, SGD = lb.AdamW(learning_rate=0.003), lb.SGD(learning_rate=0.02, momentum=0.9)

Errors = Mapping[float, Sequence[float]]
"""Temperature -> each seed's errors on the images kept apart, in percent."""


@dataclass(frozen=True)
class Settings:
    """What a size costs: widths with the temperatures tried at each."""

    widths: Mapping[int, tuple[float, ...]]
    seeds: int
    epochs: int
    teacher_units: int
    teacher_epochs: int


SIZES = {
    "smoke": Settings({4: (1.0, 4.0, 20.0), 16: (8.5, 20.0)}, 2, 20, 64, 30),
    "small": Settings({10: FEW, 30: MANY, 100: FEW}, 3, 5, 400, 10),
    "full": Settings({10: MANY, 30: MANY, 100: MANY, 300: FEW, 800: ENDS}, 5, 20, 1200, 60),
}


def run(study: Study) -> list[Row]:
    """A sweep of the temperature at every width."""
    settings = SIZES[study.size]
    smoke = study.size == "smoke"
    data = study.digits() if smoke else study.images("mnist", "ylecun/mnist", validation=10_000)

    @cache
    def store() -> lb.KnowledgeStore:
        units, epochs, pixels = settings.teacher_units, settings.teacher_epochs, 1 if smoke else 2
        teacher = hinton_teacher(
            study, data.train, units=units, epochs=epochs, pixels=pixels, precision="auto"
        )
        return study.annotate(teacher, data.train, "one")

    surface: dict[str, Errors] = {}
    table: list[Row] = []
    for width, temperatures in settings.widths.items():
        for how, optimizer in (("", ADAMW), (", SGD", SGD)):
            if optimizer is SGD and width not in SECOND:
                continue
            taught = partial(errors, study, data, store, width, temperatures, settings, optimizer)
            found = study.once(f"width {width}{how}", taught, **vars(settings))
            what = f"{width} units{how}"
            surface[what] = {float(t): values for t, values in found.items()}
            table += rows(what, width, surface[what], study.size == "full")
    draw(study, surface)
    return table


def errors(
    study: Study,
    data: Splits,
    store: Callable[[], lb.KnowledgeStore],
    width: int,
    temperatures: Sequence[float],
    settings: Settings,
    optimizer: lb.AdamW | lb.SGD,
) -> dict[float, list[float]]:
    """Validation errors, in percent, of students of one width at these temperatures."""
    assert data.validation is not None
    inputs, classes = math.prod(data.train.input_shape), len(data.train.classes)
    training = lb.Training(
        settings.epochs,
        batch_size=250,
        optimizer=optimizer,
        precision="auto" if width >= 300 else "float32",
    )
    found = lb.sweep(
        lb.students.mlp(inputs, [width, width], classes),
        store(),
        data.train,
        {t: lb.SoftTargets(temperature=t) for t in temperatures},
        training,
        validation=data.validation,
        seeds=settings.seeds,
        checkpoint=study.folder / "checkpoints",
        progress=study.progress,
    )
    return {
        float(cell.settings["objective"]): [100 * (1 - a) for a in cell.accuracies]
        for cell in found.cells
    }


def rows(what: str, width: int, found: Errors, published: bool) -> list[Row]:
    """The best temperature of a width, and how far those above 8 are apart, seed by seed."""
    by_error = sorted(found, key=lambda t: measured(found[t]).mean)
    high = [t for t in by_error if t > 8]
    apart = [worst - best for worst, best in zip(found[high[-1]], found[high[0]], strict=True)]
    small, wide = published and width == 30, published and width >= 300
    return [
        row(
            f"{what}, best temperature",
            by_error[0],
            "2.5 to 4" if width == 30 else "",
            between(2.5, 4) if small else None,
            f"{errors_at(found, by_error[0])} there, and {errors_at(found, 2.5)} at 2.5, "
            f"{errors_at(found, 4.0)} at 4.",
        ),
        row(f"{what}, errors there, %", found[by_error[0]]),
        row(
            f"{what}, worst less best temperature above 8, points",
            apart,
            "alike" if width >= 300 else "",
            below(0.15) if wide else None,
            f"{high[-1]:g} is worse than {high[0]:g}.",
        ),
    ]


def errors_at(found: Errors, temperature: float) -> str:
    """The errors at a temperature; nothing where it was not tried."""
    return f"{measured(found[temperature]).mean:.2f} %" if temperature in found else "-"


def draw(study: Study, surface: Mapping[str, Errors]) -> None:
    """Errors against the temperature, a panel for each width and optimiser."""
    points = [
        {"units": what, "temperature": t, "errors": each}
        for what, found in surface.items()
        for t, values in found.items()
        for each in values
    ]
    titles = {"errors": "validation errors, %"}
    study.figure(
        "surface",
        lines(
            points, "temperature", "errors", panel="units", scales=("log", "linear"), titles=titles
        ),
    )
