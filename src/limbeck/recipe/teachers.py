"""Reading what a recipe says of its teacher: what to train, fit or load, and how to combine it."""

from collections.abc import Callable
from pathlib import Path

from limbeck.errors import nearest
from limbeck.job import Training
from limbeck.recipe import user_code, vocabulary
from limbeck.recipe.annotations import parameters
from limbeck.recipe.marked import Node, plain, shown
from limbeck.recipe.pieces import Piece, read_piece
from limbeck.recipe.plans import Ensembled, Fitted, Loaded, Member, Scored, TeacherPlan, Trained
from limbeck.recipe.reading import (
    arguments,
    construct,
    mapping,
    read,
    refuse_unknown,
    single,
)

__all__ = ["FROM_DATA", "read_teacher", "read_training", "read_views"]

MOST_TEACHERS = 1000
FROM_DATA = ("inputs", "input_shape", "classes", "vocabulary", "padding", "max_length")


def read_teacher(node: Node, owner: str = "teacher") -> TeacherPlan:
    """Read the teacher section.

    Raises:
        RecipeError: saying what is wrong, and where.
    """
    readers: dict[str, Callable[[Node, str], TeacherPlan]] = {**MEMBERS, "ensemble": read_ensemble}
    name, rest = single(node, owner, readers)
    if name not in readers:
        raise rest.place.error(f"{owner} has no {shown(name)}. {nearest(name, readers)}")
    plan = readers[name](rest, name)
    if isinstance(plan, Trained) and plan.seeds > 1:
        raise rest.place.error(
            f"train makes {plan.seeds} teachers with seeds: {plan.seeds}; a recipe has one. Put it "
            "into 'ensemble: {members: [...]}'."
        )
    return plan


def read_ensemble(node: Node, owner: str) -> Ensembled:
    from limbeck.teachers import Ensemble

    stated = mapping(node, owner)
    known = {"members": None, **parameters(Ensemble)}
    known.pop("teachers", None)
    refuse_unknown(stated, known, owner)
    if "members" not in stated or not isinstance(stated["members"].value, list):
        raise node.place.error(
            f"{owner} needs a list of members, such as 'members: [{{load: folder}}]'."
        )
    members = tuple(read_member(child) for child in stated["members"].value)
    count = sum(m.seeds if isinstance(m, Trained) else 1 for m in members)
    if not 1 <= count <= MOST_TEACHERS:
        raise stated["members"].place.error(
            f"the ensemble has {count} teachers; it needs 1 to {MOST_TEACHERS}."
        )
    rest = {name: child for name, child in stated.items() if name != "members"}
    given = arguments(Node(rest, node.place), Ensemble, owner, given=("teachers",))
    weights = given.get("weights")
    if weights is not None and len(weights) != count:
        raise stated["weights"].place.error(
            f"there are {len(weights)} weights for {count} teachers. Give one weight per teacher."
        )
    return Ensembled(members, given)


def read_member(node: Node) -> Member:
    name, rest = single(node, "a member", MEMBERS)
    if name not in MEMBERS:
        raise rest.place.error(f"an ensemble has no {shown(name)}. {nearest(name, MEMBERS)}")
    return MEMBERS[name](rest, name)


def read_trained(node: Node, owner: str) -> Trained:
    stated = mapping(node, owner)
    refuse_unknown(stated, dict.fromkeys(Trained.__dataclass_fields__), owner)
    if "student" not in stated:
        raise node.place.error(f"{owner} needs a student, such as 'student: {{mlp: ...}}'.")
    choices = vocabulary.students()
    student = read_piece(stated["student"], choices, "student", given=FROM_DATA)
    seeds = 1
    if "seeds" in stated:
        seeds = read(stated["seeds"], int, "seeds")
        if not 1 <= seeds <= MOST_TEACHERS:
            place = stated["seeds"].place
            raise place.error(f"seeds is {shown(seeds)}; train 1 to {MOST_TEACHERS} teachers.")
    training = read_training(stated.get("training", Node({}, node.place)))
    views = read_views(stated["views"]) if "views" in stated else None
    return Trained(student, training, seeds, views)


def read_training(node: Node) -> Training:
    """Read a training section."""
    stated = arguments(node, Training, "training")
    training: Training = construct(Training, stated, node, "training")
    return training


def read_views(node: Node) -> Piece:
    """Read a views section: the constructor's arguments of `Views`."""
    from limbeck.transfer_sets import Views

    stated = arguments(node, Views, "views")
    piece = Piece("views", stated, node.place, Views)
    piece.build()
    return piece


def read_fitted(node: Node, owner: str) -> Fitted:
    return Fitted(read_piece(node, vocabulary.estimators(), owner))


def read_loaded(node: Node, owner: str) -> Loaded:
    from limbeck.teachers import Teacher

    if isinstance(node.value, str):
        node = Node({"path": node}, node.place)
    stated = arguments(node, Teacher.load, owner)
    path = stated["path"]
    if not isinstance(path, Path):  # there is nothing at it
        path = node.value["path"].place.folder / path
    return Loaded(path, Piece(owner, {**stated, "path": path}, node.place, Teacher.load))


def read_torch_module(node: Node, owner: str) -> Scored:
    from limbeck.teachers import TorchModule

    stated = mapping(node, owner)
    if "module" not in stated:
        raise node.place.error(f"{owner} needs a module, such as 'module: my_file.py:build'.")
    module = stated["module"]
    if not isinstance(module.value, str) or not user_code.is_reference(module.value):
        raise module.place.error(
            f"{owner}.module is {shown(plain(module))}; it needs a function that builds it, named "
            "as 'my_file.py:function'."
        )
    user_code.check_user_code(module.value, module.place)
    if "tokenization" in stated:
        raise stated["tokenization"].place.error(
            f"{owner} reads the data's tokens in a recipe; give it a tokenizer of its own in "
            "Python, or take a transformers teacher."
        )
    rest = Node({name: child for name, child in stated.items() if name != "module"}, node.place)
    known = arguments(rest, TorchModule, owner, given=("module",))
    return Scored(Piece(owner, known, module.place, TorchModule), module.value)


def read_onnx_model(node: Node, owner: str) -> Scored:
    from limbeck.teachers import OnnxModel

    return Scored(Piece(owner, arguments(node, OnnxModel, owner), node.place, OnnxModel))


def read_transformers(node: Node, owner: str) -> Scored:
    from limbeck.teachers import Transformers

    if isinstance(node.value, str):
        node = Node({"model": node}, node.place)
    return Scored(Piece(owner, arguments(node, Transformers, owner), node.place, Transformers))


MEMBERS: dict[str, Callable[[Node, str], Member]] = {
    "train": read_trained,
    "estimator": read_fitted,
    "torch_module": read_torch_module,
    "onnx_model": read_onnx_model,
    "transformers": read_transformers,
    "load": read_loaded,
}
