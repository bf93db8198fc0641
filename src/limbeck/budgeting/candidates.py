"""Candidates: the student that is deployed now, and others that might take its place.

A family is the student's own architecture in other widths and depths: each width times a factor,
rounded to a multiple of 8 as vector units like it, and one layer fewer, as many, and one more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.fingerprint import digest, file_digest
from limbeck.students import Student
from limbeck.students.architecture import from_architecture
from limbeck.students.user_function import call, is_reference, user_function

__all__ = ["Candidate", "as_candidates", "family", "from_functions"]

FACTORS = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0)
WIDTHS = {
    "mlp": ("hidden",),
    "cnn": ("channels", "hidden"),
    "text_cnn": ("channels", "embedding"),
    "text_gru": ("hidden", "embedding"),
    "text_transformer": ("width",),
}
"""Which arguments of an architecture are widths; a list among them has one entry for each layer."""

DEPTHS = {"text_transformer": "layers"}
"""Which argument is the number of layers, where no list of widths says it."""

LEAST_WIDTH = 4


@dataclass(frozen=True)
class Candidate:
    """A student that might be deployed.

    Attributes:
        name: What tables call it, unique among the candidates.
        student: Untrained.
    """

    name: str
    student: Student = field(repr=False)

    @property
    def identity(self) -> str:
        """What its size and speed depend on: its layers, and the file it is written in."""
        module = self.student.module
        files = [
            file_digest(Path(name.rpartition(":")[0]))
            for name in self.student.architecture
            if is_reference(name) and Path(name.rpartition(":")[0]).is_file()
        ]
        shapes = [(name, list(value.shape)) for name, value in module.state_dict().items()]
        return digest(self.student.architecture, repr(module), shapes, files)


def as_candidates(students: Mapping[str, Student]) -> tuple[Candidate, ...]:
    """Students by name; the first is the one that is deployed now.

    Raises:
        LimbeckError: if there are none.
    """
    if not students:
        raise LimbeckError("there is no student to fit. Give at least the one deployed now.")
    return tuple(Candidate(name, student) for name, student in students.items())


def family(student: Student) -> dict[str, Student]:
    """The student, and its architecture in other widths and depths.

    Raises:
        LimbeckError: if the student's architecture has no widths that are known.
    """
    name, arguments = next(iter(student.architecture.items()), ("", {}))
    if name not in WIDTHS:
        what = f"'{name}'" if name else "a module given as such"
        raise LimbeckError(
            f"the student is {what}, of which no other widths are known; they are of "
            f"{', '.join(WIDTHS)}. Name your own students: --students my_file.py:function"
        )
    found = {named(name, arguments): student}
    for deeper in (-1, 0, 1):
        for factor in FACTORS:
            scaled = scaled_arguments(name, arguments, factor, deeper)
            key = "" if scaled is None else named(name, scaled)
            if scaled is None or key in found:
                continue
            try:
                found[key] = from_architecture({name: scaled})
            except LimbeckError:  # more blocks than the image can be halved
                continue
            if student.word_vectors is not None:
                found[key].start_embedding(student.word_vectors)
    return found


def scaled_arguments(
    name: str, arguments: Mapping[str, Any], factor: float, deeper: int
) -> dict[str, Any] | None:
    """The arguments of a wider and deeper student; None if it would have no layers."""
    scaled = dict(arguments)
    listed = False
    for key in WIDTHS[name]:
        value = arguments[key]
        if isinstance(value, list):
            listed = True
            layers = value[: len(value) + deeper] + value[-1:] * max(deeper, 0)
            if not layers:
                return None
            scaled[key] = [width(units, factor) for units in layers]
        elif value:
            scaled[key] = width(value, factor)
    if name in DEPTHS:
        scaled[DEPTHS[name]] = arguments[DEPTHS[name]] + deeper
        if scaled[DEPTHS[name]] < 1:
            return None
    elif not listed and deeper:
        return None
    return scaled


def width(units: int, factor: float) -> int:
    """A width times the factor, as a multiple of 8 where it is not small."""
    if factor == 1.0:
        return units
    wanted = units * factor
    return max(LEAST_WIDTH, round(wanted / 8) * 8 if wanted >= 12 else round(wanted))


def named(name: str, arguments: Mapping[str, Any]) -> str:
    """A short name: "mlp 100-100", "text_transformer 64 x 2"."""
    first = arguments[WIDTHS[name][0]]
    text = "-".join(map(str, first)) if isinstance(first, list) else str(first)
    rest = [f"{key} {arguments[key]}" for key in WIDTHS[name][1:] if arguments.get(key)]
    if name in DEPTHS:
        rest.append(f"{arguments[DEPTHS[name]]} {DEPTHS[name]}")
    return " ".join([name, ", ".join([text, *rest])])


def from_functions(reference: str, given: Mapping[str, Any]) -> dict[str, Student]:
    """The students that a function in the user's own file lists.

    Args:
        reference: "path/to/file.py:function". It returns a mapping from names to functions without
            arguments, each of which builds an untrained nn.Module, or to `Student`s.
        given: Arguments that it may ask for by name: inputs, input_shape, classes, ...

    Raises:
        LimbeckError: if there is no such function, or it returns something else.
    """
    function = user_function(reference)
    code = function.__code__ if hasattr(function, "__code__") else None
    wanted: Iterable[str] = code.co_varnames[: code.co_argcount] if code else ()
    listed = call(function, {key: given[key] for key in wanted if key in given}, reference)
    if not isinstance(listed, Mapping) or not listed:
        raise LimbeckError(
            f"{reference} returned {type(listed).__name__}; it needs to return a mapping from "
            "names to functions that build an untrained model: {'wide': lambda: Net(64)}."
        )
    return {str(name): as_student(reference, name, build) for name, build in listed.items()}


def as_student(reference: str, name: Any, build: Any) -> Student:
    """A student as it is, or from the function that builds its module."""
    if isinstance(build, Student):
        return build
    if isinstance(build, nn.Module) or not callable(build):
        raise LimbeckError(
            f"{reference} lists {type(build).__name__} as '{name}'; every seed needs fresh "
            "weights. List a function that builds the model: lambda: Net(64)."
        )
    return Student(build, architecture={reference: {"name": str(name)}})
