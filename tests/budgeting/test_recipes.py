"""A fit over a recipe, and from the command line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import limbeck as lb
from limbeck.budgeting import recipes
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.recipes import fit_recipe
from limbeck.cli import main
from limbeck.errors import LimbeckError
from limbeck.recipe import Recipe

RECIPE = """
name: small
data: {digits: {labelled: 60}}
teacher: {train: {student: {mlp: {hidden: [12]}}, training: {epochs: 2}}}
student: {mlp: {hidden: [8]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 3, batch_size: 256}
seeds: 2
"""
OWN = """
from torch import nn

def candidates(inputs, classes):
    return {"flat": lambda: nn.Sequential(nn.Flatten(), nn.Linear(inputs, classes))}
"""


class Stopped(Exception):
    """The candidates are known; nothing else is of interest."""


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "own.py").write_text(OWN)
    return Recipe.parse(RECIPE, folder=tmp_path).override([f"output={tmp_path / 'out'}"])


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> dict[str, lb.Student]:
    """The candidates that are about to be measured."""
    found: dict[str, lb.Student] = {}

    def admitted(students: dict[str, lb.Student], *_: Any, **__: Any) -> None:
        found.update(students)
        raise Stopped

    monkeypatch.setattr(recipes, "admitted", admitted)
    return found


def test_the_candidates_are_a_family_a_list_or_the_users(
    recipe: Recipe, listed: dict[str, lb.Student], tmp_path: Path
) -> None:
    """The student to beat missing, or a family where a list was given."""
    for changes, students, expected in (
        (["student.mlp.hidden=[4],[8],[6,6]"], None, ["mlp 8", "mlp 4", "mlp 6-6"]),
        ([], f"{tmp_path / 'own.py'}:candidates", ["mlp 8", "flat"]),
    ):
        listed.clear()
        with pytest.raises(Stopped):
            fit_recipe(recipe, Budget(), changes, students=students)
        assert list(listed) == expected
    listed.clear()
    with pytest.raises(Stopped):
        fit_recipe(recipe, Budget())
    assert next(iter(listed)) == "mlp 8"
    assert len(listed) > 6
    assert not (tmp_path / "out" / "teachers").exists()  # measured before any training


@pytest.mark.parametrize(
    ("changes", "students", "message"),
    [
        (["seed=0..3"], None, "'seed' has several values; the candidates of a fit differ in"),
        (["training.epochs=1,2"], None, "'training.epochs' has several values"),
        (["student.mlp.hidden=[4],[8]"], "own.py:candidates", "--students or from changes"),
        (["data.digits.validation=0"], None, "no validation part to choose on"),
        (["data.digits.test=0"], None, "no test part"),
        (["student.mlp.hiden=[4],[8]"], None, "hiden.*Did you mean 'hidden'"),
        ([], "no.py:candidates", "there is no file"),
    ],
)
def test_mistakes_end_before_the_teachers(
    recipe: Recipe, changes: list[str], students: str | None, message: str
) -> None:
    """A typo that is found after an hour of training teachers."""
    with pytest.raises(LimbeckError, match=message):
        fit_recipe(recipe, Budget(), changes, students=students, say=lambda _: None)
    assert not (recipe.output / "teachers").exists()


def test_a_recipe_without_a_teacher_cannot_be_fitted(tmp_path: Path) -> None:
    """Candidates that learn from nobody."""
    lines = [line for line in RECIPE.splitlines() if not line.startswith(("teacher", "seeds"))]
    text = "\n".join(lines).replace("{soft_targets: {temperature: 2.0}}", "hard_labels")
    alone = Recipe.parse(text, folder=tmp_path).override([f"output={tmp_path / 'out'}"])
    with pytest.raises(LimbeckError, match="has no 'teacher'"):
        fit_recipe(alone, Budget(), say=lambda _: None)


@pytest.mark.slow
def test_the_command_ends_with_files_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fit that no test has ever exported, measured and reported."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RECIPE)
    command = ["fit", "small.yaml", "student.mlp.hidden=[8],[16]", "--latency", "50 ms p50"]
    assert main(command) == 0
    text = capsys.readouterr().out
    folder = Path("runs/small/fit")
    facts = json.loads((folder / "fit.json").read_text())
    assert facts["sentence"].split()[0] in text
    assert {"float32", "int8"} == {m["precision"] for m in facts["candidates"][0]["measured"]}
    assert (folder / "report.html").stat().st_size < 2_000_000
    test = lb.transfer_sets.digits(labelled=60).test
    assert test is not None
    rows = test.batch(torch.arange(5)).inputs.numpy()
    np.save("rows.npy", rows)
    assert main(["predict", str(folder / "student.onnx"), "rows.npy"]) == 0
    before = facts
    assert main(command) == 0
    assert json.loads((folder / "fit.json").read_text()) == before
