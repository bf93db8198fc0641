"""Two ONNX files timed in turns, so that what else the machine does falls on both."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from limbeck.evaluation.latency import LEAST_RUNS, SECONDS, WARM_UP, processor

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["RUNS_IN_TURNS", "TimedPair", "in_turns", "session_of"]

RUNS_IN_TURNS = 300
"""How many passes of each file are timed, unless slow ones have used up two seconds before."""


@dataclass(frozen=True)
class TimedPair:
    """Medians of passes in ONNX Runtime on one thread, taken in turns.

    Attributes:
        first_p50_ms: Of the first file, in milliseconds.
        second_p50_ms: Of the second file, in milliseconds.
        runs: How many passes of each were timed.
        processor: What the machine calls its processor.
    """

    first_p50_ms: float
    second_p50_ms: float
    runs: int
    processor: str

    @property
    def ratio(self) -> float:
        """Of the second median to the first."""
        return self.second_p50_ms / self.first_p50_ms


def in_turns(
    first: Path, second: Path, inputs: Shaped[np.ndarray, "b ..."], runs: int = RUNS_IN_TURNS
) -> TimedPair:
    """Time two files with the input "inputs" on the same batch.

    Args:
        first: An ONNX file.
        second: Another one.
        inputs: What both are given.
        runs: Passes of each, >= 1.
    """
    sessions = [session_of(path) for path in (first, second)]
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(WARM_UP):
        for session in sessions:
            session.run(None, {"inputs": inputs})
    begun = time.perf_counter()
    for done in range(runs):
        if done >= LEAST_RUNS and time.perf_counter() - begun > 2 * SECONDS:
            break
        for session, times in zip(sessions, taken, strict=True):
            start = time.perf_counter_ns()
            session.run(None, {"inputs": inputs})
            times.append((time.perf_counter_ns() - start) / 1e6)
    medians = [statistics.median(times) for times in taken]
    return TimedPair(medians[0], medians[1], len(taken[0]), processor())


def session_of(path: Path, threads: int = 1) -> "onnxruntime.InferenceSession":
    """An ONNX file, ready to run on so many threads of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
