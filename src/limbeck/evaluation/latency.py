"""How long one answer takes, on this machine and with this many threads."""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from limbeck.evaluation.scoring import forward
from limbeck.students import Student
from limbeck.teachers import Teacher
from limbeck.transfer_sets import TransferSet

__all__ = ["LATENCY_BATCH", "RUNS", "WARM_UP", "Latency", "latency", "milliseconds"]

LATENCY_BATCH = 64
"""The larger of the two batch sizes that are timed."""

RUNS = 50
"""How many passes are timed, unless a slow model has used up its second before."""

LEAST_RUNS = 5
"""How many passes are timed however slow the model."""

SECONDS = 1.0
"""For how long passes are timed."""

WARM_UP = 10
"""How many passes are made before the clock counts."""

WARM_UP_SECONDS = 0.5
"""After how long the warm-up of a slow model ends, at least one pass being made."""


@dataclass(frozen=True)
class Latency:
    """The time from inputs in memory to logits in memory, by a monotonic clock.

    Attributes:
        batch: Examples per pass.
        p50_ms: Median of the passes, in milliseconds.
        p95_ms: 95th percentile of the passes, in milliseconds.
        runs: How many passes were timed.
        warm_up: How many were made before.
        threads: How many CPU threads torch used.
        processor: What the machine calls its processor.
        note: What was not timed as it would be deployed; empty otherwise.
    """

    batch: int
    p50_ms: float
    p95_ms: float
    runs: int
    warm_up: int
    threads: int
    processor: str
    note: str = ""


def latency(
    model: Teacher | Student,
    transfer_set: TransferSet,
    *,
    batch: int = 1,
    runs: int = RUNS,
    warm_up: int = WARM_UP,
) -> Latency:
    """Time a model on the first examples of a transfer set.

    The members of an ensemble are timed one after the other, so that only one is in memory, and
    the k-th passes of all are added up.

    Raises:
        ValueError: if batch, runs or warm_up is below 1.
    """
    for name, value in (("batch", batch), ("runs", runs), ("warm_up", warm_up)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be 1 or more.")
    rows = torch.arange(batch) % len(transfer_set)
    examples = transfer_set.batch(rows)
    members: tuple[Teacher | Student, ...] = (model,)
    if isinstance(model, Teacher):
        members = model.members
    passes: list[list[float]] = []
    warmed = warm_up
    for member in members:
        with forward(member) as answer:
            work = partial(answer, examples)
            warmed = min(warmed, warm(work, warm_up))
            passes.append(milliseconds(work, runs))
        if isinstance(member, Teacher) and len(members) > 1:
            member.release()
    timed = min(len(one) for one in passes)
    totals = torch.tensor([one[:timed] for one in passes], dtype=torch.float64).sum(dim=0)
    return Latency(
        batch=batch,
        p50_ms=quantile(totals, 0.5),
        p95_ms=quantile(totals, 0.95),
        runs=timed,
        warm_up=warmed,
        threads=torch.get_num_threads(),
        processor=processor(),
        note=f"{len(members)} members, one after the other" if len(members) > 1 else "",
    )


def warm(work: Callable[[], object], passes: int) -> int:
    """Work without timing, and how many passes were made; fewer of slow work, but at least 1."""
    begun = time.perf_counter()
    for done in range(1, passes + 1):
        work()
        if time.perf_counter() - begun > WARM_UP_SECONDS:
            return done
    return passes


def milliseconds(work: Callable[[], object], runs: int) -> list[float]:
    """How long each pass took; fewer passes of slow work, but at least 5."""
    taken: list[float] = []
    begun = time.perf_counter()
    while len(taken) < runs and (len(taken) < LEAST_RUNS or time.perf_counter() - begun < SECONDS):
        start = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return taken


def quantile(values: Tensor, share: float) -> float:
    return float(values.quantile(share))


def processor() -> str:
    """The processor's name where the system tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
