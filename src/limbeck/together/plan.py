"""How to train some students together: stacked, one process per core, or both; a probe decides."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from limbeck.fitting import Fitting
from limbeck.job import Progress
from limbeck.loop import batches, learn
from limbeck.together.grouping import Pending
from limbeck.together.stack import Stack
from limbeck.together.workers import can_fork, in_processes

__all__ = ["ONE_BY_ONE", "Plan", "chosen_plan"]

LEAST_SECONDS = 5.0
"""Work that takes less than this one by one is not worth a probe."""

PROBED_SHARE, PROBED_SECONDS = 0.01, 1.0
"""What a probe of one way may cost: this share of the work, this much at most."""

WORTH = 1.05
"""How much faster another way must be than one by one to be taken."""

TOLERANCE = 1e-3


@dataclass(frozen=True)
class Plan:
    """How to train students together.

    Attributes:
        stacked: As one stacked model (in each process), instead of one by one.
        processes: How many processes train at the same time, >= 1, each with one thread; 1: this
            process, with all its threads.
        why: What spoke for it, in a sentence; "" where it was asked for.
    """

    stacked: bool = False
    processes: int = 1
    why: str = ""

    @property
    def here(self) -> bool:
        """Whether it is plain training, one student after the other, in this process."""
        return not self.stacked and self.processes == 1

    def __str__(self) -> str:
        how = "stacked" if self.stacked else "one by one"
        where = f" in {self.processes} processes" if self.processes > 1 else ""
        return f"{how}{where}" + (f" ({self.why})" if self.why else "")


ONE_BY_ONE = Plan()


def chosen_plan(runs: Sequence[Pending], reason: str) -> Plan:
    """The way that a probe finds fastest.

    Args:
        runs: The students.
        reason: Why they cannot be stacked; "" if they can.
    """
    job = runs[0].job
    cores = torch.get_num_threads() if can_fork(job.device) else 1
    if len(runs) == 1:
        return ONE_BY_ONE
    alone = per_second(one_by_one(runs[:1]), seconds=0.0)
    work = len(runs) * job.updates / alone
    if work < LEAST_SECONDS:
        return replace(ONE_BY_ONE, why="too little work to share out")
    seconds = min(PROBED_SECONDS, PROBED_SHARE * work)
    alone = per_second(one_by_one(runs[:1]), seconds)
    rates = {ONE_BY_ONE: WORTH * alone}
    if cores > 1:
        rates[Plan(processes=cores)] = rate_in_processes(runs, one_by_one, cores, seconds)
    if not reason:
        if cores > 1:
            rate = rate_in_processes(runs, stacked, cores, seconds)
        else:
            rate = rate_stacked(runs, seconds)
        rates[Plan(stacked=True, processes=cores)] = rate
    best = max(rates, key=rates.__getitem__)
    told = f"{rates[best] / alone:.1f} times as fast as one by one" if best != ONE_BY_ONE else ""
    return replace(best, why="; ".join(text for text in (told, reason) if text))


Steps = Iterator[int]
"""Each item is so many updates made."""


def per_second(steps: Steps, seconds: float, *, warm_up: int = 2, least: int = 3) -> float:
    """Updates a second, over this time and at least so many steps."""
    for _ in range(warm_up):
        next(steps, 0)
    made, begun = 0, time.perf_counter()
    for count, updates in enumerate(steps, start=1):
        made += updates
        if count >= least and time.perf_counter() - begun >= seconds:
            break
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return max(made, 1) / (time.perf_counter() - begun)


def one_by_one(runs: Sequence[Pending]) -> Steps:
    """Updates of the first of these students, on a copy that nothing is kept of."""
    first = runs[0]
    job = replace(first.job, checkpoint=None)
    fitting = Fitting(job, first.seed)
    while True:
        for batch in batches(job, first.seed):
            learn(fitting, batch)
            yield 1


def stacked(runs: Sequence[Pending]) -> Steps:
    """Updates of all of these students as a stack, of which nothing is kept."""
    stack = Stack([run.begin() for run in runs])
    check_same(stack)
    while True:
        for rows, view in stack.batches():
            stack.update(rows, view)
            yield len(runs)


def rate_in_processes(
    runs: Sequence[Pending],
    steps: Callable[[Sequence[Pending]], Steps],
    cores: int,
    seconds: float,
) -> float:
    """Updates a second of all processes together."""
    works = [partial(probed, steps, runs[core::cores], seconds) for core in range(cores)]
    rates: list[float] = in_processes([w for w in works if w.args[1]])
    return sum(rates)


def probed(
    steps: Callable[[Sequence[Pending]], Steps],
    runs: Sequence[Pending],
    seconds: float,
    _: Progress,
) -> float:
    return rate_of(steps, runs, seconds)


def rate_stacked(runs: Sequence[Pending], seconds: float) -> float:
    return rate_of(stacked, runs, seconds)


def rate_of(
    steps: Callable[[Sequence[Pending]], Steps], runs: Sequence[Pending], seconds: float
) -> float:
    """Updates a second; 0 for a model that cannot be stacked, as torch only finds when it tries."""
    try:
        return per_second(steps(runs), seconds)
    except (RuntimeError, ValueError, NotImplementedError):
        return 0.0


@torch.no_grad()
def check_same(stack: Stack) -> None:
    """Refuse a stack whose students do not say what they say alone.

    Raises:
        ValueError: if some do not.
    """
    rows, view = next(stack.batches())
    batch = stack.job.transfer_set.batch(rows.flatten(), view).to(stack.device)
    inputs: Any = batch.inputs.unflatten(0, rows.shape)
    logits = stack.model.logits(inputs, stack.orders)
    for position in (0, len(stack.fittings) - 1):
        order = 0 if stack.orders is None else int(stack.orders[position])
        alone = stack.fittings[position].student.module(inputs[order])
        if not torch.allclose(logits[position], alone, rtol=TOLERANCE, atol=TOLERANCE):
            raise ValueError("a stacked student says something else than the student alone.")
