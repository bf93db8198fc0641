"""Functions in the user's own file, and what goes wrong in them, in the user's words."""

import sys
from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.fingerprint import module_digest
from limbeck.students import from_file, user_function
from limbeck.students.user_function import call, is_reference

GOOD = """
from torch import nn

def build(width: int = 4, classes: int = 3):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, classes))

def fails(width):
    narrow = width - 1
    raise RuntimeError(f"width {narrow} is too\\nsmall")

def texts():
    return "model"

class Loss:
    pass

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(GOOD)
    return tmp_path


def test_a_student_comes_out_of_a_users_file(folder: Path) -> None:
    """People have models; rewriting them is what keeps them from distilling."""
    student = from_file(f"{folder}/model.py:build", {"width": 5})
    assert student.parameters_count() == 64 * 5 + 5 + 5 * 3 + 3
    assert student.architecture == {f"{folder}/model.py:build": {"width": 5}}


def test_it_is_built_anew_for_each_seed(folder: Path) -> None:
    """One set of initial weights for all seeds would make every interval too narrow."""
    student = from_file("model.py:build", folder=folder)
    digests = [module_digest(student.fresh(seed).module) for seed in (1, 1, 2)]
    assert digests[0] == digests[1] != digests[2]


def test_the_same_file_gives_the_same_class_and_a_changed_file_another(folder: Path) -> None:
    """Two classes of one definition would make equal objectives unequal."""
    first = user_function("model.py:Loss", folder=folder)
    assert user_function("model.py:Loss", folder=folder) is first
    (folder / "model.py").write_text(GOOD.replace("pass", "a = 1"))
    assert user_function("model.py:Loss", folder=folder).a == 1  # type: ignore[attr-defined]


def test_a_file_can_import_what_lies_beside_it(folder: Path) -> None:
    """Models are often split over two files."""
    (folder / "limbeck_test_neighbour.py").write_text("def width():\n    return 9\n")
    (folder / "two.py").write_text("from limbeck_test_neighbour import width\n")
    before = list(sys.path)
    assert user_function("two.py:width", folder=folder)() == 9
    assert sys.path == before


def test_nothing_is_written_beside_the_users_file(folder: Path) -> None:
    """A stale bytecode cache would run yesterday's model."""
    user_function("model.py:build", folder=folder)
    assert [path.name for path in folder.iterdir()] == ["model.py"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("model.py", "'model.py' does not name a function in a file.*model.py:build"),
        ("model.py:", "does not name a function in a file"),
        ("model.txt:build", "does not name a function in a file"),
        ("modle.py:build", "there is no file .*modle.py, which 'modle.py:build' names"),
        ("model.py:biuld", "model.py has no function 'biuld'. Did you mean 'build'?"),
        ("model.py:zzz", "has no function 'zzz'. Known functions: Loss, build, fails, texts"),
        ("model.py:number", "model.py has something else than a function as 'number'"),
    ],
)
def test_a_wrong_name_is_told(folder: Path, reference: str, message: str) -> None:
    """Nothing about the machinery of importing belongs in the message."""
    with pytest.raises(LimbeckError, match=message):
        user_function(reference, folder=folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\nraise KeyError('gone')\n", r"raised KeyError: 'gone' \(line 2\)"),
        ("def build(:\n", r"raised SyntaxError: .* \(line 1\)"),
        ("import not_a_module_here\n", r"raised ModuleNotFoundError: .* \(line 1\)"),
        ("\nassert False\n", r"raised AssertionError \(line 2\)"),
        ("raise SystemExit(3)\n", r"raised SystemExit: 3 \(line 1\)"),
    ],
)
def test_a_file_that_raises_tells_the_users_error_and_line(
    folder: Path, source: str, message: str
) -> None:
    """The user must find the line without a traceback."""
    (folder / "broken.py").write_text(source)
    before = set(sys.modules)
    with pytest.raises(LimbeckError, match=f"broken.py cannot be loaded: it {message}"):
        user_function("broken.py:build", folder=folder)
    assert set(sys.modules) == before


def test_a_function_that_raises_tells_the_users_error_and_line(folder: Path) -> None:
    """The last line in the user's own file is the one to look at."""
    message = r"model.py:fails raised RuntimeError: width 2 is too small \(line 9\)"
    with pytest.raises(LimbeckError, match=message):
        from_file("model.py:fails", {"width": 3}, folder=folder)


def test_an_error_inside_torch_tells_the_line_that_called_it(folder: Path) -> None:
    """The user's line, not one of torch's, is where the mistake is."""
    message = r"model.py:build raised RuntimeError: .* \(line 5\)"
    with pytest.raises(LimbeckError, match=message):
        from_file("model.py:build", {"width": -3}, folder=folder)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widht": 3}, "unexpected keyword argument 'widht'. Its parameters: width, classes"),
        ({"width": 3, "depth": 1}, "unexpected keyword argument 'depth'"),
    ],
)
def test_wrong_arguments_are_told(folder: Path, arguments: dict[str, int], message: str) -> None:
    """A mistyped argument must not look like an error in the user's code."""
    with pytest.raises(LimbeckError, match=message):
        from_file("model.py:build", arguments, folder=folder)


def test_a_missing_argument_is_told(folder: Path) -> None:
    """What the function needs must be visible."""
    with pytest.raises(LimbeckError, match="missing a required argument: 'width'"):
        from_file("model.py:fails", folder=folder)


def test_a_function_that_returns_no_module_is_told(folder: Path) -> None:
    """Returning the weights or None is a likely slip."""
    with pytest.raises(LimbeckError, match="model.py:texts returned str; a student or teacher"):
        from_file("model.py:texts", folder=folder)


def test_functions_written_in_c_can_be_called() -> None:
    """They have no signature to check against."""
    assert call(dict, {"a": 1}, "x.py:dict") == {"a": 1}
    with pytest.raises(LimbeckError, match="x.py:zeros raised TypeError"):
        call(torch.zeros, {"sise": 3}, "x.py:zeros")


def test_references_are_told_from_names() -> None:
    """A recipe takes either."""
    assert is_reference("a/model.py:build")
    assert is_reference("C:\\models\\model.py:build")
    assert not is_reference("mlp")
    assert not is_reference("model.txt:build")
