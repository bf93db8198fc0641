"""Make the teachers that a recipe asks for: trained, fitted or loaded, one in memory at a time."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from limbeck import students
from limbeck.artefacts import Record
from limbeck.errors import LimbeckError
from limbeck.fingerprint import digest
from limbeck.objectives import HardLabels
from limbeck.recipe import user_code
from limbeck.recipe.annotations import parameters
from limbeck.recipe.contents import code, code_of, content, files
from limbeck.recipe.pieces import Piece
from limbeck.recipe.plans import (
    Ensembled,
    Fitted,
    Loaded,
    Member,
    Scored,
    TeacherPlan,
    Trained,
    folder_name,
    members_of,
)
from limbeck.students import Student
from limbeck.students.user_function import user_function
from limbeck.teachers import Ensemble, Estimator, Teacher, TorchModule
from limbeck.training import distill
from limbeck.transfer_sets import Splits, TransferSet

__all__ = ["Teaching", "build_student", "given_by", "renamed"]

Progress = Callable[[str, int, int], None]

NO_LAYERS = (
    "the objective reads the layers {} of teacher '{}', which has none to read. Take a "
    "torch_module, a transformers or a train teacher, or another objective."
)


@dataclass(frozen=True)
class Seat:
    """One teacher to be: its name, its seed and what the recipe says of it."""

    name: str
    seed: int
    plan: Member


@dataclass(frozen=True)
class Teaching:
    """Makes a recipe's teacher.

    Attributes:
        plan: What the recipe says.
        data: The labelled training rows teach the teachers; validation stops them early.
        folder: Where trained teachers are kept, one folder each.
        seed: Of the first trained teacher; the others count on.
        layers: Hidden layers that the objective reads, of an ensemble as `member.layer`.
        progress: Told of each update.
    """

    plan: TeacherPlan
    data: Splits
    folder: Path
    seed: int = 0
    layers: tuple[str, ...] = ()
    progress: Progress | None = None

    @property
    def seats(self) -> tuple[Seat, ...]:
        """Every teacher, `seeds: 5` counted as five."""
        plans = members_of(self.plan)
        many = [p for p in plans for _ in range(p.seeds if isinstance(p, Trained) else 1)]
        names = [folder_name(plan.name) for plan in many]
        seats: list[Seat] = []
        for index, (plan, name) in enumerate(zip(many, names, strict=True)):
            number = names[: index + 1].count(name)
            unique = f"{name}-{number}" if names.count(name) > 1 else name
            trained = sum(isinstance(seat.plan, Trained) for seat in seats)
            seats.append(Seat(unique, self.seed + trained, plan))
        return tuple(seats)

    def digest(self) -> str:
        """What the teacher's answers depend on, known without making it."""
        parts = [self.seat_digest(seat) for seat in self.seats]
        arguments = self.plan.arguments if isinstance(self.plan, Ensembled) else {}
        return digest(parts, arguments, self.layers)

    def is_made(self, seat: Seat) -> bool:
        """Whether this teacher only has to be loaded."""
        if isinstance(seat.plan, Trained):
            record = Record(self.folder / seat.name / "made.json")
            return record.holds(self.seat_digest(seat))
        return not isinstance(seat.plan, Fitted)

    def make(self) -> Teacher:
        """The teacher, or the ensemble; what is trained already is reused.

        Raises:
            LimbeckError: if a teacher cannot be trained, fitted or loaded.
        """
        made = [self.make_one(seat) for seat in self.seats]
        if isinstance(self.plan, Ensembled):
            return Ensemble(made, **self.plan.arguments)
        return made[0]

    def make_one(self, seat: Seat) -> Teacher:
        """One teacher."""
        hidden = self.hidden_of(seat)
        if isinstance(seat.plan, Trained):
            return self.trained(seat, seat.plan, hidden)
        if isinstance(seat.plan, Fitted):
            if hidden:
                raise LimbeckError(NO_LAYERS.format(list(hidden), seat.name))
            return self.fitted(seat, seat.plan)
        if isinstance(seat.plan, Loaded):
            return loaded(seat, seat.plan, hidden)
        return scored(seat, seat.plan, hidden)

    def trained(self, seat: Seat, plan: Trained, hidden: tuple[str, ...]) -> Teacher:
        """Train a network, unless that is done."""
        folder = self.folder / seat.name
        student = build_student(plan.student, self.labelled)
        record = Record(folder / "made.json")
        made_from = self.seat_digest(seat)
        if not record.holds(made_from):
            examples: TransferSet = self.labelled
            if plan.views is not None:
                examples = plan.views.build().of(examples)
            run = distill(
                student,
                None,
                examples,
                HardLabels(),
                plan.training,
                seed=seat.seed,
                validation=self.data.validation,
                checkpoint=folder / "checkpoint",
                progress=renamed(self.progress, f"train teacher {seat.name}"),
            )
            run.save(folder)
            record.write(made_from, teacher=seat.name, seed=seat.seed, updates=run.job.updates)
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return TorchModule(
            lambda: student.fresh(seat.seed).module,
            weights=folder / "student.safetensors",
            classes=self.data.train.classes,
            hidden=hidden,
            tokenization=student.tokenization or self.data.train.tokenization,
            name=seat.name,
        )

    def fitted(self, seat: Seat, plan: Fitted) -> Teacher:
        """Fit a classifier; it is never stored, as that would need a pickle."""
        if self.progress is not None:
            self.progress(f"fit teacher {seat.name}", 0, len(self.labelled))
        if not len(self.labelled):
            raise LimbeckError(
                f"teacher '{seat.name}' is fitted on labelled rows and {self.labelled.name} has "
                "none. Label some, or load a teacher that is trained already."
            )
        if self.labelled.tokenization is not None:
            raise LimbeckError(
                f"teacher '{seat.name}' is fitted on numbers and {self.labelled.name} holds texts. "
                "Take a train or a transformers teacher."
            )
        model = plan.estimator.build({"random_state": self.seed})
        batch = self.labelled.batch(torch.arange(len(self.labelled)))
        try:
            model.fit(batch.inputs.flatten(1).numpy(), batch.labels.numpy())
        except (ValueError, TypeError) as error:
            raise plan.estimator.place.error(f"{plan.estimator.name}: {error}") from error
        if self.progress is not None:
            self.progress(f"fit teacher {seat.name}", len(self.labelled), len(self.labelled))
        return Estimator(model, classes=self.data.train.classes, name=seat.name)

    @property
    def labelled(self) -> TransferSet:
        """The training rows that have a label."""
        return self.data.train.labelled()

    def hidden_of(self, seat: Seat) -> tuple[str, ...]:
        """The layers of one teacher that the objective reads."""
        if not isinstance(self.plan, Ensembled):
            return self.layers
        start = f"{seat.name}."
        return tuple(x.removeprefix(start) for x in self.layers if x.startswith(start))

    def seat_digest(self, seat: Seat) -> str:
        """What one teacher's answers depend on."""
        plan = seat.plan
        if isinstance(plan, Loaded):
            return digest("loaded", plan.piece.settings, content(plan.path))
        if isinstance(plan, Scored):
            module = None if plan.module is None else code(plan.module, plan.piece)
            tokens = self.data.train.tokenization if plan.piece.name != "transformers" else None
            read = () if tokens is None else (tokens.fingerprint,)
            return digest("scored", plan.piece.settings, files(plan.piece.arguments), module, *read)
        learned = [self.labelled.inputs_fingerprint, self.labelled.labels.tolist()]
        if isinstance(plan, Fitted):
            return digest("fitted", plan.estimator.settings, code_of(plan.estimator), learned)
        if plan.training.patience is not None and self.data.validation is not None:
            learned.append(self.data.validation.inputs_fingerprint)
        return digest("trained", plan.settings, code_of(plan.student), seat.seed, learned)


def build_student(piece: Piece, examples: TransferSet) -> Student:
    """The untrained student of a recipe, its inputs, tokens and classes those of the examples.

    Raises:
        LimbeckError: if its function refuses its arguments, or does not make a student.
    """
    given = given_by(examples)
    unreadable = examples.tokenization is None
    if unreadable and piece.target is not None and "vocabulary" in parameters(piece.target):
        raise piece.place.error(
            f"{piece.name} reads texts and {examples.name} has none. Take another student, or data "
            "of texts."
        )
    if piece.target is None:
        reference = user_code.absolute(piece.name, piece.place)
        stated = piece.filled(user_function(reference), given)
        return students.from_file(reference, stated)
    student: Student = piece.build({**given, "tokenization": examples.tokenization})
    return student


def given_by(examples: TransferSet) -> dict[str, Any]:
    """What the function of a student may ask for by name, as the data tell it."""
    given: dict[str, Any] = {
        "inputs": math.prod(examples.input_shape),
        "input_shape": examples.input_shape,
        "classes": len(examples.classes),
    }
    if (tokenization := examples.tokenization) is not None:
        given["vocabulary"] = tokenization.vocabulary
        given["padding"] = tokenization.padding
        given["max_length"] = tokenization.max_length
    return given


def scored(seat: Seat, plan: Scored, hidden: tuple[str, ...]) -> Teacher:
    given: dict[str, Any] = {"name": seat.name}
    if plan.module is not None:
        given["module"] = user_function(user_code.absolute(plan.module, plan.piece.place))
    assert plan.piece.target is not None
    if "hidden" in parameters(plan.piece.target):
        stated = plan.piece.arguments.get("hidden", ())
        given["hidden"] = tuple(dict.fromkeys((*stated, *hidden)))
    elif hidden:
        raise LimbeckError(NO_LAYERS.format(list(hidden), seat.name))
    arguments = {**plan.piece.arguments, **given}
    teacher: Teacher = replace(plan.piece, arguments=arguments).build()
    return teacher


def loaded(seat: Seat, plan: Loaded, hidden: tuple[str, ...]) -> Teacher:
    wanted = tuple(dict.fromkeys((*plan.piece.arguments.get("hidden", ()), *hidden)))
    arguments = {**plan.piece.arguments, "name": seat.name, "hidden": wanted}
    teacher: Teacher = replace(plan.piece, arguments=arguments).build()
    return teacher


def renamed(progress: Progress | None, what: str) -> Progress | None:
    """The same progress under another name."""
    if progress is None:
        return None
    return lambda _, done, total: progress(what, done, total)
