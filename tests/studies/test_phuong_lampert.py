"""The study of linear students: every finding is checked, and what was computed is kept."""

import pytest

from limbeck.studies import Study
from limbeck.studies import phuong_lampert as study


@pytest.fixture
def small(tmp_path, monkeypatch) -> Study:
    monkeypatch.setitem(study.SIZES, "smoke", study.Settings(draws=20, grown=3, updates=200))
    return Study("phuong-lampert", "smoke", tmp_path, say=lambda line: None)


def test_every_finding_holds_and_figures_are_drawn(small):
    """Prevents a table that is right only at the size it was written for."""
    rows = study.run(small)
    assert all(row.holds is not False and not row.why for row in rows)
    assert sum(row.holds is True for row in rows) >= 12
    drawn = sorted(path.stem for path in small.folder.glob("*.svg"))
    assert drawn == [f"phuong-lampert-{name}" for name in ("angle", "bias", "deep", "risk")]


def test_a_finished_study_computes_nothing_again(small, monkeypatch):
    """Prevents hours of work for a changed title."""
    rows = study.run(small)
    for name in ("closed_form", "deep_students", "mean_risks", "growing", "biased"):
        monkeypatch.setattr(study.linear, name, lambda *_, **__: pytest.fail("computed again"))
    assert study.run(Study("phuong-lampert", "smoke", small.folder)) == rows


def test_a_finding_that_fails_says_why():
    """Prevents a row without a reason, and a reason where there is nothing to explain."""
    deep = [
        {"layers": layers, "norm": norm, "error": norm ** (1 / layers), "predicted": 1.0}
        for layers in (1, 2, 3)
        for norm in (0.1, 0.01)
    ]
    closed, slope, miss, *_ = study.exact_rows({"5 examples": 1e-3}, deep)
    assert (closed.holds, closed.why) == (False, "3.00 (n = 1) where at least 6 is wanted.")
    assert (slope.holds, slope.why) == (True, "")
    assert (miss.holds, miss.why) == (False, "a finite step leaves the path of gradient flow.")
    above = [
        {"law": law, "examples": n, "risk": 0.9 / n, "error": 0.0, "bound": 0.05}
        for law in study.LAWS
        for n in (10, 20, 100)
    ]
    first, *_, last = study.risk_rows(above)
    assert first.holds is False
    assert "('power 0.25', 10)" in first.why
    assert last.holds is False
    assert "-1.00, -1.00" in last.why


def test_a_single_rise_among_many_sets_is_a_failure():
    """Prevents a mean that rounds to 0 from passing for "never"."""
    grown = {"soft rises": [0.0] * 99 + [1e-3], "risk rises": [0.0], "hard rises": [0.0]}
    bias = [{"risk": 0.1 * (1 + distance), "loss": 0.0} for distance in study.DISTANCES]
    soft, risk, hard, *_, moved = study.data_rows(grown, bias)
    assert (soft.holds, risk.holds, hard.holds) == (False, True, False)
    assert moved.ours.mean == pytest.approx(2.0)
