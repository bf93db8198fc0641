"""Processes that train side by side, and what happens when one of them does not come back."""

import os
import signal
import time

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.together.workers import can_fork, in_processes

pytestmark = pytest.mark.skipif(not can_fork("cpu"), reason="processes are forked on Linux alone")


def test_answers_come_back_in_order_and_progress_is_added_up() -> None:
    """The figures of one process given to another."""
    told: list[tuple[int, int]] = []

    def work(number):
        def does(progress):
            for made in range(1, 4):
                progress("train", made, 3)
                time.sleep(0.05)
            time.sleep(0.3 * (2 - number))
            return number, torch.get_num_threads()

        return does

    answers = in_processes(
        [work(0), work(1)], progress=lambda _, done, total: told.append((done, total)), total=6
    )
    assert answers == [(0, 1), (1, 1)]
    assert told[-1] == (6, 6)


def test_subnormal_numbers_are_flushed() -> None:
    """A dead student whose moments decay to 1e-40 and slow every step a hundredfold."""
    found = in_processes([lambda _: float((torch.full((4,), 1e-39) * 0.5).sum())])
    assert found == [0.0]


def test_an_error_in_a_process_is_the_parent_s_error() -> None:
    """A sweep that ends without a word because one process met a typo."""

    def fails(_):
        raise LimbeckError("the student has no layer 'layr3'.")

    with pytest.raises(LimbeckError, match="no layer 'layr3'"):
        in_processes([fails, lambda _: 1])


def test_a_killed_process_ends_the_others_and_says_what_to_do() -> None:
    """A parent that waits for ever for a child which the system killed for lack of memory."""

    def dies(_):
        os.kill(os.getpid(), signal.SIGKILL)

    def waits(_):
        time.sleep(60)

    begun = time.monotonic()
    with pytest.raises(LimbeckError, match="code -9, perhaps for lack of memory. Run it again"):
        in_processes([dies, waits])
    assert time.monotonic() - begun < 30


def test_an_accelerator_is_not_shared_by_forks() -> None:
    """A forked process that hangs in the driver."""
    assert not can_fork("cuda")
    assert not can_fork("meta")
