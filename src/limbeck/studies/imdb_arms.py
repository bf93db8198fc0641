"""The two arms of the study imdb-survey: as the survey trained its students, and as one should."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

import limbeck as lb
from limbeck.studies.imdb_reviews import Part, Reviews
from limbeck.studies.study import accuracy
from limbeck.transfer_sets import Texts, Tokenization

__all__ = ["Settings", "best", "choice", "faithful", "fixed"]

LONGER_THAN_ANY = 4096
"""So many tokens are never reached, so that texts are ordered by their whole length."""


@dataclass(frozen=True)
class Settings:
    """What a size costs.

    Attributes:
        rows: Training and test reviews, 0 for all.
        apart: Validation reviews.
        teacher_epochs: By length.
        students: Of both arms, such as "gru 16".
        chosen_on: The student of each kind that temperature and weight are chosen on.
        unlabelled: Students that learn from the unlabelled reviews too, with their lengths.
        epochs: Of the fixed arm.
        seeds: Of the fixed arm; the faithful one has one, like the survey.
    """

    rows: int
    apart: int
    teacher_epochs: Mapping[int, int]
    students: tuple[str, ...]
    chosen_on: tuple[str, ...]
    unlabelled: tuple[tuple[str, int], ...]
    epochs: int
    seeds: int
    temperatures: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    hard: tuple[float, ...] = (0.0, 0.3)


def student_of(name: str, tokens: Tokenization, *, faithful: bool = False) -> lb.Student:
    """The untrained student of a name such as "gru 16"."""
    kind, width = name.split()
    build = lb.students.text_gru if kind == "gru" else lb.students.text_cnn
    return build(
        tokens.vocabulary,
        2,
        int(width),
        padding=tokens.padding,
        faithful=faithful,
        max_length=tokens.max_length,
    )


def faithful(reviews: Reviews, name: str, length: int) -> dict[str, float]:
    """Test accuracy in %, from labels and from the teacher, with the survey's settings."""
    study, part = reviews.study, in_order(reviews.of(length).train)
    training = lb.Training(
        epochs=4 if name.startswith("gru") else 3,
        batch_size=32,
        optimizer=lb.AdamW(learning_rate=1e-3, weight_decay=0.0),
        schedule=lb.Constant(),
        shuffle=False,
    )
    student = student_of(name, part.tokenization, faithful=True)
    known, test = reviews.knowledge(length, part), reviews.of(length).test
    labels, soft = lb.HardLabels(student_temperature=2.0), lb.SoftTargets(temperature=2.0)
    return {
        "scratch": accuracy(study.distill(student, None, part, labels, training).student, test),
        "distilled": accuracy(study.distill(student, known, part, soft, training).student, test),
    }


def in_order(train: Texts) -> Texts:
    """From the shortest to the longest review; of one length, the positive ones first."""
    whole = Tokenization(train.tokenization.tokenizer, max_length=LONGER_THAN_ANY)
    lengths = train.tokenised(whole).lengths
    rows = torch.argsort(train.labels, descending=True, stable=True)
    rows = rows[torch.argsort(lengths[rows], stable=True)]
    ordered = train.select(rows)
    assert isinstance(ordered, Texts)
    return ordered


def training_of(size: Settings) -> lb.Training:
    return lb.Training(epochs=size.epochs, batch_size=64, patience=size.epochs)


def objective_of(temperature: float, hard: float) -> lb.Objective:
    soft = lb.SoftTargets(temperature)
    return (1 - hard) * soft + hard * lb.HardLabels() if hard else soft


def choice(reviews: Reviews, size: Settings, name: str, length: int) -> list[list[float]]:
    """[temperature, weight of the labels, validation accuracy in %] of every combination."""
    part, study = reviews.of(length, "used"), reviews.study
    settings = [(t, hard) for t in size.temperatures for hard in size.hard]
    found = lb.sweep(
        student_of(name, part.train.tokenization),
        reviews.knowledge(length, part.train),
        part.train,
        {f"{t} {hard}": objective_of(t, hard) for t, hard in settings},
        training_of(size),
        validation=part.validation,
        seeds=1,
        **study.kept,
    )
    right = {cell.settings["objective"]: 100 * cell.accuracies[0] for cell in found.cells}
    return [[t, hard, right[f"{t} {hard}"]] for t, hard in settings]


def best(found: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The combination with the highest accuracy, of equally good ones the first."""
    temperature, hard, _ = max(found, key=lambda each: each[2])
    return temperature, hard


def fixed(
    reviews: Reviews,
    size: Settings,
    name: str,
    length: int,
    setting: tuple[float, float],
    *,
    everything: bool,
) -> dict[str, Any]:
    """Test accuracy in % of every seed, and the paired difference with its interval, in points."""
    part: Part = reviews.of(length, "used")
    transfer = part.everything if everything else part.train
    first = reviews.study.distill(
        student_of(name, transfer.tokenization),
        reviews.knowledge(length, transfer),
        transfer,
        objective_of(*setting),
        training_of(size),
        validation=part.validation,
    )
    progress = reviews.study.progress
    found = lb.compare(first, None, part.test, seeds=size.seeds, progress=progress)
    reviews.study.say(found.sentence)
    apart = found.difference_points
    return {
        "scratch": [100 * each.accuracy.estimate for each in found.scratch],
        "distilled": [100 * each.accuracy.estimate for each in found.distilled],
        "difference": [apart.low, apart.estimate, apart.high],
        "parameters": first.student.parameters_count(),
    }
