"""Kill a run at any moment: it goes on to the same bits."""

import os
import random
import signal
import time

import pytest
import torch

from limbeck import fitting, students
from limbeck.checkpoint import load_checkpoint, save_checkpoint
from limbeck.errors import LimbeckError
from limbeck.objectives import HardLabels, SoftTargets
from limbeck.optimization import AdamW
from limbeck.store import LiveTeacher
from limbeck.teachers import TorchModule
from limbeck.training import Training, distill
from limbeck.transfer_sets import digits


def job(checkpoint, *, epochs=6):
    """A run with everything that has state: dropout, momentum, averages, early stopping."""
    data = digits(labelled=300)
    teacher = TorchModule(students.mlp(64, [8], 10).module, classes=data.train.classes)
    return distill(
        students.mlp(64, [16], 10, dropout=0.2),
        LiveTeacher(teacher, data.train),
        data.train,
        0.5 * SoftTargets(temperature=2.0) + 0.5 * HardLabels(),
        Training(epochs=epochs, batch_size=100, optimizer=AdamW(), average=0.9, patience=50),
        validation=data.validation,
        checkpoint=checkpoint,
    )


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.student.module.parameters()])


def killed_after(seconds, work):
    """Run work in a forked child and kill it -9 after this time, if it is not done by then."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


@pytest.fixture
def always_save(monkeypatch):
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.parametrize("times", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_a_run_killed_at_random_moments_ends_in_the_same_bits(tmp_path, always_save, times):
    """Prevents lost momentum, a repeated batch, other dropout masks, a torn checkpoint."""
    expected = job(None)
    begun = time.monotonic()
    job(tmp_path / "whole")
    duration = time.monotonic() - begun
    moments, kills, rounds = random.Random(0), 0, 0
    while kills < times:
        rounds += 1
        folder = tmp_path / f"round{rounds}"
        for _ in range(8):
            status = killed_after(moments.uniform(0.1, 0.5) * duration, lambda: job(folder))  # noqa: B023
            kills += os.WIFSIGNALED(status)
        resumed = job(folder)
        assert torch.equal(weights(resumed), weights(expected))
        assert resumed.history.loss == expected.history.loss
        assert resumed.history.validation_accuracy == expected.history.validation_accuracy
        assert rounds < 20


def test_a_finished_run_is_not_trained_again(tmp_path):
    """Prevents doing the same work twice, and a checkpoint that differs from the result."""
    first = job(tmp_path)
    begun = time.monotonic()
    again = job(tmp_path)
    assert torch.equal(weights(first), weights(again))
    assert first.history == again.history
    assert time.monotonic() - begun < first.history.seconds + 5


def test_another_job_does_not_take_over_the_checkpoint(tmp_path):
    """Prevents resuming with the weights of another recipe."""
    job(tmp_path, epochs=1)
    longer = job(tmp_path, epochs=2)
    assert torch.equal(weights(longer), weights(job(None, epochs=2)))


def test_a_damaged_checkpoint_is_named(tmp_path):
    """Prevents a traceback, or starting over without a word."""
    job(tmp_path, epochs=1)
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LimbeckError, match=r"checkpoint .* is damaged .* Delete it"):
        job(tmp_path, epochs=1)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    """Prevents a half-written file in the place of a good one."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, {"x": torch.ones(3)}, {"step": 1})
    monkeypatch.setattr(os, "fsync", raise_no_space)
    with pytest.raises(LimbeckError, match="could not be written.*Free some space"):
        save_checkpoint(path, {"x": torch.zeros(3)}, {"step": 2})
    tensors, values = load_checkpoint(path)
    assert values == {"step": 1}
    assert torch.equal(tensors["x"], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def raise_no_space(_):
    raise OSError(28, "No space left on device")
