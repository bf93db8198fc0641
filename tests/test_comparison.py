"""The verdict end to end: on students whose answers are known, and on real trainings."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score
from torch import nn

from limbeck.annotation import annotate
from limbeck.comparison import DEFAULT_SEEDS, Comparison, compare
from limbeck.errors import DataError, LimbeckError, TeacherError
from limbeck.evaluation import evaluate
from limbeck.job import History, Job, Progress
from limbeck.objectives import HardLabels, SoftTargets
from limbeck.students import Student, mlp
from limbeck.teachers import Ensemble, Teacher
from limbeck.training import Run, Training, distill
from limbeck.transfer_sets import Arrays, digits
from limbeck.types import Batch, Outputs

EXAMPLES = 400
CLASSES = ("a", "b", "c")
LABELS = np.arange(EXAMPLES) % 3


class Recall(nn.Module):
    """Answers each example, known by its number, from a table."""

    def __init__(self, right: np.ndarray) -> None:
        super().__init__()
        wrong = (LABELS + 1) % 3
        answers = torch.tensor(np.where(right, LABELS, wrong))
        self.weight = nn.Parameter(3.0 * nn.functional.one_hot(answers, 3).float())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.weight[inputs[:, 0].long()]


class Known(Teacher):
    """A teacher that is right where it is told."""

    name = "known"
    fingerprint = "known"

    def __init__(self, right: np.ndarray, classes: tuple[str, ...] | None = None) -> None:
        self.module, self.classes = Recall(right), classes

    def outputs(self, batch: Batch) -> Outputs:
        return Outputs(self.module(batch.inputs))


def right(seed: int, share: float) -> np.ndarray:
    """The same examples are hard for every seed, and chance adds to it."""
    hardness = np.random.default_rng(77).random(EXAMPLES)
    noise = np.random.default_rng(seed).normal(0, 0.05, EXAMPLES)
    return hardness + noise < share


@dataclass(frozen=True)
class KnownRun(Run):
    """A run whose students' answers are known; it notes which trainings were asked for."""

    shares: tuple[float, float] = (0.9, 0.9)
    asked: tuple[list[tuple[str, int]], ...] = ()

    def repeats(self, seeds: Sequence[int], *, progress: Progress | None = None) -> list[Run]:
        return [self.known("repeat", seed, seed, self.shares[0], progress) for seed in seeds]

    def twins(self, seeds: Sequence[int], *, progress: Progress | None = None) -> list[Run]:
        return [self.known("twin", seed, 1000 + seed, self.shares[1], progress) for seed in seeds]

    def known(
        self, kind: str, seed: int, chance: int, share: float, progress: Progress | None
    ) -> Run:
        self.asked[0].append((kind, seed))
        if progress is not None:
            progress("train", 1, 1)
        return replace(self, student=known_student(chance, share), seed=seed)


def known_student(seed: int, share: float) -> Student:
    student = Student(Recall(right(seed, share)))
    student.classes = CLASSES
    return student


def known_data(labels: np.ndarray | None = LABELS) -> Arrays:
    inputs = np.arange(EXAMPLES, dtype=np.float32)[:, None]
    return Arrays(inputs, labels, classes=CLASSES, name="toy.test")


def known_run(distilled: float, scratch: float, seed: int = 3) -> KnownRun:
    student = known_student(seed, distilled)
    training = Training()
    job = Job(student, None, known_data(), HardLabels(), training, None, None, "cpu", 1, 1)
    history = History(steps=[1], loss=[0.5])
    return KnownRun(student, history, seed, job, (distilled, scratch), ([],))


@pytest.mark.parametrize(
    ("distilled", "scratch", "verdict"),
    [(0.9, 0.8, "BEATS"), (0.8, 0.9, "LOSES"), (0.85, 0.85, "TIES")],
)
def test_the_verdict_is_the_true_one(distilled: float, scratch: float, verdict: str) -> None:
    """A difference with the wrong sign."""
    found = compare(known_run(distilled, scratch), None, known_data(), seeds=4)
    assert found.verdict == verdict
    assert verdict in found.sentence
    assert bool(found.advice) == (verdict != "BEATS")


def test_every_seed_is_trained_once_and_the_run_itself_counts() -> None:
    """The given run trained again, or seeds that differ between the arms."""
    run = known_run(0.9, 0.8, seed=3)
    found = compare(run, None, known_data(), seeds=3)
    assert found.seeds == (3, 4, 5)
    assert sorted(run.asked[0]) == [
        ("repeat", 4),
        ("repeat", 5),
        ("twin", 3),
        ("twin", 4),
        ("twin", 5),
    ]
    assert len(found.distilled) == len(found.scratch) == 3
    assert len(found.distilled_histories) == len(found.scratch_histories) == 3
    assert found.distilled_histories[0]["loss"] == [0.5]


def test_the_figures_are_the_means_of_the_answers() -> None:
    """Means over other seeds, examples or arms than stated."""
    teacher_right = right(5, 0.97)
    found = compare(known_run(0.9, 0.8), Known(teacher_right), known_data(), seeds=3)
    distilled = np.stack([right(s, 0.9) for s in (3, 4, 5)])
    scratch = np.stack([right(1000 + s, 0.8) for s in (3, 4, 5)])
    gain = distilled.mean() - scratch.mean()
    assert found.distilled_accuracy.estimate == pytest.approx(distilled.mean())
    assert found.scratch_accuracy.estimate == pytest.approx(scratch.mean())
    assert found.difference_points.estimate == pytest.approx(100 * gain)
    assert found.gap_recovered is not None
    gap = gain / (teacher_right.mean() - scratch.mean())
    assert found.gap_recovered.estimate == pytest.approx(gap)
    assert found.gap_recovered.low < gap < found.gap_recovered.high
    assert found.teacher is not None
    assert found.teacher.accuracy.estimate == pytest.approx(teacher_right.mean())
    assert [e.accuracy.estimate for e in found.scratch] == pytest.approx(scratch.mean(axis=1))
    assert found.distilled[1].teacher_agreement == pytest.approx(
        (right(4, 0.9) == teacher_right).mean()
    )


def test_each_class_has_its_own_change() -> None:
    """The recall of one class beside the name of another."""
    found = compare(known_run(0.9, 0.8), None, known_data(), seeds=2)
    for number, row in enumerate(found.per_class):
        of_class = number == LABELS
        recalls = [recall_score(of_class[of_class], right(1000 + s, 0.8)[of_class]) for s in (3, 4)]
        assert row.name == CLASSES[number]
        assert row.examples == of_class.sum()
        assert row.scratch_recall == pytest.approx(np.mean(recalls))
        change = 100 * (row.distilled_recall - row.scratch_recall)
        assert row.change_points.estimate == pytest.approx(change)
        assert row.change_points.low < change < row.change_points.high


def test_a_class_of_one_example_has_no_interval() -> None:
    """An interval of NaN, or a crash, for a rare class."""
    labels = np.where(np.arange(EXAMPLES) < 7, LABELS, LABELS % 2)
    labels[:7] = [0, 1, 2, 0, 1, 0, 1]
    found = compare(known_run(0.9, 0.8), None, known_data(labels), seeds=2)
    assert found.per_class[2].examples == 1
    assert found.per_class[2].change_points.low == -math.inf


def test_without_a_teacher_there_is_no_gap_and_no_row() -> None:
    """A gap to nothing."""
    found = compare(known_run(0.9, 0.8), None, known_data(), seeds=2)
    assert found.teacher is None
    assert found.gap_recovered is None
    assert found.gap_note == "there was no teacher to compare with"
    assert [row.model for row in found.rows] == ["from scratch", "distilled"]
    assert found.distilled[0].teacher_agreement is None


def test_a_teacher_that_is_no_better_has_no_gap_and_the_advice_says_so() -> None:
    """A gap recovered of minus 900 %."""
    found = compare(known_run(0.9, 0.9), Known(right(5, 0.9)), known_data(), seeds=2)
    assert found.gap_recovered is None
    assert found.gap_note.startswith("not stated, as the teacher is not surely better")
    assert any("Use a better teacher" in piece for piece in found.advice)


def test_unlabelled_test_examples_are_left_out() -> None:
    """Examples without a label that both arms get wrong: a difference that shrinks."""
    labels = np.where(np.arange(EXAMPLES) < 100, -1, LABELS)
    found = compare(known_run(0.9, 0.8), Known(right(5, 0.97)), known_data(labels), seeds=2)
    assert (found.examples, found.unlabelled) == (300, 100)
    expected = np.mean([right(s, 0.9)[100:] for s in (3, 4)])
    assert found.distilled_accuracy.estimate == pytest.approx(expected)
    assert found.teacher is not None
    assert found.teacher.examples == 300


def test_a_comparison_survives_its_file(tmp_path) -> None:
    """A report of figures that a file has changed."""
    found = compare(
        known_run(0.9, 0.8), Known(right(5, 0.97)), known_data(), seeds=2, recipe="seeds: 2\n"
    )
    path = found.save(tmp_path / "comparison.json")
    again = Comparison.load(path)
    assert again == found
    assert str(again) == str(found)
    assert again.recipe == "seeds: 2\n"
    assert {"limbeck", "python", "torch", "numpy", "processor", "threads"} <= set(again.versions)


def test_its_text_is_the_table_and_the_sentence_in_100_columns() -> None:
    """Lines that wrap in a terminal, or rows in another order than teacher, scratch, distilled."""
    text = str(compare(known_run(0.85, 0.85), Known(right(5, 0.97)), known_data(), seeds=2))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert [line.split("  ")[0] for line in lines[1:4]] == ["teacher", "from scratch", "distilled"]
    assert "TIES with the one from scratch" in text
    assert "Gap recovered:" in text
    assert "What to try:" in text


def test_progress_is_told_of_every_training() -> None:
    """A bar that stands still through all of them."""
    told: list[str] = []
    compare(known_run(0.9, 0.8), None, known_data(), seeds=2, progress=lambda *a: told.append(a[0]))
    assert told == ["train"] * 3


@pytest.mark.parametrize("seeds", [0, 1])
def test_fewer_than_two_seeds_are_refused(seeds: int) -> None:
    """A verdict from one seed, which cannot know how much a seed matters."""
    with pytest.raises(LimbeckError, match=f"seeds is {seeds}; a verdict needs at least 2"):
        compare(known_run(0.9, 0.8), None, known_data(), seeds=seeds)


def test_a_confidence_that_is_no_share_is_refused() -> None:
    """95 for 95 %."""
    with pytest.raises(LimbeckError, match="confidence is 95.0; it is between 0 and 1"):
        compare(known_run(0.9, 0.8), None, known_data(), seeds=2, confidence=95.0)


def test_a_test_part_without_labels_is_refused_before_any_training() -> None:
    """An hour of training before the error."""
    run = known_run(0.9, 0.8)
    with pytest.raises(DataError, match="has a label; measuring needs labels"):
        compare(run, None, known_data(None), seeds=2)
    assert run.asked[0] == []


def test_a_single_labelled_example_is_refused() -> None:
    """A variance over one example."""
    labels = np.full(EXAMPLES, -1)
    labels[7] = 0
    with pytest.raises(LimbeckError, match="one labelled example; a verdict needs at least 2"):
        compare(known_run(0.9, 0.8), None, known_data(labels), seeds=2)


def test_other_classes_than_the_students_are_refused_before_any_training() -> None:
    """Classes in another order: accuracies of both arms near chance, and a verdict of TIES."""
    run = known_run(0.9, 0.8)
    data = Arrays(np.zeros((9, 1)), LABELS[:9], classes=("b", "a", "c"), name="other.test")
    with pytest.raises(LimbeckError, match="Test on data with the same classes in the same order"):
        compare(run, None, data, seeds=2)
    teacher = Known(right(5, 0.9), classes=("a", "b", "d"))
    with pytest.raises(TeacherError, match="not the same"):
        compare(run, teacher, known_data(), seeds=2)
    assert run.asked[0] == []


def test_a_missing_file_is_told(tmp_path) -> None:
    """A traceback for a report without a comparison."""
    with pytest.raises(LimbeckError, match="no comparison at .* limbeck compare RECIPE"):
        Comparison.load(tmp_path / "none.json")


def shortened(text: str) -> str:
    return text[: len(text) // 2]


def without_verdict(text: str) -> str:
    facts = json.loads(text)
    del facts["verdict"]
    return json.dumps(facts)


def without_seeds(text: str) -> str:
    facts = json.loads(text)
    del facts["seeds"]
    return json.dumps(facts)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shortened, "is damaged or cannot be read. Compare again."),
        (without_verdict, "holds no comparison"),
        (without_seeds, "holds no comparison"),
        (lambda text: "[1, 2]", "holds no comparison"),
        (lambda text: text.replace('"format": 2', '"format": 99'), "has format 99, and this"),
    ],
    ids=["cut short", "no verdict", "no seeds", "a list", "newer"],
)
def test_a_file_that_is_no_comparison_is_refused(
    change: Callable[[str], str], words: str, tmp_path
) -> None:
    """A KeyError, or a report from half a file."""
    path = compare(known_run(0.9, 0.8), None, known_data(), seeds=2).save(tmp_path / "c.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(LimbeckError, match=words):
        Comparison.load(path)


def test_who_pays_is_counted_on_the_labelled_examples_of_every_seed(tmp_path) -> None:
    """Flips with the ids of other rows, arms exchanged, or groups of another row."""
    labels = LABELS.copy()
    labels[::7] = -1
    inputs = np.arange(EXAMPLES, dtype=np.float32)[:, None]
    test = Arrays(
        inputs,
        labels,
        classes=CLASSES,
        ids=[f"id {i}" for i in range(EXAMPLES)],
        groups={"half": ["early" if i < 200 else "late" for i in range(EXAMPLES)]},
    )
    teacher = right(5, 0.97)
    found = compare(known_run(0.9, 0.8), Known(teacher), test, seeds=3)
    lost = teacher & (labels >= 0) & ~np.stack([right(s, 0.9) for s in (3, 4, 5)])
    twins = teacher & (labels >= 0) & ~np.stack([right(1000 + s, 0.8) for s in (3, 4, 5)])
    assert {f.id: f.runs for f in found.flips} == {
        f"id {i}": int(n) for i, n in enumerate(lost.sum(axis=0)) if n
    }
    assert found.distilled_bias is not None
    assert found.scratch_bias is not None
    assert found.distilled_bias.flips_per_run == pytest.approx(lost.sum() / 3)
    assert found.scratch_bias.flips_per_run == pytest.approx(twins.sum() / 3)
    by_group = {g.value: g.flips_per_run for g in found.distilled_bias.groups}
    early, late = lost[:, :200].sum() / 3, lost[:, 200:].sum() / 3
    assert by_group == pytest.approx({"early": early, "late": late})
    printed = " ".join(str(found).split())
    assert f"on {lost.sum() / 3:.1f} examples per seed (from scratch {twins.sum() / 3:.1f})" in (
        printed
    )
    assert "Worst half: " in printed
    assert Comparison.load(found.save(tmp_path / "c.json")) == found


def test_a_comparison_of_an_older_format_is_read(tmp_path) -> None:
    """Results that a newer limbeck cannot open any more."""
    found = compare(known_run(0.9, 0.8), Known(right(5, 0.97)), known_data(), seeds=2)
    path = found.save(tmp_path / "c.json")
    facts = json.loads(path.read_text())
    for name in ("distilled_bias", "scratch_bias", "flips"):
        del facts[name]
    path.write_text(json.dumps({**facts, "format": 1}))
    old = Comparison.load(path)
    assert old == replace(found, distilled_bias=None, scratch_bias=None, flips=())
    assert "Flips" not in str(old)


def test_real_trainings_end_in_a_verdict(tmp_path) -> None:
    """Parts that fit their fakes and not each other."""
    everything, few = digits(), digits(labelled=100)
    training = Training(epochs=8, batch_size=64)
    teachers = [
        distill(mlp(64, [64], 10), None, everything.train, HardLabels(), training, seed=s)
        for s in (0, 1)
    ]
    ensemble = Ensemble([as_teacher(run.student, f"net-{i}") for i, run in enumerate(teachers)])
    store = annotate(ensemble, few.train, tmp_path / "store")
    objective = 0.9 * SoftTargets(temperature=2.0) + 0.1 * HardLabels()
    run = distill(mlp(64, [24], 10), store, few.train, objective, training, seed=0)
    assert few.test is not None
    found = compare(run, ensemble, few.test, seeds=2)
    alone = evaluate(run.student, few.test, latency=False)
    assert found.distilled[0].accuracy == alone.accuracy
    assert found.teacher is not None
    assert found.teacher.accuracy.estimate > found.scratch_accuracy.estimate
    assert [row.name for row in found.left_out] == ["net-0", "net-1"]
    assert found.rows[2].parameters == 64 * 24 + 24 + 24 * 10 + 10
    assert found.rows[2].p50_ms == found.rows[1].p50_ms
    assert "Agreement with all teachers without one: net-0" in str(found)
    assert DEFAULT_SEEDS >= 5


def as_teacher(student: Student, name: str) -> Teacher:
    from limbeck.teachers import TorchModule

    return TorchModule.from_student(student, name=name)
