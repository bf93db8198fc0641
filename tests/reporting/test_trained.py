"""The page of a student that learned from labels alone."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from limbeck.evaluation import Evaluation, GroupScores, evaluate
from limbeck.exporting import Export
from limbeck.objectives import HardLabels
from limbeck.reporting import report_trained
from limbeck.reporting.trained import page_of_trained
from limbeck.reporting.wording import percent
from limbeck.students import mlp
from limbeck.training import Run, Training, distill
from limbeck.transfer_sets import digits

EXPORT = Export(Path("runs/student.onnx"), 26_113, 1.91e-6, 0.9972, 360, (1, 8, 8), ("cat", "dog"))
RECIPE = "objective: hard_labels\n"


@pytest.fixture(scope="module")
def run() -> Run:
    data = digits(labelled=200)
    training = Training(epochs=5, batch_size=100)
    return distill(
        mlp(64, [8], 10),
        None,
        data.train.labelled(),
        HardLabels(),
        training,
        seed=3,
        validation=data.validation,
    )


@pytest.fixture(scope="module")
def measured(run: Run) -> Evaluation:
    test = digits(labelled=200).test
    assert test is not None
    return evaluate(run.student, test)


def words(path: Path) -> str:
    """What a reader sees, charts aside."""
    text = re.sub(r"<(script|style).*?</\1>", " ", path.read_text(encoding="utf-8"), flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_it_says_what_was_measured_and_that_nothing_was_compared(run, measured, tmp_path) -> None:
    """A page that claims a verdict where there is none, or has an empty column for it."""
    path = report_trained(run, measured, tmp_path / "r.html", export=EXPORT, recipe=RECIPE)
    seen = words(path)
    order = [
        "TRAINED",
        "Trained on labels alone, the student is right on",
        "this is no verdict",
        "The numbers",
        "Training",
        "Does it know how sure it is?",
        "The exported file",
        "How to reproduce this",
        "objective: hard_labels",
        "Seed 3",
    ]
    places = [seen.index(part) for part in order]
    assert places == sorted(places)
    accuracy = percent(1 - measured.errors() / measured.examples)
    assert f"right on {accuracy} of {measured.examples} test examples" in seen
    assert f"Errors {measured.errors()} of {measured.examples}" in seen
    for word in ("Distilled", "From scratch", "BEATS", "TIES", "LOSES", "Agreement", "Gap"):
        assert word not in seen


def test_its_charts_are_of_the_student_alone(run, measured) -> None:
    """A line that is drawn in no colour, as its model is none of those with a verdict."""
    page = page_of_trained(run, measured, None, None)
    charts = {figure.id: figure for section in page.sections for figure in section.charts}
    assert list(charts) == ["chart-loss", "chart-validation", "chart-reliability"]
    for figure in charts.values():
        text = json.dumps(figure.specification)
        assert '"Student"' in text
        assert '"model": "Distilled"' not in text
    drawn = json.dumps(charts["chart-loss"].specification)
    assert all(f'"mean": {loss}' in drawn for loss in run.history.loss)
    assert not any(section.legend for section in page.sections)
    assert page.export == ()


def test_what_is_not_there_is_left_out(run, measured) -> None:
    """Empty tiles and charts; or rows without a label that nobody hears of."""
    history = replace(run.history, validation_accuracy=[])
    bare = replace(measured, parameters=None, bytes=None, latency=(), unlabelled=7)
    page = page_of_trained(replace(run, history=history), bare, None, None)
    assert [tile.name for tile in page.tiles] == ["Accuracy", "Errors"]
    assert [len(section.charts) for section in page.sections] == [1, 1]
    assert page.table.note.endswith("7 test examples without a label are left out.")
    assert "Latency measured on" not in dict(page.facts)


def test_groups_of_test_examples_are_shown(run, measured) -> None:
    """A student that serves one site badly, hidden in the mean."""
    sites = (GroupScores("site", "a", 10, 0.9), GroupScores("site", "b", 10, 0.5))
    page = page_of_trained(run, replace(measured, groups=sites), None, None)
    section = next(section for section in page.sections if section.id == "groups")
    assert section.charts[0].note == "From the worst to the best group, in points: 40.0 (student)."
    assert section.note.startswith("Accuracy within each group of test examples; beside its name")
    assert section.legend == ()
