"""The two arms of the study imdb-survey: as the survey trained its students, and as one should."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import limbeck as lb
from limbeck.evaluation.in_turns import session_of
from limbeck.evaluation.latency import milliseconds
from limbeck.studies.imdb_reviews import Part, Reviews
from limbeck.studies.study import accuracy
from limbeck.threads import one_thread
from limbeck.transfer_sets import Texts, Tokenization

__all__ = ["Arm", "Settings", "best", "choice", "deployed", "faithful", "fixed", "training_of"]

REVIEWS, WARM_UP = 200, 10
"""How many are timed one by one, and before that."""

LONGER_THAN_ANY = 4096
"""So many tokens are never reached, so that texts are ordered by their whole length."""


@dataclass(frozen=True)
class Settings:
    """What a size costs.

    Attributes:
        rows: Training and test reviews, 0 for all.
        apart: Validation reviews.
        teacher_epochs: By length.
        students: Of the faithful arm, such as "gru 16".
        fixed: Of the fixed arm.
        chosen_on: The student of each kind that temperature and weight are chosen on.
        unlabelled: Students that learn from the unlabelled reviews too: name, length, epochs, and
            whether their embeddings begin as the teacher's word vectors.
        epochs: Of the fixed arm, but for those.
        seeds: Of the fixed arm; the faithful one has one, like the survey.
    """

    rows: int
    apart: int
    teacher_epochs: Mapping[int, int]
    students: tuple[str, ...]
    fixed: tuple[str, ...]
    chosen_on: tuple[str, ...]
    unlabelled: tuple[tuple[str, int, int, bool], ...]
    epochs: int
    seeds: int
    temperatures: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    hard: tuple[float, ...] = (0.0, 0.3)

    @property
    def shortest(self) -> int:
        """The tokens that most students read, and the teacher of the faithful arm."""
        return min(self.teacher_epochs)

    @property
    def longest(self) -> int:
        """The tokens that the teacher of the fixed arm reads, whatever its students do."""
        return max(self.teacher_epochs)


def student_of(
    name: str, tokens: Tokenization, *, faithful: bool = False, words: Path | None = None
) -> lb.Student:
    """The untrained student of a name such as "gru 16"; whose word vectors it begins with."""
    kind, width = name.split()
    build = lb.students.text_gru if kind == "gru" else lb.students.text_cnn
    return build(
        tokens.vocabulary,
        2,
        int(width),
        padding=tokens.padding,
        faithful=faithful,
        max_length=tokens.max_length,
        embedding_from=words,
        tokenization=tokens,
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


def training_of(name: str, epochs: int) -> lb.Training:
    """How the fixed arm trains; in bfloat16 where it is faster: a convolution is, a GRU is not.

    Six passes at Adam's usual 0.001 are too few for a GRU: 32 units, distilled, then name 77.6 % of
    the validation reviews, 83.2 % at 0.003, 76.9 % at 0.01.
    """
    if name.startswith("cnn"):
        return lb.Training(epochs=epochs, batch_size=64, patience=epochs, precision="auto")
    return lb.Training(
        epochs=epochs,
        batch_size=64,
        optimizer=lb.AdamW(learning_rate=3e-3),
        schedule=lb.Cosine(warm_up=0.05),
        clip=1.0,
        patience=epochs,
    )


def objective_of(temperature: float, hard: float) -> lb.Objective:
    soft = lb.SoftTargets(temperature)
    return (1 - hard) * soft + hard * lb.HardLabels() if hard else soft


def choice(reviews: Reviews, size: Settings, name: str) -> list[list[float]]:
    """[temperature, weight of the labels, validation accuracy in %] of every combination."""
    part, study = reviews.of(size.shortest, "used"), reviews.study
    settings = [(t, hard) for t in size.temperatures for hard in size.hard]
    found = lb.sweep(
        student_of(name, part.train.tokenization),
        reviews.knowledge(size.longest, part.train),
        part.train,
        {f"{t} {hard}": objective_of(t, hard) for t, hard in settings},
        training_of(name, size.epochs),
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


@dataclass(frozen=True)
class Arm:
    """A student of the fixed arm.

    Attributes:
        name: Such as "gru 16".
        length: The tokens it reads.
        everything: Whether the unlabelled reviews are in the transfer set.
        setting: Temperature, and weight of the labels.
        epochs: Passes over what the distilled one learns from; its twin gets as many updates.
        words: Whether its embedding, and its twin's, begins as the teacher's word vectors.
    """

    name: str
    length: int
    everything: bool
    setting: tuple[float, float]
    epochs: int
    words: bool = False

    def __str__(self) -> str:
        more = ", unlabelled reviews too" * self.everything + ", the teacher's words" * self.words
        return f"{self.name}, {self.length} tokens{more}"


def distilled(reviews: Reviews, size: Settings, arm: Arm) -> lb.Run:
    """The student with the first seed."""
    part: Part = reviews.of(arm.length, "used")
    transfer = part.everything if arm.everything else part.train
    words = reviews.words if arm.words else None
    return reviews.study.distill(
        student_of(arm.name, transfer.tokenization, words=words),
        reviews.knowledge(size.longest, transfer),
        transfer,
        objective_of(*arm.setting),
        training_of(arm.name, arm.epochs),
        validation=part.validation,
    )


def fixed(reviews: Reviews, size: Settings, arm: Arm) -> dict[str, Any]:
    """Test accuracy in % of every seed, and the paired difference with its interval, in points."""
    first = distilled(reviews, size, arm)
    test, progress = reviews.of(arm.length, "used").test, reviews.study.progress
    found = lb.compare(first, None, test, seeds=size.seeds, progress=progress)
    reviews.study.say(found.sentence)
    apart = found.difference_points
    return {
        "scratch": [100 * each.accuracy.estimate for each in found.scratch],
        "distilled": [100 * each.accuracy.estimate for each in found.distilled],
        "difference": [apart.low, apart.estimate, apart.high],
        "parameters": first.student.parameters_count(),
    }


def deployed(reviews: Reviews, size: Settings, arm: Arm) -> dict[str, float]:
    """The exported student beside its teacher: bytes of the weights, and p50 of a review in ms.

    One review after the other, on one thread, the student in ONNX Runtime, the teacher in torch.
    """
    teacher, student = reviews.teacher(size.longest), distilled(reviews, size, arm).student
    path = reviews.study.folder / "smallest.onnx"
    session = session_of(lb.export(student, path, data=reviews.of(arm.length, "used").test).path)
    test = reviews.of(size.longest).test
    own = test.tokenised(reviews.of(arm.length, "used").train.tokenization)
    taken: dict[str, list[float]] = {"teacher": [], "student": []}
    with one_thread():
        for row in range(-WARM_UP, min(REVIEWS, len(test))):
            one = torch.tensor([max(row, 0)])
            asked, given = test.batch(one), own.batch(one).inputs.numpy()
            times = {
                "teacher": milliseconds(partial(teacher.outputs, asked), 1),
                "student": milliseconds(partial(session.run, ["logits"], {"inputs": given}), 1),
            }
            if row >= 0:
                for whose, passes in times.items():
                    taken[whose].append(statistics.median(passes))
    size_of_teacher = sum(value.nbytes for value in teacher.module.state_dict().values())
    return {
        "bytes": path.stat().st_size,
        "teacher_bytes": size_of_teacher,
        **{f"{whose}_ms": statistics.median(passes) for whose, passes in taken.items()},
    }
