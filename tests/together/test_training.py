"""How runs are grouped, planned, finished and read back."""

from dataclasses import replace

import pytest
import torch

import limbeck as lb
from limbeck.errors import LimbeckError
from limbeck.loop import train
from limbeck.together import Plan, plan, train_together, training
from limbeck.together.grouping import Pending, stackable_groups
from limbeck.together.workers import can_fork
from limbeck.training import job_of
from limbeck.transfer_sets import Arrays

DATA = Arrays(
    torch.randn(60, 5, generator=torch.Generator().manual_seed(0)),
    torch.arange(60) % 3,
    classes=("a", "b", "c"),
    name="toy",
)
forks = pytest.mark.skipif(not can_fork("cpu"), reason="processes are forked on Linux alone")


def job(hidden: int = 6, *, dropout: float = 0.0, epochs: int = 2, objective=None, **settings):
    student = lb.students.mlp(5, [hidden], 3, dropout=dropout)
    chosen = lb.HardLabels() if objective is None else objective
    return job_of(
        student, None, DATA, chosen, lb.Training(epochs=epochs, batch_size=20, **settings)
    )


def pending(one, seed) -> Pending:
    run = Pending.unless_finished(one, seed)
    assert run is not None
    return run


def same(one, other) -> bool:
    pairs = zip(one.module.parameters(), other.module.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_only_what_a_stack_can_vary_is_stacked_together() -> None:
    """A student trained with its neighbour's schedule, width or label smoothing."""
    runs = [
        (job(), 0),
        (job(), 1),
        (job(optimizer=lb.AdamW(learning_rate=0.1)), 0),
        (job(8), 0),
        (job(epochs=3), 0),
        (job(schedule=lb.Constant()), 0),
        (job(objective=lb.HardLabels(label_smoothing=0.1)), 0),
        (job(objective=0.5 * lb.HardLabels()), 0),
    ]
    assert stackable_groups([each for each, _ in runs]) == [[0, 1, 2, 7], [3], [4], [5], [6]]


@forks
def test_processes_give_what_one_by_one_gives() -> None:
    """Dropout masks that depend on which process a student was trained in."""
    runs = [(job(dropout=0.5), seed) for seed in range(3)] + [(job(8), 0)]
    outcomes = train_together(runs, plan=Plan(processes=2))
    for one, outcome in zip(runs, outcomes, strict=True):
        alone, history = train(*one)
        assert outcome[0].module(DATA.inputs).allclose(alone.module(DATA.inputs), atol=1e-5)  # type: ignore[index]
        assert outcome[1].loss == pytest.approx(history.loss, abs=1e-6)  # type: ignore[index]
        assert outcome[0].classes == DATA.classes  # type: ignore[index]


@forks
def test_a_diverged_student_in_a_process_is_one_outcome_among_others() -> None:
    """One learning rate too many that costs the whole sweep."""
    wild = job(optimizer=lb.SGD(learning_rate=1e30), dropout=0.1)
    outcomes = train_together([(job(), 0), (wild, 0)], plan=Plan(processes=2))
    assert not isinstance(outcomes[0], LimbeckError)
    assert isinstance(outcomes[1], LimbeckError)
    assert "Lower the learning rate" in str(outcomes[1])


def test_finished_runs_are_not_trained_again(tmp_path) -> None:
    """A sweep that repeats all of its students for one more temperature."""
    old = [(replace(job(), checkpoint=tmp_path), seed) for seed in range(2)]
    train_together(old, plan=Plan(stacked=True))
    told: list[str] = []
    more = [*old, (replace(job(8), checkpoint=tmp_path), 0)]
    outcomes = train_together(more, progress=lambda what, *_: told.append(what))
    assert set(told) == {"train"}  # the new one alone
    assert len(told) == job().updates
    assert same(outcomes[0][0], train(*old[0])[0])  # type: ignore[index]


def test_little_work_is_not_probed(monkeypatch) -> None:
    """A probe of two seconds for trainings of half a second."""
    monkeypatch.setattr(plan, "rate_in_processes", lambda *_: pytest.fail("probed"))
    runs = [pending(job(), seed) for seed in range(2)]
    assert plan.chosen_plan(runs, "") == replace(
        plan.ONE_BY_ONE, why="too little work to share out"
    )


@forks
def test_the_fastest_way_is_taken_only_where_it_is_worth_it(monkeypatch) -> None:
    """A stack that is slower than training one by one."""
    monkeypatch.setattr(plan, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(plan, "per_second", lambda *_, **__: 100.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    runs = [pending(job(), seed) for seed in range(2)]
    rates = {plan.one_by_one: 104.0, plan.stacked: 103.0}
    monkeypatch.setattr(plan, "rate_in_processes", lambda _, steps, *__: rates[steps])
    assert plan.chosen_plan(runs, "") == plan.ONE_BY_ONE
    rates[plan.stacked] = 400.0
    chosen = plan.chosen_plan(runs, "")
    assert (chosen.stacked, chosen.processes) == (True, 2)
    assert str(chosen) == "stacked in 2 processes (4.0 times as fast as one by one)"
    assert not plan.chosen_plan(runs, "dropout").stacked


def test_a_model_that_torch_cannot_stack_is_found_by_trying() -> None:
    """Control flow that hangs on the data: only the attempt shows it."""

    class Undecided(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            scores = self.layer(inputs.clamp(min=-9.0))
            return scores if bool(scores.detach().sum() > 0) else -scores

    one = replace(job(), student=lb.Student(Undecided))
    runs = [pending(one, seed) for seed in range(2)]
    assert plan.rate_of(plan.stacked, runs, 0.0) == 0.0
    assert plan.rate_of(plan.one_by_one, runs, 0.0) > 0.0


def test_the_plan_of_an_interrupted_training_is_remembered(tmp_path, monkeypatch) -> None:
    """Half a stack's work lost because the second probe preferred processes."""
    one = replace(job(), checkpoint=tmp_path)
    group = training.Group({seed: pending(one, seed) for seed in range(2)}, "")
    chosen = Plan(stacked=True, why="4.0 times as fast as one by one")
    monkeypatch.setattr(training, "chosen_plan", lambda *_: chosen)
    assert training.remembered_plan(group) == chosen
    monkeypatch.setattr(training, "chosen_plan", lambda *_: pytest.fail("probed again"))
    assert training.remembered_plan(group) == chosen
