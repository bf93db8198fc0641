"""The page of a fit: what it says, and every number from the fit itself."""

from dataclasses import replace
from pathlib import Path

import pytest
from markupsafe import escape

from limbeck.reporting import report_fit
from limbeck.reporting.fitted import rows_of
from limbeck.reporting.softness import softness


@pytest.fixture(scope="module")
def text(found, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report_fit(found, tmp_path_factory.mktemp("fit") / "report.html").read_text()


def test_the_verdict_is_the_one_against_the_current_student(found, text) -> None:
    """The verdict over the winner's twin, sold as one over what is deployed."""
    head = text.partition("<main>")[0]
    assert found.sentence in head
    assert "+1.80 points" in head
    assert "TIES" in head
    assert found.comparison.sentence not in head


def test_every_candidate_is_in_the_table(found, text) -> None:
    """A candidate that nobody knows was tried."""
    section = text.partition('id="candidates"')[2].partition("</section>")[0]
    for tried in found.candidates:
        assert f">{escape(tried.name)}" in section
    assert "over the budget, not trained" in section
    assert "stopped after 3 epochs" in section


def test_what_would_come_next_is_told(found, text) -> None:
    """A front without a step to take along it."""
    advice = text.partition('id="advice"')[2]
    assert found.next_steps[0] in advice


def test_the_points_are_the_candidates_within_the_budget(found) -> None:
    """An accuracy of 0 for a student that was never trained."""
    rows = {row["candidate"]: row for row in rows_of(found)}
    assert set(rows) == {tried.name for tried in found.candidates if tried.file}
    winner = rows[found.winner]
    assert winner["place"] == "on the front"
    assert winner["accuracy"] == pytest.approx(94.5)
    assert "hidden" in winner["recipe"]
    assert "temperature 1.5" in winner["recipe"]
    stopped = next(row for row in rows.values() if row["place"] == "stopped early")
    assert stopped["training"] == "3 epochs"
    assert "temperature 1," in stopped["recipe"]


def test_a_slower_one_that_is_only_smaller_is_not_on_the_line(found) -> None:
    """A line of accuracy over latency that falls."""
    assert [row["candidate"] for row in rows_of(found) if row["leads"]] == list(found.front)
    turned = replace(found, front=("mlp 32", "mlp 16"))
    less = replace(turned.candidates[0].final, validation_accuracies=(0.95, 0.96))
    first = replace(turned.candidates[0], final=less)
    rows = rows_of(replace(turned, candidates=(first, *turned.candidates[1:])))
    assert [row["candidate"] for row in rows if row["leads"]] == ["mlp 16"]


def test_the_same_fit_gives_the_same_page(found, text, tmp_path: Path) -> None:
    """A page that differs from day to day for the same figures."""
    assert report_fit(found, tmp_path / "again.html").read_text() == text


def test_the_surface_is_drawn_where_there_was_a_search(found, text) -> None:
    """A temperature that fell from the sky."""
    assert "chart-softness" in text
    assert "temperature 1, hard labels 0%, from the teacher" in text
    assert "the finals took temperature 1.5, hard labels 20%" in text
    assert found.softness is not None
    alone = replace(found.softness, accuracies={})
    assert softness(alone) is None
    assert softness(None) is None
