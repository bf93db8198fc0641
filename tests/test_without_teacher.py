"""Recipes without a teacher: a student of labels alone, measured, exported and reported."""

from pathlib import Path

import pytest
import torch

from limbeck.cli import main
from limbeck.errors import RecipeError
from limbeck.experiment import Experiment
from limbeck.objectives import HardLabels
from limbeck.optimization import AdamW
from limbeck.recipe import Recipe
from limbeck.students import load, mlp
from limbeck.training import Training, distill
from limbeck.transfer_sets import digits

TEXT = """\
name: alone
data: {digits: {labelled: 200}}
student: {mlp: {hidden: [8]}}
objective: hard_labels
training: {epochs: 3, batch_size: 128}
"""
NEITHER = "'alone' has no 'teacher', so there is nothing to annotate, and nothing to compare"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the recipe in it."""
    monkeypatch.chdir(tmp_path)
    Path("alone.yaml").write_text(TEXT)
    return tmp_path


def test_the_student_is_what_training_on_labels_gives(here: Path) -> None:
    """A recipe without a teacher that trains something else than `distill` without knowledge."""
    data = digits(labelled=200)
    training = Training(epochs=3, batch_size=128, optimizer=AdamW())
    student = mlp(64, [8], 10)
    expected = distill(
        student, None, data.train, HardLabels(), training, validation=data.validation
    )
    run = Experiment(Recipe.load("alone.yaml").check()).run()
    assert run.knowledge is None
    for name, value in expected.student.module.state_dict().items():
        assert torch.equal(run.student.module.state_dict()[name], value), name


def test_a_run_trains_measures_exports_and_reports(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that stops half way because there is nothing to compare."""
    assert main(["check", "alone.yaml"]) == 0
    assert main(["run", "alone.yaml"]) == 0
    told = capsys.readouterr().out
    assert "accuracy" in told
    for file in ("report.html", "student.onnx", "student"):
        assert f" runs/alone/{file}\n" in told
    held = {path.name for path in Path("runs/alone").iterdir()}
    assert not held & {"teachers", "knowledge.store", "comparison.json"}
    assert main(["run", "alone.yaml"]) == 0
    again = capsys.readouterr()
    assert again.err.count("reused from") == 3
    assert again.out == told.partition("# alone.yaml is valid")[2].partition("\n")[2]


def test_what_it_left_is_a_teacher_of_another_recipe(here: Path) -> None:
    """A fine-tuned encoder that has to be trained anew for every student."""
    assert main(["distill", "alone.yaml"]) == 0
    Path("after.yaml").write_text(
        TEXT.replace("alone", "after").replace("hard_labels", "soft_targets")
        + "teacher: {load: {path: runs/alone/student}}\n"
    )
    teacher = Experiment(Recipe.load("after.yaml").check()).teacher()
    student = load("runs/alone/student")
    batch = digits().train.batch(torch.arange(5))
    assert torch.equal(teacher.outputs(batch).logits, student.outputs(batch).logits)
    assert teacher.classes == student.classes
    assert main(["annotate", "after.yaml"]) == 0


@pytest.mark.parametrize("verb", ["annotate", "compare"])
def test_what_needs_a_teacher_says_so_before_anything_is_trained(
    here: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    """An hour of training that ends with: nothing to compare."""
    assert main([verb, "alone.yaml"]) == 2
    told = capsys.readouterr().err.strip()
    assert NEITHER in told
    assert told.endswith("Add 'teacher: ...' to it.")
    assert len(told.splitlines()) == 1
    assert not Path("runs").exists()


def test_a_sweep_and_a_card_need_no_teacher(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Learning rates that can be chosen only once there is a teacher."""
    assert main(["sweep", "alone.yaml", "training.epochs=1,2", "seed=0..1"]) == 0
    assert "best on validation: training.epochs=" in capsys.readouterr().out
    assert main(["card", "alone.yaml"]) == 0
    card = Path("runs/alone/hub/model/README.md").read_text()
    assert "trained on labels with limbeck" in card
    assert not Path("runs/alone/hub/knowledge").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            "objective=soft_targets",
            "soft_targets needs a teacher's knowledge and the recipe",
        ),
        ("objective.hints={teacher_layer: a, student_layer: layer1}", "hints needs a teacher's"),
        ("objective={soft_targets: {weight: 0}}", "or take 'objective: hard_labels'"),
        (
            "annotate.dtype=float32",
            "no 'teacher', so nothing is annotated. Take 'annotate' out",
        ),
        ("seeds=3", "'seeds=3': the recipe has no 'teacher', so nothing is compared"),
        ("teacher=", "teacher is empty; it needs one name with its keys"),
    ],
)
def test_what_only_a_teacher_gives_a_meaning_to_is_refused(
    here: Path, change: str, message: str
) -> None:
    """A setting that is taken and has no effect."""
    with pytest.raises(RecipeError, match=message):
        Recipe.load("alone.yaml").override([change])


def test_an_objective_of_the_users_that_needs_knowledge_is_refused_when_it_is_run(
    here: Path,
) -> None:
    """Its file is not run when the recipe is read, so only then can it be known."""
    Path("mine.py").write_text(
        "from limbeck.objectives import HardLabels, SoftTargets\n"
        "class Labels(HardLabels): ...\n"
        "class Targets(SoftTargets): ...\n"
    )
    recipe = Recipe.load("alone.yaml")
    labels = recipe.override(['objective={"mine.py:Labels": {}}']).check()
    assert Experiment(labels).run().history.loss
    targets = recipe.override(['objective={"mine.py:Targets": {}}']).check()
    with pytest.raises(RecipeError, match=NEITHER):
        Experiment(targets).run()
