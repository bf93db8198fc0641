"""The report's tables of who paid."""

from dataclasses import replace

import pytest

from limbeck.comparison import Comparison
from limbeck.evaluation import Bias, FlippedExample, GroupScores
from limbeck.evaluation.bias import ClassBias, GroupBias
from limbeck.reporting import report
from limbeck.reporting.bias import bias
from limbeck.reporting.page import Table
from limbeck.reporting.wording import NONE

HOSTILE = "</script><script>window.hacked=1</script>"


def measured(cev: float, missed: tuple[float, ...], groups: tuple[GroupBias, ...] = ()) -> Bias:
    rows = tuple(
        ClassBias(f"class {i}", 36, 0.001, 0.02, 0.002, fnr, 100.0, 100 * (fnr - 0.02) / 0.02)
        for i, fnr in enumerate(missed)
    )
    return Bias("paper", cev, 17.25, 1, 5, 12.4, 3, rows, groups)


@pytest.fixture
def paid(comparison: Comparison) -> Comparison:
    """Class 1 pays most; 60 examples flip in some seed."""
    return replace(
        comparison,
        distilled_bias=measured(1234.5, (0.02, 0.10, 0.05)),
        scratch_bias=measured(2345.6, (0.03, 0.08, 0.09)),
        flips=tuple(FlippedExample(f"row {i}", "3", "8", 5 - i // 12) for i in range(60)),
    )


def tables(comparison: Comparison) -> tuple[Table, ...]:
    section = bias(comparison)
    assert section is not None
    return section.tables


def test_without_a_teacher_or_from_an_older_limbeck_there_is_no_section(comparison) -> None:
    """An empty heading, or a crash on a result of before."""
    assert bias(comparison) is None


def test_the_class_that_pays_most_comes_first_beside_the_twin(paid) -> None:
    """Columns exchanged, or classes paired by their order instead of their name."""
    table = tables(paid)[0]
    assert table.heads == ("Teacher", "From scratch", "Distilled")
    assert [row.name for row in table.rows] == [
        "CEV",
        "SDE",
        "Missed: class 1",
        "Missed: class 2",
        "Missed: class 0",
    ]
    assert [cell.value for cell in table.rows[0].cells] == [NONE, "2,345.6", "1,234.5"]
    assert [cell.value for cell in table.rows[2].cells] == ["2.0%", "8.0%", "10.0%"]
    assert [cell.value for cell in table.rows[3].cells] == ["2.0%", "9.0%", "5.0%"]


def test_of_many_classes_those_that_pay_most_are_shown(paid) -> None:
    """A table of a thousand rows."""
    many = measured(1.0, tuple(i / 1000 for i in range(100)))
    table = tables(replace(paid, distilled_bias=many, scratch_bias=many))[0]
    assert "Shown are the 24 of 100 classes that pay most." in table.note
    assert [row.name for row in table.rows[2:4]] == ["Missed: class 99", "Missed: class 98"]
    assert len(table.rows) == 26


def test_the_first_fifty_flips_are_shown_and_all_are_counted(paid) -> None:
    """A page of megabytes, or a list that seems to be all."""
    table = tables(paid)[-1]
    assert "12.4 examples per seed (from scratch 12.4), on 60 in some seed." in table.note
    assert "Shown are the first 50" in table.note
    assert [len(table.rows), table.rows[0].name, table.heads[-1]] == [50, "row 0", "Seeds, of 5"]
    assert [cell.value for cell in table.rows[12].cells] == ["3", "8", "4"]


def test_groups_have_their_bias_flips_and_calibration(paid) -> None:
    """The calibration of another group, or a group without errors shown as NaN."""
    scores = (GroupScores("ward", "a", 10, 0.9, 0.04), GroupScores("ward", "b", 40, 0.9, 0.02))
    groups = (GroupBias("ward", "a", 10, None, None, 2.0), GroupBias("ward", "b", 40, 7.5, 1.0, 3))
    table = tables(
        replace(
            paid,
            distilled_bias=measured(1.0, (0.1,), groups),
            scratch_bias=measured(1.0, (0.1,), groups),
            distilled=tuple(replace(e, groups=scores) for e in paid.distilled),
        )
    )[1]
    assert [row.name for row in table.rows] == ["ward: a", "ward: b"]
    assert [(c.value, c.note) for c in table.rows[1].cells] == [
        ("7.5", "3.0 lost"),
        ("7.5", "3.0 lost, ECE 2.0%"),
    ]
    assert table.rows[0].cells[1].value == NONE


def test_the_tables_are_on_the_page_and_hostile_names_are_text(paid, tmp_path) -> None:
    """A section that the template forgets, or an example's name that runs."""
    flips = (FlippedExample(HOSTILE, HOSTILE, "8", 5),)
    text = report(replace(paid, flips=flips), tmp_path / "r.html").read_text()
    assert "Which classes paid" in text
    assert "Missed: class 1" in text
    assert HOSTILE not in text
    assert text.count("window.hacked=1") == 2


def test_the_list_of_flips_is_folded_under_its_note(paid, tmp_path) -> None:
    """Fifty rows between the reader and the rest of the page."""
    text = report(paid, tmp_path / "r.html").read_text()
    assert text.count("<details>") == text.count("</details>") == 1
    note, _, rows = text.split("<details>")[1].split("</details>")[0].partition("</summary>")
    assert note.startswith("<summary>Flips: the teacher is right")
    assert rows.count("<tr>") == 51
