"""A whole experiment as data: loaded, changed and checked without running anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from limbeck.errors import RecipeError, nearest
from limbeck.job import Training
from limbeck.objectives import Objective, WeightedSum
from limbeck.recipe.changes import change
from limbeck.recipe.files import check_files
from limbeck.recipe.marked import Node, Place, compose, one_line, plain, shown
from limbeck.recipe.pieces import Piece
from limbeck.recipe.plans import Loaded, Scored, TeacherPlan, Trained, members_of, network_of
from limbeck.recipe.reading import mapping, refuse_unknown
from limbeck.recipe.sections import SECTIONS, begun, check_without_teacher, read_annotate
from limbeck.recipes import shipped

__all__ = ["Recipe"]


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
        store: The knowledge store, which recipes with the same teacher and transfer set may share;
            default: knowledge.store in the output folder.
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
    store: Path
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
            RecipeError: naming the first that is missing, or a file where the store would be.
        """
        if self.store.is_file():
            raise RecipeError(
                f"store is {shown(str(self.store))}, which is a file. Give a folder: that of a "
                "knowledge store, or one that is not there yet."
            )
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
    values.setdefault("store", values["output"] / "knowledge.store")
    values["student"] = begun(values["student"], values["teacher"], values["output"])
    values["annotate"] = read_annotate(stated.get("annotate", Node({}, tree.place)))
    return Recipe(**values, tree=tree)
