"""The nets of a transfer study: of every task, on copied layers of its own net or the other's.

A base and what is built on it never share a seed: the new layers would start where the base's did.
All nets on one target share initial weights and the order of the data, so that differences between
them are paired.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

import limbeck as lb
from limbeck import seeding
from limbeck.studies.study import Study, accuracy
from limbeck.together import train_together
from limbeck.training import job_of
from limbeck.transfer_sets import glyphs, split, with_classes
from limbeck.transferring import layers_of, transfer

__all__ = ["FROZEN", "Curves", "Settings", "Tasks", "World"]

FROZEN = {"BnB": True, "AnB": True, "random": True, "BnB+": False, "AnB+": False}
"""The treatments, and whether they leave the copied layers as they are."""

Curves = dict[str, Float[np.ndarray, "targets n"]]
Tasks = Sequence[tuple[Sequence[str], Sequence[str]]]


@dataclass(frozen=True)
class Settings:
    """Of one data set: how many splits, images per class and epochs, and the net."""

    splits: int
    per_class: int
    epochs: int
    channels: tuple[int, ...]
    hidden: int = 64
    classes: int = 10
    learning_rate: float = 0.03
    batch_size: int = 64
    warm_up: float = 0.0


class World:
    """A data set's tasks and nets."""

    def __init__(self, study: Study, name: str, settings: Settings) -> None:
        self.study, self.name, self.settings = study, name, settings
        data = loaded(study, name, settings)
        count = min(settings.per_class * settings.classes, len(data.train))
        self.data = lb.Splits(split(data.train, count)[0], test=data.test)
        self.cuts = range(1, len(layers_of(self.student(data.train.classes))))
        self.bases: dict[tuple[tuple[str, ...], int], lb.Student] = {}

    def random_tasks(self, first: int) -> Tasks:
        """For each split, so many random classes and the others."""
        names = self.data.train.classes
        orders = [
            [names[i] for i in seeding.permutation(len(names), "classes", first, split).tolist()]
            for split in range(self.settings.splits)
        ]
        return [(order[:first], order[first:]) for order in orders]

    def curves(self, group: str, tasks: Tasks, treatments: Sequence[str]) -> Curves:
        """Test accuracy, %, of two targets per split: by cut, or in one column from scratch."""
        found: dict[str, list[list[float]]] = {each: [] for each in ("scratch", *treatments)}
        for number, pair in enumerate(tasks):
            for target, source in (pair, pair[::-1]):
                facts = {**asdict(self.settings), "target": target, "source": source}
                for each, rows in found.items():
                    what = f"{self.name} {group}, split {number}, on {target[0]}...: {each}"
                    make = partial(self.accuracies, each, target, source, 10 * number)
                    rows.append(self.study.once(what, make, **facts))
        return {each: np.array(rows) for each, rows in found.items()}

    def accuracies(
        self, treatment: str, target: Sequence[str], source: Sequence[str], seed: int
    ) -> list[float]:
        """Test accuracy, %, of nets trained on the target, by cut. The base has another seed."""
        if treatment == "scratch":
            return self.tested([self.student(target)], target, seed + 1)
        if treatment == "random":
            base = self.student(target).fresh(seed + 2)
        else:
            base = self.base(source if treatment.startswith("A") else target, seed)
        freeze = FROZEN[treatment]
        nets = [transfer(base, n, freeze=freeze, classes=len(target)) for n in self.cuts]
        return self.tested(nets, target, seed + 1)

    def tested(self, nets: Sequence[lb.Student], classes: Sequence[str], seed: int) -> list[float]:
        """Test accuracy, %, of each net, trained on a task."""
        assert self.data.test is not None
        test = with_classes(self.data.test, classes)
        return [accuracy(net, test) for net in self.trained(nets, classes, seed)]

    def base(self, classes: Sequence[str], seed: int) -> lb.Student:
        """The net trained on a task."""
        key = (tuple(classes), seed)
        if key not in self.bases:
            folder = self.study.folder / "checkpoints"
            (self.bases[key],) = self.trained([self.student(classes)], classes, seed, folder)
        return self.bases[key]

    def student(self, classes: Sequence[str]) -> lb.Student:
        """The untrained net of a task."""
        shape, settings = self.data.train.input_shape, self.settings
        return lb.students.cnn(
            shape, settings.channels, len(classes), hidden=settings.hidden, batch_norm=False
        )

    def trained(
        self,
        nets: Sequence[lb.Student],
        classes: Sequence[str],
        seed: int,
        folder: Path | None = None,
    ) -> list[lb.Student]:
        """Some nets after training on a task, together."""
        training = lb.Training(
            epochs=self.settings.epochs,
            batch_size=self.settings.batch_size,
            optimizer=lb.SGD(self.settings.learning_rate, momentum=0.9, weight_decay=5e-4),
            schedule=lb.Cosine(warm_up=self.settings.warm_up),
        )
        examples, labels = with_classes(self.data.train, classes), lb.HardLabels()
        jobs = [job_of(net, None, examples, labels, training, checkpoint=folder) for net in nets]
        outcomes = train_together([(job, seed) for job in jobs], progress=self.study.progress)
        for outcome in outcomes:
            if isinstance(outcome, lb.LimbeckError):
                raise outcome
        return [outcome[0] for outcome in outcomes if isinstance(outcome, tuple)]


def loaded(study: Study, name: str, settings: Settings) -> lb.Splits:
    if name == "glyphs":
        return glyphs(settings.classes, settings.per_class * 3 // 2)
    return study.digits() if name == "digits" else study.images("cifar10", "uoft-cs/cifar10")
