"""A whole fit on digits: what is trained, what is chosen on which rows, and the verdict."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import limbeck as lb
from limbeck.budgeting import admitting, concluding, finals, trying
from limbeck.budgeting.admitting import admitted
from limbeck.budgeting.measuring import Measured
from limbeck.errors import LimbeckError
from limbeck.evaluation.scoring import score

TRAINING = lb.Training(epochs=6, batch_size=64, optimizer=lb.AdamW(learning_rate=0.01))
SPEEDS = {"now": 1.0, "8": 0.6, "24": 1.4, "64": 3.0}
SEEDS = 2
EXPORT = lb.Export(Path("student.onnx"), 1000, 0.0, 1.0, 100, (64,), ("0", "1"))


def students() -> dict[str, lb.Student]:
    widths = {name: 16 if name == "now" else int(name) for name in SPEEDS}
    return {name: lb.students.mlp(64, [width], 10) for name, width in widths.items()}


def measured(candidates: Sequence[Any], *_: object, **__: object) -> dict[str, Any]:
    """Latencies as `SPEEDS` says, and sizes of a kilobyte per weight."""
    return {
        c.name: (
            Measured(
                "float32",
                1000 * c.student.parameters_count(),
                SPEEDS[c.name] / 2,
                SPEEDS[c.name],
                210,
            ),
        )
        for c in candidates
    }


@dataclass
class Digits:
    """What a fit is given, and what it has trained."""

    parts: lb.Splits
    teacher: lb.Teacher
    store: lb.KnowledgeStore
    trained: set[str] = field(default_factory=set)

    def fit(self, to: Path, **changes: Any) -> lb.Fit:
        arguments: dict[str, Any] = {
            "budget": "2 ms",
            "validation": self.parts.validation,
            "test": self.parts.test,
            "seeds": SEEDS,
            "finalists": 1,
            **changes,
        }
        return lb.fit(
            students(),
            self.teacher,
            self.store,
            self.parts.train,
            objective=lb.SoftTargets(),
            training=TRAINING,
            to=to,
            **arguments,
        )


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    """Small digits, without exports, which take seconds."""
    data = lb.transfer_sets.digits()
    parts = replace(data, train=data.train.select(torch.arange(200), "digits.some"))
    net = lb.distill(lb.students.mlp(64, [32], 10), None, parts.train, lb.HardLabels(), TRAINING)
    teacher = lb.TorchModule.from_student(net.student)
    store = lb.annotate(teacher, parts.train, tmp_path_factory.mktemp("fit") / "store")
    made = Digits(parts, teacher, store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admitting, "measure", measured)
        patch.setattr(concluding, "export", lambda *_, **__: EXPORT)
        patch.setattr(concluding, "int8_twin", lambda *_, **__: (None, ()))
        for module in (trying, finals):

            def watched(jobs: Any, *rest: Any, real: Any = module.sweep_jobs, **named: Any) -> Any:
                jobs = list(jobs)
                made.trained.update(str(settings["student"]) for settings, _ in jobs)
                return real(jobs, *rest, **named)

            patch.setattr(module, "sweep_jobs", watched)
        yield made


@pytest.fixture(scope="module")
def whole(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> lb.Fit:
    return digits.fit(tmp_path_factory.mktemp("whole"))


def test_a_candidate_over_the_budget_is_never_trained(digits: Digits, whole: lb.Fit) -> None:
    """Hours for a student that cannot be deployed."""
    assert digits.trained == set(SPEEDS) - {"64"}
    by_name = {tried.name: tried for tried in whole.candidates}
    assert by_name["64"].file is None
    assert by_name["64"].accuracies == ()
    assert by_name["64"].final is None
    assert "over the budget" in str(whole)
    assert by_name["now"].final is not None  # the student to beat is always in the finals
    assert whole.winner in whole.front
    finalists = {tried.name: tried.final.accuracy for tried in whole.finalists if tried.final}
    assert finalists[whole.winner] == max(finalists.values())


def test_nothing_is_chosen_on_test_rows(digits: Digits, whole: lb.Fit, tmp_path: Path) -> None:
    """A winner that was picked on the rows of its verdict."""
    shuffled = lb.transfer_sets.digits().test
    assert shuffled is not None
    order = torch.randperm(len(shuffled), generator=torch.Generator().manual_seed(0))
    shuffled.labels = shuffled.labels[order]
    other = digits.fit(tmp_path, test=shuffled)
    for name in ("winner", "front", "rungs", "softness", "next_steps", "budget"):
        assert getattr(other, name) == getattr(whole, name)
    assert whole.current_accuracy.estimate > other.current_accuracy.estimate + 0.1


def test_the_verdict_is_against_the_current_student_from_scratch(
    digits: Digits, whole: lb.Fit
) -> None:
    """A winner that beats its own twin and is sold as better than what is deployed."""
    train, test = digits.parts.train, digits.parts.test
    assert test is not None
    rows: dict[str, list[float]] = {"winner": [], "now": []}
    for seed in range(SEEDS):
        built = students()
        arms = {
            "winner": (built[whole.winner], digits.store, whole.run.objective),
            "now": (built["now"], None, lb.HardLabels()),
        }
        for name, (student, knowledge, objective) in arms.items():
            run = lb.distill(student, knowledge, train, objective, TRAINING, seed=seed)
            right = score(run.student, test).argmax(dim=1) == test.labels
            rows[name].append(float(right.double().mean()))
    winner = next(tried for tried in whole.finalists if tried.name == whole.winner)
    assert winner.final is not None
    now, best = float(np.mean(rows["now"])), float(np.mean(rows["winner"]))
    assert whole.current_accuracy.estimate == pytest.approx(now, abs=0.005)
    assert winner.final.test_accuracy.estimate == pytest.approx(best, abs=0.005)
    assert whole.difference_points.estimate == pytest.approx(100 * (best - now), abs=1)
    assert whole.verdict in whole.sentence
    assert "now from scratch" in whole.sentence


class Killed(BaseException):
    """What a kill is to the code that it hits."""


@pytest.mark.parametrize(
    "after", [60, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 120, 200))]
)
def test_a_kill_in_the_middle_changes_nothing(
    digits: Digits, whole: lb.Fit, tmp_path: Path, after: int
) -> None:
    """A second night of training, or another winner, after a power cut."""
    calls = 0

    def progress(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise Killed

    with pytest.raises(Killed):
        digits.fit(tmp_path, progress=progress)
    assert not (tmp_path / "fit.json").exists()
    assert digits.fit(tmp_path).as_dict() == whole.as_dict()


def test_a_budget_that_nobody_meets_names_the_nearest(digits: Digits, tmp_path: Path) -> None:
    """An empty table, after the teachers were trained."""
    message = r"none of 4 candidates keeps to 0.3 ms p95.* nearest is '8' with 0.6 ms .*2.00 times"
    with pytest.raises(LimbeckError, match=message):
        digits.fit(tmp_path, budget="0.3 ms")
    assert not (tmp_path / "checkpoints").exists()


def test_the_current_students_time_is_a_budget(digits: Digits, tmp_path: Path) -> None:
    """The inference time of today, which must be typed by hand."""
    found = admitted(students(), "current", digits.parts.train, tmp_path)
    assert found.budget.milliseconds == pytest.approx(1.05)
    assert set(found.files) == {"now", "8"}
    median = admitted(students(), "current p50", digits.parts.train, tmp_path)
    assert median.budget.milliseconds == pytest.approx(0.525)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 1}, "seeds is 1; a verdict needs at least 2"),
        ({"finalists": 0}, "finalists is 0; at least 1"),
        ({"budget": "2 sm"}, "has '2 sm' in it"),
    ],
)
def test_mistakes_end_before_any_work(
    digits: Digits, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """A traceback after the trainings."""
    with pytest.raises(LimbeckError, match=message):
        digits.fit(tmp_path, **changes)
    assert not (tmp_path / "checkpoints").exists()
