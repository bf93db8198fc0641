"""A whole experiment as data: loaded, changed and checked without running anything."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from limbeck.errors import RecipeError, nearest
from limbeck.job import Training
from limbeck.objectives import Objective, WeightedSum
from limbeck.recipe import vocabulary
from limbeck.recipe.annotations import parameters
from limbeck.recipe.changes import change
from limbeck.recipe.files import check_files
from limbeck.recipe.marked import Node, Place, compose, one_line, plain, shown
from limbeck.recipe.pieces import Piece, read_piece
from limbeck.recipe.reading import arguments, mapping, read, refuse_unknown
from limbeck.recipe.teachers import (
    FROM_DATA,
    Loaded,
    Scored,
    TeacherPlan,
    Trained,
    members_of,
    network_of,
    read_teacher,
    read_training,
    read_views,
)
from limbeck.recipes import shipped
from limbeck.students import pruned

__all__ = ["Recipe"]

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Recipe:
    """An experiment: its fields are the top-level keys of the YAML file.

    Attributes:
        name: Letters, digits, "_", "-" and "."; default: the file's name.
        data: A function of `limbeck.transfer_sets` and its arguments.
        teacher: What to train, fit or load; None: the student learns from labels alone.
        annotate: Arguments of `limbeck.annotate`.
        student: A function of `limbeck.students` and its arguments.
        objective: The terms to add up, each with its weight.
        training: How the student is trained.
        views: Augmentation of the transfer set, stored with the knowledge; None for none.
        seed: Of the student's weights, order and dropout.
        seeds: How many seeds `compare` trains with, >= 2; None: its default.
        output: The folder for everything that is made; default: runs/<name>.
    """

    name: str
    data: Piece
    teacher: TeacherPlan | None
    annotate: Mapping[str, Any]
    student: Piece
    objective: tuple[tuple[float, Piece], ...]
    training: Training
    views: Piece | None
    seed: int
    seeds: int | None
    output: Path
    tree: Node = field(repr=False, compare=False)

    @staticmethod
    def load(recipe: str | Path) -> "Recipe":
        """Read a recipe.

        Args:
            recipe: A YAML file, or the name of a recipe that limbeck ships, whose paths start from
                the working folder.

        Raises:
            RecipeError: if there is none, or it cannot be read; in one line, with the file's line.
        """
        path = located(recipe)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise RecipeError(
                one_line(f"{recipe} cannot be read: {error}. Give a YAML file in UTF-8.")
            ) from None
        folder = Path() if path in shipped().values() else path.parent
        return Recipe.parse(text, source=str(recipe), folder=folder)

    @staticmethod
    def parse(text: str, *, source: str = "recipe", folder: str | Path = "") -> "Recipe":
        """Read a recipe from text; errors call it `source`, paths are relative to the folder.

        Raises:
            RecipeError: if it is not a recipe.
        """
        place = Place(one_line(source), 1, Path(folder))
        return read_recipe(compose(text, place), default_name=Path(source).stem)

    def override(self, changes: Sequence[str]) -> "Recipe":
        """The recipe with changes such as "training.epochs=5" or "data=PATH-or-hub-id".

        Paths in changes are relative to the working folder.

        Raises:
            RecipeError: if a change names nothing or makes the recipe invalid.
        """
        tree = self.tree
        for text in changes:
            tree = change(tree, text, self.data)
        return read_recipe(tree, default_name=self.name)

    def check(self) -> "Recipe":
        """Look that the files the recipe names are there; nothing is run.

        Raises:
            RecipeError: naming the first that is missing.
        """
        for plan in members_of(self.teacher):
            if isinstance(plan, (Loaded, Scored)):
                check_files(plan.piece)
            elif isinstance(plan, Trained):
                check_files(plan.student)
        check_files(self.data)
        if not self.begins_as_teacher:
            check_files(self.student)
        return self

    @property
    def begins_as_teacher(self) -> bool:
        """Whether the student begins as the network that the recipe itself trains as teacher."""
        folder = self.student.arguments.get("trained")
        return isinstance(self.teacher, Trained) and folder == network_of(self.teacher, self.output)

    def build_objective(self) -> Objective:
        """The objective, its layers not yet bound to a student.

        Raises:
            RecipeError: if a term refuses its arguments.
        """
        kind: type[Objective] = Objective  # type: ignore[type-abstract]
        terms = tuple((weight, piece.build_as(kind)) for weight, piece in self.objective)
        return terms[0][1] if terms[0][0] == 1 and len(terms) == 1 else WeightedSum(terms)

    def as_yaml(self) -> str:
        """The recipe with all changes, as YAML."""
        text: str = yaml.safe_dump(
            plain(self.tree), sort_keys=False, default_flow_style=None, width=90, allow_unicode=True
        )
        return text


def located(recipe: str | Path) -> Path:
    path, names = Path(recipe), shipped()
    try:
        if path.is_file():
            return path
    except (OSError, ValueError):
        pass
    if str(recipe) in names:
        return names[str(recipe)]
    raise RecipeError(
        one_line(
            f"there is no recipe file {shown(str(recipe))} and no shipped recipe of that name. "
            f"{nearest(str(recipe), names, what='recipes')}"
        )
    )


def read_recipe(tree: Node, default_name: str) -> Recipe:
    stated = mapping(tree, "the recipe")
    refuse_unknown(stated, {**SECTIONS, "annotate": None}, "the recipe")
    for section in ("data", "student", "objective"):
        if section not in stated:
            raise tree.place.error(f"the recipe has no {section!r}. Add '{section}: ...' to it.")
    values = {name: reader(stated[name]) for name, reader in SECTIONS.items() if name in stated}
    if "teacher" not in stated:
        check_without_teacher(stated, values["objective"])
    name = values.setdefault("name", default_name)
    values.setdefault("teacher", None)
    values.setdefault("training", Training())
    values.setdefault("views", None)
    values.setdefault("seed", 0)
    values.setdefault("seeds", None)
    values.setdefault("output", Path("runs") / name)
    values["student"] = begun(values["student"], values["teacher"], values["output"])
    values["annotate"] = read_annotate(stated.get("annotate", Node({}, tree.place)))
    return Recipe(**values, tree=tree)


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
    for section, what in (("annotate", "annotated"), ("seeds", "compared")):
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


def read_output(node: Node) -> Path:
    return Path(read(Node(node.value, Place(node.place.source, node.place.line)), Path, "output"))


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
}
