"""One word, three places: Python, YAML and the command line share their names."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import limbeck
from limbeck import objectives, students, transfer_sets
from limbeck.cli.main import VERBS
from limbeck.recipe import Recipe, vocabulary
from limbeck.recipe.annotations import parameters
from limbeck.recipe.naming import snake_case
from limbeck.training import Training

STEPS = ("annotate", "distill", "evaluate", "compare", "export", "report")


def exported(package: Any, wanted: Callable[[Any], bool]) -> set[str]:
    return {snake_case(name) for name in package.__all__ if wanted(getattr(package, name))}


def test_every_step_of_the_command_line_is_a_function_of_the_same_name() -> None:
    """`limbeck distill` beside `limbeck.train_student`."""
    verbs = {verb.__name__ for verbs in VERBS.values() for verb in verbs}
    assert set(STEPS) <= verbs
    for name in (*STEPS, "verify", "predict"):
        assert callable(getattr(limbeck, name))


def test_every_exported_objective_is_a_recipe_name() -> None:
    """A class that Python has and a recipe has not, or under another name."""
    classes = exported(
        objectives,
        lambda kind: (
            inspect.isclass(kind)
            and issubclass(kind, objectives.Objective)
            and not inspect.isabstract(kind)
            and kind is not objectives.WeightedSum
        ),
    )
    assert set(vocabulary.objectives()) == classes


def test_every_exported_loader_and_student_is_a_recipe_name() -> None:
    """A loader that a recipe cannot name."""
    assert {
        "digits",
        "glyphs",
        "arrays",
        "table",
        "image_folder",
        "hub_images",
        "hugging_face",
    } <= set(vocabulary.loaders())
    assert {"mlp", "cnn"} <= set(vocabulary.students())
    for choices, package in (
        (vocabulary.loaders(), transfer_sets),
        (vocabulary.students(), students),
    ):
        for name, function in choices.items():
            assert getattr(package, name) is function


@pytest.mark.parametrize("name", sorted(vocabulary.objectives()))
def test_every_parameter_of_an_objective_is_a_recipe_key(name: str) -> None:
    """`alpha` in YAML for what Python calls `weight`."""
    kind = vocabulary.objectives()[name]
    stated = set(inspect.signature(kind).parameters) - {"args", "kwargs"}
    assert "weight" not in stated, "weight is the factor in the sum"
    assert set(parameters(kind)) == stated


@pytest.mark.parametrize("name", sorted({**vocabulary.loaders(), **vocabulary.students()}))
def test_every_parameter_of_a_loader_and_a_student_is_a_recipe_key(name: str) -> None:
    """A parameter whose annotation a recipe cannot state, which is then missing from YAML."""
    function = {**vocabulary.loaders(), **vocabulary.students()}[name]
    missing = set(inspect.signature(function).parameters) - set(parameters(function))
    assert missing <= {"module"}


def test_every_field_of_training_is_a_recipe_key() -> None:
    """A setting of the loop that only Python can change."""
    assert set(parameters(Training)) == {field.name for field in dataclasses.fields(Training)}


def test_the_keys_of_a_recipe_are_its_fields() -> None:
    """`recipe.epochs` beside `training: {epochs: ...}`."""
    from limbeck.recipe.sections import SECTIONS

    fields = {field.name for field in dataclasses.fields(Recipe)} - {"tree"}
    assert fields == {*SECTIONS, "annotate"}
