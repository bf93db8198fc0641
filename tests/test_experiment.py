"""A run folder: what is reused, what is made again, what goes on after an interruption."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from limbeck.errors import DataError, LimbeckError, RecipeError
from limbeck.experiment import Experiment
from limbeck.finished import finished_store
from limbeck.recipe import Recipe
from limbeck.teachers import Ensemble

TEXT = """\
name: small
data: {digits: {labelled: 60}}
teacher:
  ensemble:
    members:
      - train: {student: {mlp: {hidden: [12]}}, training: {epochs: 2}, seeds: 2}
      - estimator: {random_forest_classifier: {n_estimators: 5}}
student: {mlp: {hidden: [6]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 2, batch_size: 256}
seeds: 2
"""


class Told:
    """Counts the progress of each step; stops at one, as Ctrl-C does."""

    def __init__(self, stop: Callable[[str, int], bool] = lambda what, done: False) -> None:
        self.steps: list[str] = []
        self.lines: list[str] = []
        self.stop = stop

    def progress(self, what: str, done: int, total: int) -> None:
        self.steps.append(what)
        if self.stop(what, done):
            raise KeyboardInterrupt

    def count(self, start: str) -> int:
        return sum(step.startswith(start) for step in self.steps)


def experiment(
    folder: Path, *changes: str, told: Told | None = None, text: str = TEXT
) -> Experiment:
    recipe = Recipe.parse(text, folder=folder).override([f"output={folder / 'out'}", *changes])
    told = told or Told()
    return Experiment(recipe.check(), progress=told.progress, say=told.lines.append)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "out" / "student" / "student.safetensors")


def test_a_second_run_reuses_teachers_store_and_student(tmp_path: Path) -> None:
    """Ten teachers trained again because somebody wanted the report once more."""
    first = Told()
    experiment(tmp_path, told=first).run()
    assert first.count("train teacher") == 4
    assert first.count("fit teacher") > 0
    assert first.count("annotate") > 0
    before = weights(tmp_path)
    second = Told()
    experiment(tmp_path, told=second).run()
    assert second.steps == []
    assert [line.partition(":")[0] for line in second.lines] == ["knowledge store", "student"]
    assert all(torch.equal(before[name], value) for name, value in weights(tmp_path).items())


def test_another_training_keeps_the_store(tmp_path: Path) -> None:
    """The second student, which should be free of teachers, paying for them again."""
    experiment(tmp_path).run()
    told = Told()
    experiment(tmp_path, "training.epochs=3", told=told).run()
    assert told.count("train teacher") == told.count("annotate") == told.count("fit") == 0
    assert told.count("train") > 0


@pytest.mark.parametrize(
    "change",
    [
        "teacher.ensemble.members.0.train.training.epochs=1",
        "teacher.ensemble.combine=arithmetic",
        "data.digits.seed=1",
        "annotate.dtype=float32",
        "teacher.ensemble.members.1.estimator.random_forest_classifier.n_estimators=6",
    ],
)
def test_what_the_answers_depend_on_makes_another_store(tmp_path: Path, change: str) -> None:
    """A student that learns from the answers of yesterday's teacher."""
    before = experiment(tmp_path).store().fingerprint
    told = Told()
    changed = experiment(tmp_path, change, told=told).store()
    assert changed.fingerprint != before
    assert told.lines == []
    again = experiment(tmp_path, change, told=told).store()
    assert again.fingerprint == changed.fingerprint
    assert "reused" in told.lines[0]


@pytest.mark.parametrize("what", ["train teacher mlp-2", "annotate", "train"])
def test_an_interrupted_experiment_goes_on_to_the_same_student(tmp_path: Path, what: str) -> None:
    """Ctrl-C that costs the work so far, or changes the result."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    experiment(whole).run()
    told = Told(stop=lambda step, done: step.startswith(what) and done > 0)
    with pytest.raises(KeyboardInterrupt):
        experiment(broken, told=told).run()
    experiment(broken).run()
    expected = weights(whole)
    assert all(torch.equal(expected[name], value) for name, value in weights(broken).items())


def test_every_teacher_of_a_recipe_has_its_own_name_and_seed(tmp_path: Path) -> None:
    """`seeds: 5` that trains the same teacher five times."""
    teacher = experiment(tmp_path).teacher()
    assert isinstance(teacher, Ensemble)
    assert [member.name for member in teacher.members] == [
        "mlp-1",
        "mlp-2",
        "random_forest_classifier",
    ]
    assert len({member.fingerprint for member in teacher.members}) == 3


def test_fitting_an_estimator_again_gives_the_same_teacher(tmp_path: Path) -> None:
    """A forest without random_state, whose store never matches again."""
    one, two = (experiment(tmp_path / name).teacher().members[2] for name in "ab")
    assert one.fingerprint == two.fingerprint


SOURCES = """
from torch import nn

from limbeck.transfer_sets import Splits, digits


class Unread:
    def __init__(self, whole):
        self.whole = whole

    def __getattr__(self, name):
        raise RuntimeError("the test part was read")


def unread_test(validation=0.1):
    parts = digits(labelled=60, validation=validation)
    return Splits(parts.train, parts.validation, Unread(parts.test))


def no_test():
    return Splits(digits(labelled=60).train)


def wrong():
    return 3


def broken():
    raise KeyError("x")


def net(width=4, classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, classes))


def teacher():
    import torch
    torch.manual_seed(0)
    return net(width=8)
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(SOURCES)
    return tmp_path


def with_data(function: str) -> str:
    return TEXT.replace("{digits: {labelled: 60}}", f'{{"mine.py:{function}": {{}}}}')


def test_training_and_annotating_never_read_the_test_part(mine: Path) -> None:
    """A choice that has seen the test part, so that the verdict means nothing."""
    steps = experiment(mine, text=with_data("unread_test"))
    steps.run()
    with pytest.raises(RuntimeError, match="the test part was read"):
        steps.evaluation()


def test_data_without_a_test_part_cannot_be_compared(mine: Path) -> None:
    """AttributeError: 'NoneType' has no attribute 'labels', after an hour of training."""
    steps = experiment(mine, text=with_data("no_test"))
    with pytest.raises(DataError, match="no test part, so nothing can be measured on it"):
        steps.test()


def test_a_users_function_that_fails_is_told_in_a_sentence(mine: Path) -> None:
    """A traceback through limbeck for a mistake in the user's own file."""
    with pytest.raises(RecipeError, match="mine.py:wrong returned int; it needs to return Splits"):
        experiment(mine, text=with_data("wrong")).data()
    with pytest.raises(LimbeckError, match="mine.py:broken raised KeyError: 'x'"):
        experiment(mine, text=with_data("broken")).data()
    text = with_data("unread_test").replace('unread_test": {}', 'unread_test": {valdation: 0}')
    with pytest.raises(RecipeError, match="no key 'valdation'. Did you mean 'validation'"):
        experiment(mine, text=text).data()


def test_a_users_net_can_be_student_and_teacher(mine: Path) -> None:
    """`my_file.py:build` that only works for one of the two."""
    text = TEXT.replace("{mlp: {hidden: [6]}}", '{"mine.py:net": {width: 5}}')
    start, end = text.index("teacher:"), text.index("\nstudent: ") + 1
    teacher = 'teacher: {torch_module: {module: "mine.py:teacher"}}\n'
    steps = experiment(mine, text=text[:start] + teacher + text[end:])
    run = steps.run()
    assert run.student.parameters_count() == 64 * 5 + 5 + 5 * 10 + 10


def test_the_layers_an_objective_reads_are_annotated(tmp_path: Path) -> None:
    """Hints from a layer that nobody asked the teacher for."""
    single = experiment(
        tmp_path / "single",
        "teacher={train: {student: {mlp: {hidden: [12]}}, training: {epochs: 1}}}",
        "objective={hints: {teacher_layer: layer1, student_layer: layer1}}",
    )
    single.run()
    assert dict(single.store().hidden_shapes) == {"layer1": (12,)}
    several = experiment(
        tmp_path / "several",
        "teacher={ensemble: {members: [{train: {student: {mlp: {hidden: [12]}}, "
        "training: {epochs: 1}, seeds: 2}}]}}",
        "objective={hints: {teacher_layer: mlp-2.layer1, student_layer: layer1}}",
    )
    several.run()
    assert dict(several.store().hidden_shapes) == {"mlp-2.layer1": (12,)}


def test_an_estimator_has_no_layers_to_read(tmp_path: Path) -> None:
    """Hints from a random forest that fail deep inside the store."""
    steps = experiment(
        tmp_path,
        "teacher={estimator: {svc: {}}}",
        "objective={hints: {teacher_layer: a, student_layer: layer1}}",
    )
    with pytest.raises(LimbeckError, match=r"reads the layers \['a'\] of teacher 'svc', which has"):
        steps.store()


def test_wrong_settings_of_an_estimator_name_the_recipes_line(tmp_path: Path) -> None:
    """scikit-learn's own error without a hint at which of the teachers it is about."""
    text = TEXT.replace("n_estimators: 5", "n_estimators: -5")
    with pytest.raises(RecipeError, match="line 7: random_forest_classifier: .*'n_estimators'"):
        experiment(tmp_path, text=text).teacher()


def test_a_top_k_store_is_made_for_the_objectives_temperature(tmp_path: Path) -> None:
    """T = 3 refused by a store that the same recipe has just made."""
    changes = ("annotate.top_k=3", "objective.soft_targets.temperature=3")
    steps = experiment(tmp_path, *changes)
    assert steps.run().history.loss
    assert steps.store().temperatures == (1.0, 3.0)


def test_views_are_annotated_and_trained_on(tmp_path: Path) -> None:
    """Augmentation of which only one side hears."""
    steps = experiment(tmp_path, "views={transform: {shift: {pixels: 1}}, count: 3}")
    steps.run()
    assert steps.store().views == 3


def test_labels_alone_need_no_teacher(tmp_path: Path) -> None:
    """Teachers trained for an objective that never asks them."""
    told = Told()
    steps = experiment(tmp_path, "objective={hard_labels: {}}", told=told)
    assert steps.run().knowledge is None
    assert told.count("train teacher") == 0


def test_a_run_folder_tells_how_it_was_made(tmp_path: Path) -> None:
    """A student of which nobody knows the settings."""
    experiment(tmp_path, "training.epochs=1").run()
    kept = Recipe.load(tmp_path / "out" / "recipe.yaml")
    assert kept.training.epochs == 1
    record = json.loads((tmp_path / "out" / "student.made.json").read_text())
    assert record["complete"] is True
    assert record["seed"] == 0


def test_someone_elses_store_is_not_deleted(tmp_path: Path) -> None:
    """A run folder that swallows a store of other data which happened to lie there."""
    other = experiment(tmp_path, "data.digits.seed=5")
    other.store()
    (tmp_path / "out" / "knowledge.made.json").unlink()
    with pytest.raises(LimbeckError, match="Delete it, or annotate to another path"):
        experiment(tmp_path).store()


def test_recipes_share_a_store(tmp_path: Path) -> None:
    """A teacher that speaks again for each recipe whose student learns from it."""
    shared = f"store={tmp_path / 'shared' / 'ten.store'}"
    experiment(tmp_path, shared).run()
    told = Told()
    elsewhere = (shared, f"output={tmp_path / 'other'}", "student.mlp.hidden=[8]")
    experiment(tmp_path, *elsewhere, told=told).run()
    assert told.count("annotate") == told.count("train teacher") == told.count("fit") == 0
    assert told.lines == [f"knowledge store: reused from {tmp_path / 'shared' / 'ten.store'}"]
    assert not (tmp_path / "other" / "knowledge.store").exists()
    assert finished_store(experiment(tmp_path, *elsewhere)) is not None


@pytest.mark.parametrize("begun", [False, True])
def test_a_store_that_is_shared_is_not_deleted_for_another_teacher(
    tmp_path: Path, begun: bool
) -> None:
    """A changed recipe that takes the knowledge away from all others."""
    path = tmp_path / "shared" / "ten.store"
    told = Told(stop=lambda step, done: begun and step.startswith("annotate") and done > 0)
    with pytest.raises(KeyboardInterrupt) if begun else nullcontext():
        experiment(tmp_path, f"store={path}", told=told).store()
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    other = (f"store={path}", "data.digits.seed=1", f"output={tmp_path / 'other'}")
    with pytest.raises(LimbeckError, match="another path"):
        experiment(tmp_path, *other).store()
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    assert len(experiment(tmp_path, f"store={path}").store()) > 0


def test_a_store_that_is_named_like_the_student_deletes_nothing(tmp_path: Path) -> None:
    """A slip of the hand in `store` that costs the trained student."""
    experiment(tmp_path).run()
    before = weights(tmp_path)
    with pytest.raises(LimbeckError, match="is not a knowledge store and not empty"):
        experiment(tmp_path, f"store={tmp_path / 'out' / 'student'}").store()
    assert all(torch.equal(before[name], value) for name, value in weights(tmp_path).items())
    told = Told()
    experiment(tmp_path, told=told).run()
    assert told.steps == []


def test_a_file_in_the_place_of_the_store_is_told_before_anything_is_made(tmp_path: Path) -> None:
    """A teacher that is trained for nothing."""
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RecipeError, match="^store is .* which is a file. Give a folder"):
        experiment(tmp_path, f"store={tmp_path / 'notes.txt'}")


@pytest.mark.slow
def test_a_whole_experiment_is_reused_to_its_last_step(tmp_path: Path) -> None:
    """An ONNX file asked for again that trains twenty students again."""
    changes = ("data.digits.test=0.1",)
    first = experiment(tmp_path, *changes)
    first.evaluation()
    comparison, exported = first.comparison(), first.export()
    told = Told()
    second = experiment(tmp_path, *changes, told=told)
    assert second.evaluation() == first.evaluation()
    assert second.comparison().sentence == comparison.sentence
    assert second.export() == exported
    assert told.count("train") == told.count("annotate") == 0
    assert [line.partition(":")[0] for line in told.lines] == [
        "knowledge store",
        "student",
        "evaluation",
        "comparison",
        "ONNX file",
    ]


def test_an_interrupted_comparison_goes_on(tmp_path: Path) -> None:
    """Ctrl-C in the twentieth training that costs the nineteen before it."""
    updates = Told()
    whole = experiment(tmp_path / "whole", told=updates).comparison()
    last = updates.steps[-1]
    told = Told(stop=lambda what, done: what == last and done > 0.6 * updates.count(last))
    with pytest.raises(KeyboardInterrupt):
        experiment(tmp_path, told=told).comparison()
    again = Told()
    comparison = experiment(tmp_path, told=again).comparison()
    assert 0 < again.count("train") <= 0.5 * updates.count(last)
    assert comparison.difference_points == whole.difference_points
