"""A small task of eight classes in four pairs that are confused, and a generalist for it."""

from pathlib import Path

import pytest
import torch

import limbeck as lb
from limbeck.transfer_sets import Arrays

CLASSES = 8
PAIRS = [(0, 1), (2, 3), (4, 5), (6, 7)]


def examples(count: int, seed: int, name: str) -> Arrays:
    """Points around eight centres, two of each pair close together."""
    generator = torch.Generator().manual_seed(seed)
    far = 4 * torch.eye(4, 6).repeat_interleave(2, dim=0)
    near = torch.zeros(CLASSES, 6)
    near[1::2, 4] = 0.8
    labels = torch.arange(count) % CLASSES
    inputs = (far + near)[labels] + 0.6 * torch.randn(count, 6, generator=generator)
    return Arrays(inputs, labels, classes=list("abcdefgh"), name=name)


@pytest.fixture(scope="session")
def train() -> Arrays:
    return examples(480, 0, "train")


@pytest.fixture(scope="session")
def held_out() -> Arrays:
    return examples(800, 1, "test")


@pytest.fixture(scope="session")
def generalist(train: Arrays) -> lb.Student:
    student = lb.students.mlp(6, [16], CLASSES)
    training = lb.Training(epochs=20, batch_size=40, optimizer=lb.AdamW(1e-2))
    return lb.distill(student, None, train, lb.HardLabels(), training).student


@pytest.fixture(scope="session")
def store(
    generalist: lb.Student, train: Arrays, tmp_path_factory: pytest.TempPathFactory
) -> lb.KnowledgeStore:
    folder: Path = tmp_path_factory.mktemp("store") / "generalist"
    return lb.annotate(lb.TorchModule.from_student(generalist), train, folder, dtype="float32")
