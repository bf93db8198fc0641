"""The finals: the last candidates in full, with their twins, against the current student.

The winner is the most accurate on the validation part. Only then is the test part read. A candidate
that keeps to the budget as INT8 alone is judged by its INT8 files; its twins stay float32.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from limbeck.budgeting.measuring import Measured
from limbeck.budgeting.result import Finalist
from limbeck.errors import LimbeckError
from limbeck.evaluation.accuracy import correct
from limbeck.evaluation.in_turns import session_of
from limbeck.evaluation.scoring import labelled_rows, score
from limbeck.evaluation.significance import crossed
from limbeck.exporting import arriving, export, in_full
from limbeck.fingerprint import module_digest
from limbeck.job import History, Job, Progress
from limbeck.quantization import quantize_file
from limbeck.quantizing import calibration_rows, padding_of
from limbeck.sweeping import sweep_jobs
from limbeck.training import Run
from limbeck.transfer_sets import TransferSet

__all__ = ["Finals", "played"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Finals:
    """The finalists, trained and measured.

    Attributes:
        runs: By finalist, its distilled runs by seed.
        figures: By finalist.
        winner: The most accurate on the validation part; of equals the one listed first.
        current: Whether the current student from scratch was right, by seed and test example.
    """

    runs: Mapping[str, tuple[Run, ...]]
    figures: Mapping[str, Finalist]
    winner: str
    current: Float[Array, "s n"]


def played(
    jobs: Mapping[str, Job],
    files: Mapping[str, Measured],
    current: Job,
    seeds: Sequence[int],
    validation: TransferSet,
    test: TransferSet,
    folder: Path,
    *,
    progress: Progress | None = None,
) -> Finals:
    """Train the finalists, choose the winner, and measure all on the test part.

    Args:
        jobs: By finalist, what it is trained on and how.
        files: By finalist, the file that keeps to the budget.
        current: The job of the current student, which is trained from scratch.
        seeds: At least two.
        validation: Labelled examples that the winner is chosen on.
        test: Labelled examples that no choice was made on.
        folder: Where INT8 files are kept.
        progress: Told of each update.

    Raises:
        LimbeckError: if one of the trainings diverges.
    """
    runs = trained(jobs, seeds, progress)
    right = {
        name: hits(each, validation, files[name].precision, folder) for name, each in runs.items()
    }
    winner = max(jobs, key=lambda name: float(right[name].mean()))
    scratch = hits(twins_of(current, seeds, progress), test)
    figures = {}
    for name, distilled in runs.items():
        tested = hits(distilled, test, files[name].precision, folder)
        twins = hits(twins_of(jobs[name], seeds, progress), test)
        figures[name] = Finalist(
            validation_accuracies=tuple(right[name].mean(axis=1).tolist()),
            test_accuracy=crossed(tested).within(0.0, 1.0),
            difference_points=crossed(tested - scratch).scaled(100.0),
            twin_points=crossed(tested - twins).scaled(100.0),
        )
    return Finals(runs, figures, winner, scratch)


def trained(
    jobs: Mapping[str, Job], seeds: Sequence[int], progress: Progress | None
) -> dict[str, tuple[Run, ...]]:
    """All finalists with all seeds, together."""
    found = sweep_jobs([({"student": n}, job) for n, job in jobs.items()], seeds, progress=progress)
    for cell in found.cells:
        for seed, text in cell.failures.items():
            raise LimbeckError(f"the finalist {cell} failed with seed {seed}: {text}")
    return {str(cell.settings["student"]): tuple(cell.runs.values()) for cell in found.cells}


def twins_of(job: Job, seeds: Sequence[int], progress: Progress | None) -> list[Run]:
    """The students of a job, from scratch; trained ones are read from their checkpoints."""
    return Run(job.student, History(), seeds[0], job).twins(seeds, progress=progress)


def hits(
    runs: Sequence[Run], data: TransferSet, precision: str = "float32", folder: Path = Path()
) -> Float[Array, "s n"]:
    """1 where a run's student, or its INT8 file, is right on a labelled example, 0 where not."""
    rows = labelled_rows(data)
    if precision == "int8":
        return np.stack([file_hits(int8_file(run, folder), run, data.select(rows)) for run in runs])
    labels = data.labels[rows]
    found = [correct(score(run.student, data)[rows], labels).double().numpy() for run in runs]
    return np.stack(found)


def int8_file(run: Run, folder: Path) -> Path:
    """The student as INT8, made once for its weights."""
    path = folder / "int8" / f"{module_digest(run.student.module)[:32]}.onnx"
    if not path.is_file():
        rows, padding = calibration_rows(run.student, run.transfer_set), padding_of(run.student)
        with tempfile.TemporaryDirectory() as place, arriving(path) as part:
            full = export(run.student, Path(place) / "student.onnx").path
            quantize_file(full, part, rows, padding)
    return path


def file_hits(path: Path, run: Run, data: TransferSet) -> Float[Array, " n"]:
    """1 where the file is right, 0 where not."""
    session = session_of(path)
    found = np.empty(len(data))
    for rows in data.row_batches(data.rows_at_once):
        batch = data.batch(rows)
        inputs = in_full(run.student.inputs(batch)).numpy()
        logits = torch.from_numpy(session.run(["logits"], {"inputs": inputs})[0])
        found[rows.numpy()] = correct(logits, batch.labels).double().numpy()
    return found
