"""A healthy recipe on digits with a good teacher from a file, in which faults are planted."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest

import limbeck as lb
from limbeck.doctoring.case import Case
from limbeck.experiment import Experiment
from limbeck.recipe import Recipe
from limbeck.transfer_sets import digits

HEALTHY = """\
name: healthy
data: {digits: {labelled: 300}}
teacher: {load: {path: good}}
student: {mlp: {hidden: [16]}}
objective:
  soft_targets: {temperature: 2.0, weight: 0.9}
  hard_labels: {weight: 0.1}
training: {epochs: 10, batch_size: 64, optimizer: {adamw: {learning_rate: 0.01}}}
seeds: 2
"""

MINE = """
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import nn

from limbeck.objectives import Objective
from limbeck.students import load
from limbeck.transfer_sets import Arrays, Splits, digits

HERE = Path(__file__).parent


class Changed(nn.Module):
    def __init__(self, change, order=None, factor=1.0):
        super().__init__()
        self.net = load(HERE / "good").module
        self.change, self.order, self.factor = change, order, factor

    def forward(self, inputs):
        logits = self.factor * self.net(inputs / self.change)
        return logits if self.order is None else logits[:, self.order]


def on_bytes():
    return Changed(255.0)


def swapped():
    return Changed(1.0, order=[1, 0, 2, 3, 4, 5, 6, 7, 8, 9])


def sure():
    return Changed(1.0, factor=30.0)


def broken():
    return Changed(1.0, factor=float("nan"))


def untrained():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


class Summed(Objective):
    def forward(self, student, teacher, labels):
        return (student.logits - teacher.logits[0]).square().sum()


class Naive(Objective):
    def forward(self, student, teacher, labels):
        odds = student.logits.exp()
        chosen = (odds / odds.sum(dim=1, keepdim=True)).log()
        return -(teacher.log_probs(1.0).exp() * chosen).sum(dim=1).mean()


def copied(noise=0.0):
    parts = digits(labelled=300)
    inputs = parts.train.inputs[:40]
    inputs = inputs + noise * torch.rand(inputs.shape, generator=torch.Generator().manual_seed(0))
    inputs = torch.cat([inputs, parts.test.inputs])
    labels = torch.cat([parts.train.labels[:40].clamp(min=0), parts.test.labels])
    test = Arrays(inputs, labels, classes=parts.train.classes, name="leaking")
    return Splits(parts.train, parts.validation, test)


def copied_unlabelled():
    parts = copied()
    hidden = parts.train.labels.clone()
    hidden[:40] = -1
    train = Arrays(parts.train.inputs, hidden, classes=parts.train.classes, name="unlabelled")
    return Splits(train, parts.validation, parts.test)


def few(rows=40):
    parts = digits()
    return Splits(parts.train.select(torch.arange(rows)), parts.validation, parts.test)


def no_test():
    parts = digits(labelled=300)
    return Splits(parts.train, parts.validation)
"""


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good teacher on digits, and functions that plant faults."""
    folder = tmp_path_factory.mktemp("healthy")
    training = lb.Training(epochs=20, optimizer=lb.AdamW(learning_rate=0.01))
    net = lb.students.mlp(64, [64], 10)
    lb.distill(net, None, digits().train, lb.HardLabels(), training).save(folder / "good")
    (folder / "mine.py").write_text(MINE)
    return folder


Open = Callable[..., Case]


@pytest.fixture
def case(good: Path, tmp_path: Path) -> Open:
    """Open the healthy recipe with changes."""

    def opened(*changes: str, text: str = HEALTHY) -> Case:
        recipe = Recipe.parse(text, folder=good).override([f"output={tmp_path / 'out'}", *changes])
        return Case(Experiment(recipe.check()), Path(mkdtemp(dir=tmp_path)))

    return opened
