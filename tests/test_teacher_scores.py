"""What a teacher says about the test part: asked once, and never of another teacher or test."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from limbeck import teacher_scores as module
from limbeck.evaluation import score
from limbeck.experiment import Experiment
from limbeck.recipe import Recipe
from limbeck.teacher_scores import are_kept

TEXT = """\
data: {digits: {labelled: 60}}
teacher:
  ensemble:
    members:
      - train: {student: {mlp: {hidden: [12]}}, training: {epochs: 2}}
      - estimator: {random_forest_classifier: {n_estimators: 5}}
student: {mlp: {hidden: [6]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 1, batch_size: 256}
seeds: 2
"""


def experiment(folder: Path, *changes: str) -> Experiment:
    recipe = Recipe.parse(TEXT, folder=folder).override([f"output={folder / 'out'}", *changes])
    return Experiment(recipe.check())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The teachers that are asked, with an empty cache."""
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    names: list[str] = []

    def counted(model, transfer_set, *, progress):
        names.append(model.name)
        return score(model, transfer_set, progress=progress)

    monkeypatch.setattr(module, "score", counted)
    return names


def test_a_teacher_is_asked_once_for_all_its_students(tmp_path: Path, asked: list[str]) -> None:
    """Ten minutes of a transformer's forward passes, twice for each student."""
    first = experiment(tmp_path)
    alone = first.comparison().teacher
    assert first.evaluation().teacher_agreement is not None
    other = experiment(tmp_path, "student.mlp.hidden=[8]", f"output={tmp_path / 'other'}")
    beside = other.comparison().teacher
    assert (beside.accuracy, beside.nll_nats) == (alone.accuracy, alone.nll_nats)
    assert len(asked) == 1


def test_they_are_what_the_teacher_says(tmp_path: Path, asked: list[str]) -> None:
    """A verdict with another teacher's accuracy in it."""
    steps = experiment(tmp_path)
    expected = score(steps.teacher(), steps.test())
    for _ in range(2):
        assert torch.equal(experiment(tmp_path).teacher_scores(), expected)
    assert len(asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        "teacher.ensemble.members.0.train.training.epochs=1",
        "teacher.ensemble.combine=arithmetic",
        "teacher.ensemble.members.1.estimator.random_forest_classifier.n_estimators=6",
        "data.digits.seed=1",
        "data.digits.test=100",
        "seed=1",
    ],
)
def test_another_teacher_or_test_part_is_asked_anew(
    tmp_path: Path, asked: list[str], change: str
) -> None:
    """A teacher that is measured by what another one said."""
    experiment(tmp_path).teacher_scores()
    steps = experiment(tmp_path, change)
    assert torch.equal(steps.teacher_scores(), score(steps.teacher(), steps.test()))
    assert len(asked) == 2


def test_other_weights_in_the_same_place_are_asked_anew(tmp_path: Path, asked: list[str]) -> None:
    """A model of the hub that has a new version under its old name."""
    one = "teacher={train: {student: {mlp: {hidden: [12]}}, training: {epochs: 1}}}"
    before = experiment(tmp_path, one).teacher_scores()
    weights = tmp_path / "out" / "teachers" / "mlp" / "student.safetensors"
    save_file({name: 2 * value for name, value in load_file(weights).items()}, weights)
    steps = experiment(tmp_path, one)
    assert not torch.equal(steps.teacher_scores(), before)
    assert torch.equal(steps.teacher_scores(), score(steps.teacher(), steps.test()))
    assert len(asked) == 2


def test_a_cache_that_cannot_be_written_ends_no_run(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container with a home that is read-only, and a run that ends after its training."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "file"))
    steps = experiment(tmp_path)
    assert torch.equal(steps.teacher_scores(), score(steps.teacher(), steps.test()))
    assert len(asked) == 1


def test_the_layers_that_an_objective_reads_do_not_matter(tmp_path: Path, asked: list[str]) -> None:
    """Hints that make the teacher answer the test part again."""
    steps = experiment(tmp_path)
    assert not are_kept(steps.teaching(), steps.teacher(), steps.test())
    steps.teacher_scores()
    read = replace(steps.teaching(), layers=("mlp.layers.0",))
    assert are_kept(read, steps.teacher(), steps.test())
