"""Quantise a student to INT8, and prove on real rows what that costs before the file is kept.

The ranges come from rows of the transfer set. The gate is measured on the validation part, which
the student was not trained on, or on the test part where there is no validation. Both files answer
the same rows in ONNX Runtime, and are timed in turns.
"""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Shaped
from torch import Tensor

from limbeck import parity
from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation.in_turns import TimedPair, in_turns, session_of
from limbeck.exporting import Export, arriving, export, in_full, require_onnx
from limbeck.job import Progress
from limbeck.quantization import quantize_file
from limbeck.quantized_training import finish
from limbeck.students import Student
from limbeck.training import Run
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

__all__ = [
    "CALIBRATION_ROWS",
    "GATE",
    "Cost",
    "Quantized",
    "calibration_rows",
    "padding_of",
    "quantize",
]

CALIBRATION_ROWS = 1000
"""From how many rows of the transfer set, evenly spread, the ranges of activations are taken."""

GATE = 0.2
"""How many points of accuracy INT8 may cost, unless told otherwise."""

OTHER_STUDENT = 1e-2


@dataclass(frozen=True)
class Cost:
    """What an INT8 file costs on some labelled rows.

    Attributes:
        part: What the rows are: "validation" or "test".
        examples: How many there are.
        float_accuracy: Of the float file, in [0, 1].
        accuracy: Of the INT8 file, in [0, 1].
        agreement: Share of the rows that both files give the same class, in [0, 1].
    """

    part: str
    examples: int
    float_accuracy: float
    accuracy: float
    agreement: float

    @property
    def points(self) -> float:
        """Points of accuracy that are lost; negative where INT8 is right more often."""
        return 100 * (self.float_accuracy - self.accuracy)

    def __str__(self) -> str:
        lost = round(self.points, 2) + 0.0  # no minus before a zero
        return (
            f"{lost:.2f} points of accuracy lost on {self.examples:,} {self.part} rows "
            f"({self.float_accuracy:.2%} to {self.accuracy:.2%}), {self.agreement:.2%} with the "
            "float student's class"
        )


@dataclass(frozen=True)
class Quantized:
    """An INT8 file that passed its gate, and what it costs and saves.

    Attributes:
        path: The file, which `predict` reads.
        bytes: Its size on disk.
        float_bytes: The size of the float file.
        gate: How many points of accuracy it was allowed to lose.
        cost: On the rows of the gate.
        plain: What it cost there before the finishing; the same as `cost` where none was needed.
        updates: Of the finishing; 0 where none was needed.
        test: The cost on the test part; None where none was given.
        times: The float file and this one, batch 1, one thread, timed in turns.
        calibration_rows: How many rows of the transfer set gave the ranges.
    """

    path: Path
    bytes: int
    float_bytes: int
    gate: float
    cost: Cost
    plain: Cost
    updates: int
    test: Cost | None
    times: TimedPair
    calibration_rows: int

    def __str__(self) -> str:
        times = self.times
        test = f"; {self.test}" if self.test is not None and self.cost.part != "test" else ""
        finished = (
            ""
            if self.updates == 0
            else f" Plain quantisation lost {self.plain.points:.2f} points; {self.updates:,} "
            "updates with the student's own objective brought it here."
        )
        gate = (
            f"gate: {self.gate:g} points" if self.gate < 100 else "chosen as it is, without a gate"
        )
        return (
            f"{self.path} ({self.bytes / 1000:,.1f} kB, {self.bytes / self.float_bytes:.2f} of the "
            f"float file; p50 {times.second_p50_ms:.3f} ms, {times.ratio:.2f} of its "
            f"{times.first_p50_ms:.3f} ms, {times.runs} passes in turns, batch 1, one thread): "
            f"{self.cost} ({gate}){test}.{finished}"
        )


def quantize(
    run: Run,
    exported: Export,
    *,
    test: TransferSet | None = None,
    gate: float = GATE,
    progress: Progress | None = None,
) -> Quantized:
    """Write the INT8 twin of an exported student beside it: student.int8.onnx.

    Where rounding costs more than the gate allows, the student is first trained a little more with
    rounding in it. The twin has the input, the output and the metadata of the float file. An older
    twin is removed: it is of another student.

    Args:
        run: What trained the student: its transfer set gives the ranges, its validation part the
            gate.
        exported: The student as float32, from `export`.
        test: Labelled rows to measure the cost on beside the gate's; they decide nothing, unless
            there is no validation part.
        gate: How many points of accuracy may be lost, >= 0.
        progress: Told of each update of the finishing.

    Raises:
        LimbeckError: if INT8 costs more than the gate allows (no file is left), the file is of
            another student, nothing in it can be quantised, or there are no labelled rows to
            measure on.
        ValueError: if the gate is negative or not finite.

    Example:
        >>> exported = export(run.student, "student.onnx")  # doctest: +SKIP
        >>> print(quantize(run, exported, test=data.test))  # doctest: +SKIP
    """
    if not 0 <= gate < math.inf:
        raise ValueError(f"gate is {gate}; it is in points of accuracy, >= 0 and finite.")
    require_onnx()
    part, data = gate_rows(run, test)
    rows = calibration_rows(run.student, run.transfer_set)
    check_same_student(run.student, exported, rows)
    path = exported.path.with_suffix(".int8.onnx")
    path.unlink(missing_ok=True)
    padding, updates = padding_of(run.student), 0
    with arriving(path) as arrived:
        quantize_file(exported.path, arrived, rows, padding)
        plain = cost = measured(part, exported.path, arrived, run.student, data)
        if not passes(plain, gate):
            finished, updates = finish(run, rows, progress)
            with tempfile.TemporaryDirectory() as folder:
                again = export(finished, Path(folder) / "student.onnx")
                quantize_file(again.path, arrived, rows, padding)
            cost = measured(part, exported.path, arrived, run.student, data)
        if not passes(cost, gate):
            raise refusal(plain, cost, updates, gate)
        tested = (
            None if test is None else measured("test", exported.path, arrived, run.student, test)
        )
        one = next(parity.batches(rows, padding))
        times = in_turns(exported.path, arrived, one.numpy())
    sizes = path.stat().st_size, exported.path.stat().st_size
    return Quantized(path, *sizes, gate, cost, plain, updates, tested, times, len(rows))


def gate_rows(run: Run, test: TransferSet | None) -> tuple[str, TransferSet]:
    """The rows that the gate is measured on, and which part they are.

    Raises:
        DataError: if there are none with a label.
    """
    for part, data in (("validation", run.validation), ("test", test)):
        if data is not None and bool((data.labels != UNLABELLED).any()):
            return part, data
    raise DataError(
        "there are no labelled rows to measure what INT8 costs: neither a validation nor a test "
        "part. State 'validation: 0.1' for the data, or pass some: quantize(run, file, test=...)"
    )


def calibration_rows(student: Student, transfer_set: TransferSet) -> Shaped[Tensor, "n ..."]:
    """Up to a thousand rows, evenly spread, as the exported student reads them."""
    count = min(len(transfer_set), CALIBRATION_ROWS)
    rows = torch.linspace(0, len(transfer_set) - 1, count, dtype=torch.float64).round().long()
    return in_full(student.inputs(transfer_set.batch(rows)))


def check_same_student(student: Student, exported: Export, rows: Shaped[Tensor, "n ..."]) -> None:
    """Refuse the file of another student: what its twin costs would say nothing of this one."""
    if not exported.path.is_file():
        raise LimbeckError(f"there is no {exported.path}. Export the student first.")
    some, padding = rows[:68], padding_of(student)
    expected = parity.torch_logits(student.module, some, padding)
    found = parity.runtime_logits(exported.path, some, padding)
    if found.shape != expected.shape or float((found - expected).abs().max()) > OTHER_STUDENT:
        raise LimbeckError(
            f"{exported.path} answers otherwise than the student of this run. Export it again."
        )


def padding_of(student: Student) -> int | None:
    """The id of the padding token of a student of texts."""
    return None if student.tokenization is None else student.tokenization.padding


def measured(part: str, full: Path, twin: Path, student: Student, data: TransferSet) -> Cost:
    """Both files on the labelled rows."""
    data = data.labelled()
    sessions = session_of(full), session_of(twin)
    hits, twin_hits, same = 0, 0, 0
    for rows in data.row_batches(data.rows_at_once):
        batch = data.batch(rows)
        inputs = {"inputs": in_full(student.inputs(batch)).numpy()}
        answers = [torch.from_numpy(each.run(["logits"], inputs)[0]) for each in sessions]
        first, second = (answer.argmax(dim=1) for answer in answers)
        hits += int((first == batch.labels).sum())
        twin_hits += int((second == batch.labels).sum())
        same += int((first == second).sum())
    count = len(data)
    return Cost(part, count, hits / count, twin_hits / count, same / count)


def passes(cost: Cost, gate: float) -> bool:
    """Whether no more is lost than allowed, up to the rounding of a share."""
    return cost.points <= gate + 1e-9


def refusal(plain: Cost, cost: Cost, updates: int, gate: float) -> LimbeckError:
    """Why there is no INT8 file, and what to do."""
    one = 100 / cost.examples
    coarse = (
        f" One of these {cost.examples:,} rows is {one:.2f} points, more than the gate: measure on "
        "more rows."
        if one > gate
        else ""
    )
    return LimbeckError(
        f"INT8 costs more than its gate of {gate:g} points: {plain}; after {updates:,} updates of "
        f"finishing, {cost}. No INT8 file was written."
        f"{coarse} Allow more (a gate of {math.ceil(100 * cost.points) / 100:g}), distil a wider "
        "student, or deploy the float file."
    )
