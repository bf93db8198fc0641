"""Small teachers and transfer sets for the tests of the store."""

import os
from collections.abc import Callable

import numpy as np
import pytest
import torch

from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets import Arrays
from limbeck.types import Batch, Outputs

CLASSES = tuple("abcdefghij")


class Linear(Teacher):
    """Logits = scale * inputs @ weights; hidden layers are slices of the inputs."""

    def __init__(self, name="linear", seed=0, *, scale=2.0, classes=10, hidden=()):
        generator = torch.Generator().manual_seed(seed)
        self.name = name
        self.weights = scale * torch.randn(6, classes, generator=generator)
        self.hidden = hidden
        self.seed = seed
        self.asked = 0
        self.released = 0

    @property
    def fingerprint(self) -> str:
        return f"linear-{self.seed}"

    def outputs(self, batch: Batch) -> Outputs:
        self.asked += len(batch)
        hidden = {layer: batch.inputs[:, :6].reshape(-1, 2, 3) * 2 for layer in self.hidden}
        return Outputs(batch.inputs @ self.weights, hidden)

    def release(self) -> None:
        self.released += 1


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Syncing guards against power cuts, which no test makes; test_files.py checks its order."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def linear() -> type[Linear]:
    """A cheap teacher, to be made with the name, seed and layers that a test needs."""
    return Linear


@pytest.fixture
def examples() -> Callable[..., Arrays]:
    """A function that makes a transfer set of some number of examples."""

    def make(count: int = 300, *, classes: int = len(CLASSES), seed: int = 0) -> Arrays:
        inputs = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
        names = CLASSES if classes == len(CLASSES) else [f"c{i}" for i in range(classes)]
        ids = [f"e{i}" for i in range(count)]
        return Arrays(inputs, classes=names, ids=ids, name="noise")

    return make
