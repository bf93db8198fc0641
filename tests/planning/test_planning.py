"""What a plan says before a run, against what the run then does."""

from pathlib import Path

import pytest

from limbeck import HardLabels, Recipe, Training, plan, students
from limbeck.experiment import Experiment
from limbeck.planning import probes
from limbeck.planning.figures import Plan, Stage, StoreSize, lasting
from limbeck.planning.probes import Cost, bytes_in, mean_seconds, some
from limbeck.training import job_of

RECIPE = """
name: planned
data: {digits: {validation: 0.2}}
teacher:
  ensemble:
    members:
      - train: {student: {mlp: {hidden: [16]}}, training: {epochs: 3}, seeds: 2}
      - estimator: {random_forest_classifier: {n_estimators: 5}}
student: {mlp: {hidden: [8]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 4, batch_size: 32}
seeds: 2
"""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes of a moment."""
    monkeypatch.setattr(probes, "SECONDS", 0.02)


def experiment(tmp_path: Path, text: str = RECIPE, *changes: str) -> Experiment:
    recipe = Recipe.parse(text).override([f"output={tmp_path / 'run'}", *changes])
    return Experiment(recipe.check())


def test_rows_are_those_the_run_goes_through(tmp_path: Path) -> None:
    """Prevents a plan of other work than the run's: passes, views, members and seeds count."""
    steps = experiment(tmp_path)
    found = {stage.what: stage.rows for stage in plan(steps).stages}
    rows = len(steps.transfer_set())
    assert found == {
        "train teacher mlp-1": 3 * rows,
        "train teacher mlp-2": 3 * rows,
        "fit teacher random_forest_classifier": rows,
        "annotate": 3 * rows,
        "train the student": 4 * rows,
        "compare 2 seeds": 3 * 4 * rows,
        "evaluate the teacher": 3 * len(steps.test()),
    }


def test_views_are_annotated_each(tmp_path: Path) -> None:
    """Prevents a store of four views from being planned as one."""
    steps = experiment(tmp_path, RECIPE + "views: {transform: {shift: {pixels: 1}}, count: 4}\n")
    rows = len(steps.transfer_set())
    assert plan(steps).stage("annotate").rows == 3 * 4 * rows


@pytest.mark.parametrize("changes", [[], ["annotate.top_k=3"], ["annotate.dtype=float32"]])
def test_the_store_is_as_large_as_planned(tmp_path: Path, changes: list[str]) -> None:
    """Prevents a disk that fills up in the middle of a night: within 5 % of the real folder."""
    steps = experiment(tmp_path, RECIPE, *changes)
    planned = plan(steps).stores[0]
    steps.store()
    real = bytes_in(steps.folder / "knowledge.store")
    assert planned.chosen
    assert planned.size == pytest.approx(real, rel=0.05)


def test_another_encoding_is_planned_beside_it(tmp_path: Path) -> None:
    """Prevents a choice without the figure of what the other one would take."""
    dense = plan(experiment(tmp_path)).stores
    top = plan(experiment(tmp_path, RECIPE, "annotate.top_k=2")).stores
    assert [(each.kept, each.chosen) for each in dense] == [
        ("all classes", True),
        ("the top 5", False),
    ]
    assert [(each.kept, each.chosen) for each in top] == [
        ("the top 2", True),
        ("all classes", False),
    ]
    assert top[0].size < dense[0].size


def test_what_a_run_left_is_done(tmp_path: Path) -> None:
    """Prevents a plan of days for a run of which only the end is missing."""

    def done(*changes: str) -> set[str]:
        found = plan(experiment(tmp_path, RECIPE, *changes)).stages
        return {stage.what for stage in found if stage.done}

    steps = experiment(tmp_path)
    steps.store()
    annotated = {"train teacher mlp-1", "train teacher mlp-2", "annotate"}
    assert done() == annotated
    steps.comparison()
    assert done() == {*annotated, "train the student", "compare 2 seeds"}
    assert done("seeds=3") == {*annotated, "train the student"}
    assert done("training.epochs=5") == annotated


def test_a_plan_writes_nothing(tmp_path: Path) -> None:
    """Prevents a probe's store or checkpoint from being taken for the run's."""
    plan(experiment(tmp_path))
    assert not (tmp_path / "run").exists()


def test_a_recipe_without_a_teacher_has_no_store(tmp_path: Path) -> None:
    """Prevents the plan of a teacher to be from asking for its own teacher."""
    text = "name: alone\ndata: digits\nstudent: {mlp: {hidden: [8]}}\nobjective: hard_labels\n"
    found = plan(experiment(tmp_path, text))
    assert [stage.what for stage in found.stages] == ["train the student"]
    assert found.stores == ()


def test_a_cost_is_a_line_through_two_sizes() -> None:
    """Prevents what it takes to begin from being counted for every row."""
    assert Cost.through((100, 3.0), (300, 5.0)).of(1000) == pytest.approx(12.0)
    assert Cost.through((100, 5.0), (300, 4.0)).of(900) == pytest.approx(12.0)
    assert Cost.through((100, 5.0), (100, 5.0)).of(200) == pytest.approx(10.0)


def test_an_update_takes_what_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents warm-up, or the last part of a read, from being counted as updates."""
    data = experiment(tmp_path).data().train
    now = [0.0]
    monkeypatch.setattr(probes.time, "perf_counter", lambda: now[0])

    def step(_: object) -> None:
        now[0] += 0.125

    job = job_of(students.mlp(64, [4], 10), None, data, HardLabels(), Training(epochs=50))
    assert mean_seconds(job, 0, step) == 0.125


def test_probes_take_the_same_rows_each_time(tmp_path: Path) -> None:
    """Prevents two plans of one recipe from probing other rows."""
    data = experiment(tmp_path).data().train
    assert list(some(data, 50).ids) == list(some(data, 50).ids)
    assert len(some(data, 10**9)) == len(data)


def test_the_words() -> None:
    """Prevents a plan that nobody can read."""
    stages = (Stage("annotate", 2000, 4.0), Stage("compare 2 seeds", 10, 7200.0, at_most=True))
    stages += (Stage("train teacher a", 50, 0.0, done=True),)
    text = str(
        Plan("mine", stages, (StoreSize("all classes", 1500, True),), "a machine, 2 threads")
    )
    assert text.splitlines() == [
        "mine                                        rows      rows/s          time",
        "annotate                                   2,000         500           4 s",
        "compare 2 seeds                               10           0      <= 2.0 h",
        "train teacher a                               50                      done",
        "store: 1.5 kB with all classes (as the recipe has it)",
        "in all at most 2.0 h on a machine, 2 threads",
    ]
    assert [lasting(s) for s in (3.2, 119.0, 200.0, 7200.0)] == ["3 s", "119 s", "3 min", "2.0 h"]


def test_an_estimator_of_few_rows_sees_every_class(tmp_path: Path) -> None:
    """Prevents the plan of a shipped recipe from failing where its run does not."""
    text = RECIPE.replace("{digits: {validation: 0.2}}", "{digits: {labelled: 20}}")
    assert plan(experiment(tmp_path, text)).stage("fit teacher random_forest_classifier").rows == 20


def test_a_student_that_begins_as_a_teacher_to_be_is_planned(tmp_path: Path) -> None:
    """Prevents a plan that can only be had once the dear part of the run is over."""
    text = """
name: pruned
data: digits
teacher: {train: {student: {mlp: {hidden: [16]}}, training: {epochs: 2}}}
student: {pruned: {sparsity: 0.5}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 3}
"""
    steps = experiment(tmp_path, text)
    assert plan(steps).stage("train the student").rows == 3 * len(steps.transfer_set())
