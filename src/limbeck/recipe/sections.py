"""The sections of a recipe, each read from its node of the file into what it means."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from limbeck.recipe import vocabulary
from limbeck.recipe.annotations import parameters
from limbeck.recipe.marked import Node, Place, shown
from limbeck.recipe.pieces import Piece, read_piece
from limbeck.recipe.plans import TeacherPlan, network_of
from limbeck.recipe.reading import arguments, mapping, read, refuse_unknown
from limbeck.recipe.teachers import FROM_DATA, read_teacher, read_training, read_views
from limbeck.students import pruned

__all__ = ["SECTIONS", "begun", "check_without_teacher", "read_annotate"]

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
MOST_SEEDS = 1000


def check_without_teacher(
    stated: Mapping[str, Node], objective: Sequence[tuple[float, Piece]]
) -> None:
    """Raise a RecipeError where only a teacher gives a meaning to what the recipe says."""
    for _, piece in objective:
        if piece.target is not None and piece.build().reads_teacher:
            raise piece.place.error(
                f"{piece.name} needs a teacher's knowledge and the recipe has no 'teacher'. Add "
                "'teacher: ...' to it, or take 'objective: hard_labels'."
            )
    for section, what in (("annotate", "annotated"), ("store", "stored"), ("seeds", "compared")):
        if section in stated and stated[section].value:
            raise stated[section].place.error(
                f"the recipe has no 'teacher', so nothing is {what}. Take {section!r} out of it, "
                "or add 'teacher: ...'."
            )


def read_name(node: Node) -> str:
    name: str = read(node, str, "name")
    if not PLAIN_NAME.fullmatch(name):
        raise node.place.error(
            f"name is {shown(name)}; it needs letters, digits, '_', '-' and '.', as it names a "
            "folder."
        )
    return name


def read_data(node: Node) -> Piece:
    return read_piece(node, vocabulary.loaders(), "data")


def read_student(node: Node) -> Piece:
    return read_piece(node, vocabulary.students(), "student", given=(*FROM_DATA, "trained"))


def begun(student: Piece, teacher: TeacherPlan | None, output: Path) -> Piece:
    """The student; one that begins as a trained network begins as the teacher, if none is named."""
    if student.target is not pruned or "trained" in student.arguments:
        return student
    folder = network_of(teacher, output)
    if folder is None:
        raise student.place.error(
            f"{student.name} begins as a trained network and the recipe's teacher is not one. "
            "Name its folder with 'trained: ...', or take a train or a load teacher."
        )
    return replace(student, arguments={**student.arguments, "trained": folder})


def read_annotate(node: Node) -> Mapping[str, Any]:
    """What `limbeck.annotate` is called with, but for what the run itself gives it."""
    from limbeck.annotation import annotate

    given = ("teacher", "transfer_set", "to")
    stated = mapping(node, "annotate")
    known = {name: None for name in parameters(annotate) if name not in given}
    refuse_unknown(stated, known, "annotate")
    return arguments(node, annotate, "annotate", given=given)


def read_objective(node: Node) -> tuple[tuple[float, Piece], ...]:
    if isinstance(node.value, dict) and node.value:
        nodes = [Node({name: child}, child.place) for name, child in node.value.items()]
    elif isinstance(node.value, list) and node.value:
        nodes = node.value
    else:
        nodes = [node]
    return tuple(read_term(child) for child in nodes)


def read_term(node: Node) -> tuple[float, Piece]:
    """Read `{soft_targets: {temperature: 4.0, weight: 0.9}}`: weight is the factor in the sum."""
    weight = 1.0
    if isinstance(node.value, dict) and len(node.value) == 1:
        name, child = next(iter(node.value.items()))
        stated = mapping(child, "objective")
        if "weight" in stated:
            weight = read(stated["weight"], float, "objective.weight")
            if not 0 <= weight < float("inf"):
                raise stated["weight"].place.error(
                    f"objective.weight is {weight}; it needs a number of 0 or more, finite."
                )
        rest = {key: value for key, value in stated.items() if key != "weight"}
        node = Node({name: Node(rest, child.place)}, node.place)
    piece = read_piece(node, vocabulary.objectives(), "objective")
    if piece.target is not None:
        piece.build()
    return weight, piece


def read_seeds(node: Node) -> int:
    seeds: int = read(node, int, "seeds")
    if not 2 <= seeds <= MOST_SEEDS:
        raise node.place.error(f"seeds is {shown(seeds)}; a verdict needs 2 to {MOST_SEEDS}.")
    return seeds


def read_seed(node: Node) -> int:
    seed: int = read(node, int, "seed")
    if not 0 <= seed < 2**31:
        raise node.place.error(f"seed is {shown(seed)}; it needs a number from 0 to {2**31 - 1}.")
    return seed


def read_store(node: Node) -> Path:
    return to_be_made(node, "store")


def read_output(node: Node) -> Path:
    return to_be_made(node, "output")


def to_be_made(node: Node, what: str) -> Path:
    """A path that is not there yet; it starts from the working folder, not from the recipe's."""
    return Path(read(Node(node.value, Place(node.place.source, node.place.line)), Path, what))


SECTIONS: dict[str, Callable[[Node], Any]] = {
    "name": read_name,
    "data": read_data,
    "views": read_views,
    "teacher": read_teacher,
    "student": read_student,
    "objective": read_objective,
    "training": read_training,
    "seed": read_seed,
    "seeds": read_seeds,
    "output": read_output,
    "store": read_store,
}
