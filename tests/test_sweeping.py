"""Sweeps: every combination with every seed, chosen on validation."""

import json
import math

import pytest
import torch

import limbeck as lb
from limbeck.errors import LimbeckError, RecipeError
from limbeck.loop import train
from limbeck.recipe import Recipe
from limbeck.recipe.axes import combinations, split_axes
from limbeck.reporting.surface import draw_sweep
from limbeck.sweeping import Cell, Sweep, sweep
from limbeck.sweeping_recipes import sweep_recipe

RECIPE = """
data: {digits: {labelled: 60}}
teacher: {train: {student: {mlp: {hidden: [16]}}, training: {epochs: 4}}}
student: {mlp: {hidden: [8]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 2, batch_size: 128}
"""


@pytest.fixture(scope="module")
def digits() -> lb.Splits:
    return lb.transfer_sets.digits()


@pytest.fixture(scope="module")
def store(digits, tmp_path_factory) -> lb.KnowledgeStore:
    net = lb.distill(lb.students.mlp(64, [16], 10), None, digits.train, lb.HardLabels(), epochs=2)
    teacher = lb.TorchModule.from_student(net.student)
    return lb.annotate(teacher, digits.train, tmp_path_factory.mktemp("sweep") / "s")


def test_every_combination_is_trained_with_every_seed(digits, store) -> None:
    """A cell whose figures are another cell's."""
    found = sweep(
        {w: lb.students.mlp(64, [w], 10) for w in (4, 8)},
        store,
        digits.train,
        {t: lb.SoftTargets(temperature=t) for t in (1.0, 4.0)},
        lb.Training(epochs=1),
        validation=digits.validation,
        seeds=2,
    )
    assert found.axes == {"student": (4, 8), "objective": (1.0, 4.0)}
    assert [tuple(cell.settings.values()) for cell in found.cells] == [
        (4, 1.0), (4, 4.0), (8, 1.0), (8, 4.0),
    ]  # fmt: skip
    for cell in found.cells:
        assert list(cell.runs) == [0, 1]
        for seed, run in cell.runs.items():
            _, history = train(run.job, seed)
            assert run.history.validation_accuracy == history.validation_accuracy
            assert run.objective.temperature == cell.settings["objective"]
    assert found.best.accuracy == max(cell.accuracy for cell in found.cells)


def test_a_combination_with_a_failed_run_is_shown_and_never_the_best(digits, store) -> None:
    """The luckiest seed of a learning rate that mostly diverges."""
    found = sweep(
        lb.students.mlp(64, [8], 10),
        store,
        digits.train,
        lb.LogitMatching(),
        {
            "tame": lb.Training(epochs=3, optimizer=lb.SGD(learning_rate=0.01)),
            "wild": lb.Training(epochs=3, optimizer=lb.SGD(learning_rate=1e30)),
        },
        validation=digits.validation,
        seeds=[3, 4],
    )
    assert found.best.settings == {"training": "tame"}
    wild = found.cells[1]
    assert set(wild.failures) == {3, 4}
    assert math.isnan(wild.accuracy)
    assert "training=wild, seed 3: the loss became" in str(found)


def test_a_sweep_in_which_all_fail_says_why() -> None:
    """`max() of an empty sequence`."""
    lost = Sweep({"training": ("a",)}, (Cell({"training": "a"}, {}, {0: "it became nan."}),), (0,))
    with pytest.raises(LimbeckError, match="no combination of the sweep .* it became nan"):
        assert lost.best


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("seed=0..3", ["0", "1", "2", "3"]),
        ("seed=1,4..5", ["1", "4", "5"]),
        ("student.mlp.hidden=[8],[16, 16]", ["[8]", "[16, 16]"]),
        ("objective={soft_targets: {temperature: 1}},hard_labels", None),
        ('objective="a,b",c', ['"a,b"', "c"]),
    ],
)
def test_values_are_cut_at_outer_commas(change, expected) -> None:
    """[8, 16] taken for two values."""
    single, axes = split_axes([change])
    assert not single
    if expected is not None:
        assert list(axes.values()) == [expected]
    else:
        assert len(next(iter(axes.values()))) == 2


def test_single_values_stay_changes_and_axes_multiply() -> None:
    """A change for all students that becomes an axis."""
    single, axes = split_axes(["training.epochs=5", "seed=0..1", "training.batch_size=32,64"])
    assert single == ["training.epochs=5"]
    assert len(combinations(axes)) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.digits.labelled=50,100"], "'data.digits.labelled' is the same for all"),
        (["seed=5..1"], "the range 5..1 has no values"),
        (["seed=a,b"], "seed"),
        (["training.epochs=3"], "nothing has several values to sweep over"),
        (["objective.soft_targets.temprature=1,2"], "temprature.*Did you mean 'temperature'"),
        (["seed=0..1", "data.digits.validation=0"], "has none. Keep one apart"),
    ],
)
def test_mistakes_end_in_a_sentence(tmp_path, changes, message) -> None:
    """A traceback after the teachers have been trained for an hour."""
    recipe = Recipe.parse(RECIPE, folder=tmp_path).override([f"output={tmp_path}"])
    with pytest.raises((RecipeError, LimbeckError), match=message):
        sweep_recipe(recipe, changes, say=lambda _: None)


def test_a_recipe_is_swept_over_one_store_and_drawn(tmp_path) -> None:
    """A teacher trained for every temperature."""
    recipe = Recipe.parse(RECIPE, folder=tmp_path).override([f"output={tmp_path / 'out'}"])
    told: list[str] = []
    found, _ = sweep_recipe(
        recipe,
        ["objective.soft_targets.temperature=1,4", "student.mlp.hidden=[4],[8]", "seed=0..1"],
        progress=lambda what, *_: told.append(what),
        say=lambda _: None,
    )
    assert found.seeds == (0, 1)
    assert sum(what == "annotate" for what in set(told)) <= 1
    assert found.axes["objective.soft_targets.temperature"] == (1, 4)
    saved = json.loads(found.save(tmp_path / "sweep.json").read_text())
    assert len(saved["cells"]) == 4
    assert all(len(cell["validation_accuracies"]) == 2 for cell in saved["cells"])
    picture = draw_sweep(found, tmp_path / "sweep.svg").read_text()
    assert picture.startswith("<svg")
    for value in ("[4]", "[8]", f"{100 * found.best.accuracy:.2f}"):
        assert value in picture


def test_one_axis_is_drawn_as_a_line(digits, tmp_path) -> None:
    """A surface of one row."""
    found = sweep(
        lb.students.mlp(64, [4], 10),
        None,
        digits.train,
        {0.5: 0.5 * lb.HardLabels(), 1.0: lb.HardLabels()},
        lb.Training(epochs=1),
        validation=digits.validation,
        seeds=2,
    )
    assert "validation accuracy" in draw_sweep(found, tmp_path / "line.svg").read_text()
    assert torch.isfinite(torch.tensor(found.cells[0].deviation))
