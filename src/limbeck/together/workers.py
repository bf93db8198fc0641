"""One process per core, forked: each trains with one thread what is given to it.

A fork shares data, knowledge and students with its parent without copying, whatever they are. What
a process has trained it leaves as a finished checkpoint, which its parent then reads.
"""

import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

import torch

from limbeck.errors import LimbeckError
from limbeck.job import Progress

__all__ = ["can_fork", "in_processes"]

Work = Callable[[Progress], Any]
T = TypeVar("T")
POLL_SECONDS = 0.2


def can_fork(device: torch.device | str | None) -> bool:
    """Whether processes can be forked here: on Linux, for training on the CPU."""
    on_cpu = device is None or torch.device(device).type == "cpu"
    return sys.platform == "linux" and on_cpu and not torch.cuda.is_initialized()


def in_processes(
    works: Sequence[Work], *, progress: Progress | None = None, total: int = 0
) -> list[Any]:
    """Do each of these works in a process of its own, with one thread, at the same time.

    Args:
        works: Each is given a progress of its own and answers with something that can be pickled.
        progress: Told of what all of them have done together.
        total: How much there is to do in all.

    Raises:
        LimbeckError: if a process fails or is killed; the others are ended then.
    """
    context = multiprocessing.get_context("fork")
    done = context.Array("q", len(works), lock=False)
    channels, processes = [], []
    for number, work in enumerate(works):
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(
            target=child, args=(work, number, done, sending, os.getpid()), daemon=True
        )
        with warnings.catch_warnings():  # that a fork of threads may hang: no thread is used in it
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        sending.close()
        channels.append(receiving)
        processes.append(process)
    answers: dict[int, Any] = {}
    try:
        while len(answers) < len(works):
            waiting = [c for i, c in enumerate(channels) if i not in answers]
            for channel in wait(waiting, timeout=POLL_SECONDS):
                number = channels.index(channel)  # type: ignore[arg-type]
                answers[number] = received(channels[number], processes[number])
            if progress is not None:
                progress("train", sum(done), total)
    finally:
        for process in processes:
            process.terminate()
            process.join()
    return [answers[number] for number in range(len(works))]


def received(channel: Connection, process: Any) -> Any:
    """What a process answered.

    Raises:
        LimbeckError: if it answered with an error, or was killed.
    """
    try:
        ok, answer = channel.recv()
    except EOFError:
        process.join()
        raise LimbeckError(
            f"a training process ended with code {process.exitcode}, perhaps for lack of memory. "
            "Run it again: it goes on from its checkpoints; or train one by one."
        ) from None
    if not ok:
        raise LimbeckError(f"a training process failed: {answer}")
    return answer


def child(work: Work, number: int, done: Any, channel: Connection, parent: int) -> None:
    """The life of a process: work with one thread, answer, end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a dead or diverged student would slow its stack a hundredfold

    def told(_: str, made: int, __: int) -> None:
        done[number] = made
        if os.getppid() != parent:  # nobody is left to read what is trained here
            os._exit(1)

    try:
        channel.send((True, work(told)))
    except LimbeckError as error:
        channel.send((False, str(error)))
    except Exception:
        channel.send((False, traceback.format_exc()))
    finally:
        channel.close()
