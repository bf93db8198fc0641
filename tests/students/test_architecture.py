"""Students as a recipe states them."""

from pathlib import Path

import pytest
from jaxtyping import TypeCheckError

from limbeck.fingerprint import module_digest
from limbeck.students import Student, cnn, mlp
from limbeck.students.architecture import from_architecture, parameters

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""


@pytest.mark.parametrize(
    "student",
    [
        mlp(64, [16, 8], 10, dropout=0.2, input_dropout=0.1),
        cnn((1, 8, 8), [4, 8], 10, hidden=32, dropout=0.5, batch_norm=False),
    ],
)
def test_an_architecture_builds_the_student_it_was_taken_from(student: Student) -> None:
    """A saved student must be built again, with every argument."""
    again = from_architecture(student.architecture)
    assert repr(again.module) == repr(student.module)
    assert module_digest(again.module) == module_digest(student.module)
    assert again.architecture == student.architecture


def test_parameters_say_which_must_be_given() -> None:
    """What is missing of inputs, classes and input_shape the transfer set fills in."""
    assert parameters("mlp") == {
        "inputs": True,
        "hidden": True,
        "classes": True,
        "dropout": False,
        "input_dropout": False,
    }
    assert [name for name, needed in parameters("cnn").items() if needed] == [
        "input_shape",
        "channels",
        "classes",
    ]


def test_parameters_of_a_users_function_are_its_own(tmp_path: Path) -> None:
    """A user's function is filled in by the same rule."""
    (tmp_path / "model.py").write_text("def build(classes, width=3, *rest, **more): ...\n")
    assert parameters("model.py:build", folder=tmp_path) == {"classes": True, "width": False}


def test_a_users_function_is_built_from_its_file(tmp_path: Path) -> None:
    """Recipes name it exactly as they name mlp."""
    (tmp_path / "model.py").write_text(
        "from torch import nn\ndef build(classes):\n    return nn.Linear(2, classes)\n"
    )
    student = from_architecture({"model.py:build": {"classes": 5}}, folder=tmp_path)
    assert student.parameters_count() == 15


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"mpl": {}}, "there is no student 'mpl'. Did you mean 'mlp'?.*model.py:build"),
        ({"mlp": {"inputs": 4, "hidden": [], "clases": 2}}, "'clases'. Did you mean 'classes'?"),
        ({"mlp": {"inputs": 4}}, "mlp needs hidden and classes"),
        ({"mlp": None}, "mlp needs inputs and hidden and classes"),
        ({"mlp": {"inputs": 0, "hidden": [], "classes": 2}}, "mlp: inputs has 0"),
        ({"mlp": [1, 2]}, r"the student mlp has \[1, 2\] where its arguments belong"),
        ({"mlp": {}, "cnn": {}}, "a student is one name with its arguments"),
        ({}, "a student is one name with its arguments"),
        ("mlp", "a student is one name with its arguments"),
        ({3: {}}, "the student 3 has"),
    ],
)
def test_a_wrong_architecture_is_told(architecture: object, message: str) -> None:
    """Every mistake in a recipe ends in one sentence."""
    with pytest.raises(NOTICED, match=f"{message}|Type-check error"):
        from_architecture(architecture)  # type: ignore[arg-type]
