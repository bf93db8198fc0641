"""Measuring candidates before any training."""

from pathlib import Path

import pytest
import torch

import limbeck as lb
from limbeck.budgeting import measuring
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.candidates import Candidate
from limbeck.budgeting.measuring import Measured, measure, within
from limbeck.errors import LimbeckError


@pytest.fixture(scope="module")
def data() -> lb.TransferSet:
    return lb.transfer_sets.digits().test


def test_a_candidate_is_exported_once_and_its_figures_are_kept(
    data: lb.TransferSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes of measuring again after a kill, or figures of other conditions."""
    pytest.importorskip("onnxruntime")
    calls: list[dict[str, Path]] = []
    real = measuring.exported

    def counted(candidate: Candidate, rows: lb.TransferSet, folder: Path) -> dict[str, Path]:
        calls.append(calls[0] if calls else real(candidate, rows, folder))
        return calls[-1]

    monkeypatch.setattr(measuring, "exported", counted)
    small = Candidate("small", lb.students.mlp(64, [8], 10))
    first = measure([small], Budget(1.0), data, tmp_path)
    again = measure([small], Budget(2.0, 50), data, tmp_path)
    assert len(calls) == 1
    assert first == again
    assert [figures.precision for figures in first["small"]] == ["float32", "int8"]
    for figures in first["small"]:
        assert 0 < figures.p50_ms <= figures.p95_ms
        assert figures.runs >= 200
    assert first["small"][0].bytes > 4 * small.student.parameters_count()
    assert measure([small], Budget(1.0, batch=4), data, tmp_path)["small"][0].runs >= 200
    assert len(calls) == 2


def test_passes_go_over_real_rows_in_batches_of_the_budget(data: lb.TransferSet) -> None:
    """A batch of 32 that is timed with one row."""
    student = lb.students.mlp(64, [8], 10)
    for batch in (1, 7, 64, 1000):
        found = measuring.batches(student, data, batch)
        assert {len(part) for part in found} == {batch}
        assert torch.equal(torch.from_numpy(found[0])[0], data.batch(torch.arange(1)).inputs[0])


def test_a_slow_student_is_timed_often_enough() -> None:
    """A 95th percentile of five passes."""

    class Slow:
        def run(self, names: object, feeds: object) -> None:
            torch.zeros(1)

        def get_outputs(self) -> list[object]:
            return [type("Named", (), {"name": "logits"})]

        get_inputs = get_outputs

    taken = measuring.passes(Slow(), [torch.zeros(1).numpy()])  # type: ignore[arg-type]
    assert measuring.ROUNDS * min(len(taken), measuring.LEAST_RUNS) >= 200


def test_what_cannot_be_exported_is_named(data: lb.TransferSet, tmp_path: Path) -> None:
    """An exporter's error that does not say which of twenty candidates it is about."""

    class Branching(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(64, 10)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.linear(inputs.flatten(1))
            return out if out.sum() > 0 else -out

    candidate = Candidate("branching", lb.Student(Branching))
    with pytest.raises(LimbeckError, match="the candidate 'branching'.*cannot write this student"):
        measure([candidate], Budget(1.0), data, tmp_path)


def test_the_percentile_of_the_budget_decides() -> None:
    """A student with a fast median that misses its p95."""
    figures = (Measured("float32", 1000, 1.0, 3.0, 300), Measured("int8", 400, 1.5, 1.9, 300))
    assert within(Budget(2.0, 50), figures) == figures[0]
    assert within(Budget(2.0, 95), figures) == figures[1]
    assert within(Budget(2.0, 50, bytes=500), figures) == figures[1]
    assert within(Budget(0.5), figures) is None
