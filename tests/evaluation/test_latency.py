"""What is timed, how often, and what is recorded; never how fast it is."""

import time

import pytest
import torch
from torch import nn

from limbeck.evaluation import latency as time_model
from limbeck.evaluation.latency import LEAST_RUNS, milliseconds, warm
from limbeck.students import Student
from limbeck.teachers import Ensemble, Teacher
from limbeck.transfer_sets import Arrays
from limbeck.types import Batch, Outputs


class Counting(Teacher):
    """Counts its passes and its releases."""

    fingerprint = "counting"

    def __init__(self, name: str) -> None:
        self.name = name
        self.sizes: list[int] = []
        self.released = 0

    def outputs(self, batch: Batch) -> Outputs:
        self.sizes.append(len(batch))
        return Outputs(torch.zeros(len(batch), 2))

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def data() -> Arrays:
    return Arrays(torch.rand(5, 3).numpy(), torch.zeros(5).long().numpy(), classes=["a", "b"])


def test_the_batch_is_of_the_stated_size_even_if_the_data_is_smaller(data: Arrays) -> None:
    """A latency at batch 64 that was measured on the 5 examples there are."""
    teacher = Counting("teacher")
    timing = time_model(teacher, data, batch=64, runs=7, warm_up=3)
    assert teacher.sizes == [64] * (3 + 7)
    assert (timing.batch, timing.runs, timing.warm_up) == (64, 7, 3)
    assert timing.threads == torch.get_num_threads()
    assert timing.processor
    assert 0 < timing.p50_ms <= timing.p95_ms


def test_members_of_an_ensemble_are_timed_one_at_a_time_and_released(data: Arrays) -> None:
    """All members in memory at once, or the time of one for that of all."""
    members = [Counting("one"), Counting("two")]
    timing = time_model(Ensemble(members), data, runs=6, warm_up=1)
    assert [m.released for m in members] == [1, 1]
    assert [m.sizes for m in members] == [[1] * 7] * 2
    assert timing.note == "2 members, one after the other"


def test_a_student_in_training_mode_is_timed_in_evaluation_mode(data: Arrays) -> None:
    """Dropout in the timing, and a student left in evaluation mode in the middle of training."""
    student = Student(nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5)))
    student.module.train()
    seen = []
    student.module.register_forward_hook(lambda module, *_: seen.append(module.training))
    time_model(student, data, runs=5, warm_up=1)
    assert set(seen) == {False}
    assert all(m.training for m in student.module.modules())


def test_slow_work_is_timed_less_often_but_not_less_than_five_times() -> None:
    """A benchmark of minutes for a slow teacher, or a median of one."""
    taken = milliseconds(lambda: time.sleep(0.25), runs=50)
    assert LEAST_RUNS <= len(taken) < 50
    assert min(taken) >= 240
    assert warm(lambda: time.sleep(0.6), passes=10) == 1


@pytest.mark.parametrize("name", ["batch", "runs", "warm_up"])
def test_a_number_below_one_is_refused(name: str, data: Arrays) -> None:
    """The median of nothing."""
    with pytest.raises(ValueError, match=f"{name} is 0; it must be 1 or more"):
        time_model(Counting("teacher"), data, **{name: 0})
