"""What a candidate costs, known before any training: its file's size, and its time per answer.

An untrained student is as large and as fast as a trained one. Each is exported to ONNX, as float32
and as INT8, and run in ONNX Runtime with the budget's batch and threads, on real rows. The files
are timed in turn, several times over: what else the machine does in the meantime hits all of them
alike, and the median over the rounds leaves out one that was disturbed. Figures are kept in a file
with the machine that they hold for.
"""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Shaped

from limbeck.artefacts import read_json, write_json
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.candidates import Candidate
from limbeck.errors import LimbeckError
from limbeck.evaluation.in_turns import session_of
from limbeck.evaluation.latency import processor
from limbeck.exporting import export, in_full
from limbeck.job import Progress
from limbeck.quantization import quantize_file
from limbeck.quantizing import padding_of
from limbeck.students import Student
from limbeck.transfer_sets import TransferSet

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["LEAST_RUNS", "Measured", "machine", "measure", "within"]

Array = np.ndarray[Any, Any]

ROUNDS = 3
"""How often each candidate has its turn."""

LEAST_RUNS = 70
"""Passes that are timed in each round, however slow the student: at least 210 in all."""

MOST_RUNS, ROUND_SECONDS = 1000, 0.2
"""Of fast students more passes are timed, until one of these is reached."""

WARM_UP = 20
ROWS = 64
"""Real rows that the passes go through."""


@dataclass(frozen=True)
class Measured:
    """What a file costs on this machine, under the budget's conditions.

    Attributes:
        precision: "float32" or "int8".
        bytes: Of the ONNX file.
        p50_ms: Median time of a pass, in milliseconds.
        p95_ms: 95th percentile, in milliseconds.
        runs: How many passes were timed.
    """

    precision: str
    bytes: int
    p50_ms: float
    p95_ms: float
    runs: int

    def milliseconds(self, budget: Budget) -> float:
        """The percentile that the budget names."""
        return self.p50_ms if budget.percentile == 50 else self.p95_ms


def within(budget: Budget, measured: Sequence[Measured]) -> Measured | None:
    """The file that keeps to the budget, float32 before int8; None if none does."""
    kept = [m for m in measured if budget.excess(m.milliseconds(budget), m.bytes) <= 1]
    return kept[0] if kept else None


def machine(budget: Budget) -> dict[str, Any]:
    """What latencies hold for."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "onnxruntime": version("onnxruntime"),
        "batch": budget.batch,
        "threads": budget.threads,
    }


def measure(
    candidates: Sequence[Candidate],
    budget: Budget,
    data: TransferSet,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> dict[str, tuple[Measured, ...]]:
    """Measure every candidate, untrained; those measured on this machine before are read.

    Args:
        candidates: All of them.
        budget: Whose batch and threads are used.
        data: Real rows, at least one.
        folder: Where measurements.json is kept.
        progress: Told of each candidate.

    Returns:
        By name, what its float32 file costs, then its INT8 file where it can have one.

    Raises:
        LimbeckError: if a candidate cannot be exported, naming it.
    """
    path, here = folder / "measurements.json", machine(budget)
    kept = read_json(path) if path.is_file() else {}
    known = kept["measured"] if kept.get("machine") == here else {}
    identities = {candidate.name: candidate.identity for candidate in candidates}
    new = [c for c in candidates if identities[c.name] not in known]
    files: dict[str, dict[str, Path]] = {}
    for number, candidate in enumerate(new):
        files[candidate.name] = exported(candidate, data, folder / "untrained")
        if progress is not None:
            progress("export untrained candidates", number + 1, len(new))
    inputs = {c.name: batches(c.student, data, budget.batch) for c in new}
    for name, measured in timed(files, inputs, budget, progress).items():
        known[identities[name]] = [asdict(file) for file in measured]
    if new:
        write_json(path, {"machine": here, "measured": known})
    return {
        name: tuple(Measured(**facts) for facts in known[identity])
        for name, identity in identities.items()
    }


def exported(candidate: Candidate, data: TransferSet, folder: Path) -> dict[str, Path]:
    """The candidate's files by precision, with the initial weights of seed 0."""
    path = folder / candidate.identity[:16] / "student.onnx"
    student = candidate.student
    few = torch.arange(min(len(data), ROWS))
    try:
        found = {"float32": export(student, path, data=data.select(few)).path}
    except LimbeckError as error:
        raise LimbeckError(f"the candidate '{candidate.name}': {error}") from error
    rows = in_full(student.inputs(data.batch(few)))
    with suppress(LimbeckError):  # nothing in it that can be quantised
        quantize_file(path, path.with_suffix(".int8.onnx"), rows, padding_of(student))
        found["int8"] = path.with_suffix(".int8.onnx")
    return found


def batches(student: Student, data: TransferSet, batch: int) -> list[Shaped[Array, "b ..."]]:
    """The first real rows in batches, as the file takes them; rows repeat where they are few."""
    count = max(batch, min(len(data), ROWS))
    rows = torch.arange(count) % len(data)
    found = []
    for part in rows.split(batch):
        if len(part) == batch:
            found.append(in_full(student.inputs(data.batch(part))).numpy())
    return found


def timed(
    files: Mapping[str, Mapping[str, Path]],
    inputs: Mapping[str, list[Shaped[Array, "b ..."]]],
    budget: Budget,
    progress: Progress | None,
) -> dict[str, tuple[Measured, ...]]:
    """Time all files in turn, round after round."""
    sessions = {
        (name, precision): session_of(path, budget.threads)
        for name, each in files.items()
        for precision, path in each.items()
    }
    rounds: dict[tuple[str, str], list[Array]] = {key: [] for key in sessions}
    for turn in range(ROUNDS):
        for number, (key, running) in enumerate(sessions.items()):
            rounds[key].append(passes(running, inputs[key[0]]))
            if progress is not None:
                done = turn * len(sessions) + number + 1
                progress("time untrained candidates", done, ROUNDS * len(sessions))
    return {
        name: tuple(
            measured(precision, path.stat().st_size, rounds[name, precision])
            for precision, path in each.items()
        )
        for name, each in files.items()
    }


def measured(precision: str, bytes: int, rounds: Sequence[Float[Array, " n"]]) -> Measured:
    """The median over the rounds of each round's percentiles."""
    return Measured(
        precision=precision,
        bytes=bytes,
        p50_ms=float(np.median([np.quantile(taken, 0.5) for taken in rounds])),
        p95_ms=float(np.median([np.quantile(taken, 0.95) for taken in rounds])),
        runs=sum(len(taken) for taken in rounds),
    )


def passes(
    running: "onnxruntime.InferenceSession", inputs: Sequence[Shaped[Array, "b ..."]]
) -> Float[Array, " n"]:
    """How long each pass of a round took, in milliseconds."""
    names = [running.get_outputs()[0].name]
    key = running.get_inputs()[0].name

    def answer(number: int) -> None:
        running.run(names, {key: inputs[number % len(inputs)]})

    for number in range(WARM_UP):
        answer(number)
    taken: list[float] = []
    begun = time.perf_counter()
    while len(taken) < MOST_RUNS and (
        len(taken) < LEAST_RUNS or time.perf_counter() - begun < ROUND_SECONDS
    ):
        start = time.perf_counter_ns()
        answer(len(taken))
        taken.append((time.perf_counter_ns() - start) / 1e6)
    return np.asarray(taken)
