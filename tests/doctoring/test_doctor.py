"""The whole examination: healthy recipes, finished runs, what is not waited for, exit codes."""

import shutil
from pathlib import Path

import pytest

import limbeck as lb
from limbeck.cli import main
from limbeck.doctoring import case as cases
from limbeck.doctoring.trial import try_out
from limbeck.experiment import Experiment

TEXTS = """
data:
  hugging_face: {path: reviews.csv, tokenizer: bert, max_length: 10, validation: 0, test: 30}
teacher: {transformers: {model: bert, max_length: 16, classes: [bad, fair, good]}}
student: {text_gru: {hidden: 6, embedding: 4, dropout: 0.0}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 1, batch_size: 8}
output: runs
"""
TWICE = "objective=[{hard_labels: {}}, {hard_labels: {weight: 0.0001}}]"


def examined(recipe: str, folder: Path, *changes: str) -> list[str]:
    """What the doctor finds in a shipped recipe."""
    loaded = lb.Recipe.load(recipe).override([f"output={folder / 'out'}", *changes])
    return [str(finding) for finding in lb.doctor(loaded)]


def test_a_healthy_recipe_has_no_findings(case) -> None:
    """Alarms that people learn to ignore."""
    assert lb.doctor(case().experiment) == []


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["digits", "digits_estimators"])
def test_the_shipped_recipes_on_digits_are_healthy(tmp_path: Path, recipe: str) -> None:
    """A finding on a recipe that is known to work."""
    assert examined(recipe, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["mnist_hinton", "mnist_ensemble"])
def test_the_shipped_recipes_on_mnist_are_healthy(tmp_path: Path, mnist: Path, recipe: str) -> None:
    """A finding on a recipe that is known to work, without its teachers."""
    assert examined(recipe, tmp_path, f"data={mnist}") == []


@pytest.mark.slow
def test_a_convolutional_student_is_healthy(case) -> None:
    """Batch statistics, or a loss that is still falling, taken for a fault."""
    assert lb.doctor(case("student={cnn: {channels: [8, 16]}}").experiment) == []


@pytest.mark.slow
def test_a_student_that_begins_as_its_teacher_is_healthy(case) -> None:
    """A loss near 0 before anything is pruned, taken for the one that training must keep to."""
    pruned = "student={pruned: {sparsity: 0.75}}"
    both = "objective={soft_targets: {temperature: 4.0, weight: 0.9}, hard_labels: {weight: 0.1}}"
    assert lb.doctor(case(pruned, both).experiment) == []


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_findings(case) -> None:
    """A finding that is gone when somebody looks again."""
    changes = ("student.mlp.hidden=[1]", "data.digits.test=10", "training.epochs=2")
    first, second = lb.doctor(case(*changes).experiment), lb.doctor(case(*changes).experiment)
    assert first == second
    assert [finding.wasted for finding in first] == sorted(
        (finding.wasted for finding in first), reverse=True
    )


@pytest.mark.slow
def test_a_finished_run_is_read_and_trains_no_twin(case, monkeypatch) -> None:
    """An examination after the end that measures another student than the one that is there."""
    changes = ("student.mlp.hidden=[1]", "data.digits.test=40")
    steps = case(*changes).experiment
    steps.comparison()

    def trained(*arguments: object) -> None:
        raise AssertionError("something was trained")

    monkeypatch.setattr(cases, "try_out", trained)
    found = lb.doctor(Experiment(steps.recipe))
    worded = {finding.check: finding.sentence for finding in found}
    assert worded["student"].startswith("the trained student is right on")
    assert "teacher" not in worded


def test_a_teacher_that_takes_long_is_not_waited_for(tmp_path: Path) -> None:
    """A look that takes as long as the run."""
    teacher = "{student: {mlp: {hidden: [1200, 1200]}}, training: {epochs: 500}}"
    changes = [f"teacher={{train: {teacher}}}", "training.epochs=2", f"output={tmp_path}"]
    said: list[str] = []
    recipe = lb.Recipe.load("digits").override(changes)
    found = lb.doctor(Experiment(recipe, say=said.append))
    assert "teacher" not in {finding.check for finding in found}
    assert said[0].startswith("1 of 1 teachers are not trained yet")
    assert not (tmp_path / "teachers").exists()


@pytest.mark.parametrize(
    ("objective", "probes"),
    [("hard_labels", 2), ("{hard_labels: {label_smoothing: 0.1}}", 3)],
)
def test_without_a_teacher_the_student_is_its_own_twin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objective: str, probes: int
) -> None:
    """Minutes of a transformer's probe, twice for the same figures."""
    trained: list[int] = []

    def counted(job, seed, progress):
        trained.append(seed)
        return try_out(job, seed, progress)

    monkeypatch.setattr(cases, "try_out", counted)
    text = f"data: {{digits: {{}}}}\nstudent: {{mlp: {{hidden: [8]}}}}\nobjective: {objective}"
    lb.doctor(lb.Recipe.parse(text).override([f"output={tmp_path}", "training.epochs=1"]))
    assert len(trained) == probes


def test_a_probe_tells_how_far_it_is(tmp_path: Path) -> None:
    """Minutes of a transformer's probe without a sign of life."""
    told: list[tuple[str, int, int]] = []
    text = "data: {digits: {}}\nstudent: {mlp: {hidden: [8]}}\nobjective: {hard_labels: {}}"
    recipe = lb.Recipe.parse(text).override([f"output={tmp_path}", "training.epochs=1"])
    lb.doctor(Experiment(recipe, progress=lambda *told_now: told.append(told_now)))
    probe = [step for step in told if step[0] == "train a probe"]
    updates = probe[0][2]
    assert [step for _, step, _ in probe] == 2 * list(range(1, updates + 1))


def test_texts_are_examined_too(
    tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leak of reviews that were posted twice; a teacher of texts that guesses."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bert, "bert")
    lines = [f"a {'very ' * (i % 6)}{('dull', 'fair', 'bright')[i % 3]} film" for i in range(90)]
    labels = [("bad", "fair", "good")[i % 3] for i in range(90)]
    rows = "\n".join(f"{text},{label}" for text, label in zip(lines, labels, strict=True))
    Path("reviews.csv").write_text(f"text,label\n{rows}\n")
    found = {finding.check: finding for finding in lb.doctor(lb.Recipe.parse(TEXTS))}
    assert "100.0% of 30 test rows are equal to training rows" in found["leaks"].sentence
    assert "input" not in found


@pytest.mark.parametrize(
    ("changes", "code", "printed"),
    [
        (["data.digits.test=0"], 1, "WASTED  test set: the data has 0 labelled test rows"),
        ([TWICE], 0, "0 findings that waste a run, 1 of mere advice"),
        (["training.epochs=0"], 2, "epochs is 0"),
    ],
)
def test_the_exit_code_says_whether_a_run_would_be_wasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str], code: int, printed: str
) -> None:
    """A script that goes on to an hour of training in vain."""
    recipe = tmp_path / "plain.yaml"
    recipe.write_text(
        "data: {digits: {}}\n"
        "student: {mlp: {hidden: [16]}}\n"
        "objective: {hard_labels: {}}\n"
        "training: {epochs: 5, batch_size: 32, optimizer: {adamw: {learning_rate: 0.01}}}\n"
    )
    assert main(["doctor", str(recipe), f"output={tmp_path / 'out'}", *changes]) == code
    told = capsys.readouterr()
    assert printed in told.out + told.err
