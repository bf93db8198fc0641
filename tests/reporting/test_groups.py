from dataclasses import replace
from html.parser import HTMLParser

import pytest

from limbeck.comparison import Comparison
from limbeck.evaluation import Evaluation, GroupScores
from limbeck.reporting import report
from limbeck.reporting.groups import groups
from limbeck.reporting.sections import sections

HOSTILE = "</script><script>window.hacked=1</script>"


def grouped(comparison: Comparison, rows: dict[str, tuple[GroupScores, ...]]) -> Comparison:
    """The comparison with these groups, by model."""

    def with_groups(evaluations: tuple[Evaluation, ...], model: str) -> tuple[Evaluation, ...]:
        return tuple(replace(e, groups=rows[model]) for e in evaluations)

    assert comparison.teacher is not None
    return replace(
        comparison,
        distilled=with_groups(comparison.distilled, "distilled"),
        scratch=with_groups(comparison.scratch, "scratch"),
        teacher=with_groups((comparison.teacher,), "teacher")[0],
    )


def of_sites(north: float, south: float, name: str = "site") -> tuple[GroupScores, ...]:
    return (GroupScores(name, "north", 200, north), GroupScores(name, "south", 160, south))


@pytest.fixture
def two_sites(comparison: Comparison) -> Comparison:
    return grouped(
        comparison,
        {
            "distilled": of_sites(0.95, 0.91),
            "scratch": of_sites(0.96, 0.88),
            "teacher": of_sites(0.99, 0.97),
        },
    )


def values(section, number: int = 0) -> list[dict[str, object]]:
    source = section.charts[number].specification["data"]
    return [row for part in source for row in part.get("values", []) if "accuracy" in row]


def test_without_groups_there_is_no_section(comparison):
    """A heading over nothing."""
    assert groups(comparison) is None
    assert "groups" not in [section.id for section in sections(comparison)]


def test_every_model_has_its_accuracy_in_every_group(two_sites):
    """Two models or two groups exchanged."""
    section = groups(two_sites)
    assert section.legend == ("Distilled", "From scratch", "Teacher")
    drawn = {(row["model"], row["group"]): row["accuracy"] for row in values(section)}
    assert drawn == {
        ("Distilled", "south (160)"): pytest.approx(91.0),
        ("Distilled", "north (200)"): pytest.approx(95.0),
        ("From scratch", "south (160)"): pytest.approx(88.0),
        ("From scratch", "north (200)"): pytest.approx(96.0),
        ("Teacher", "south (160)"): pytest.approx(97.0),
        ("Teacher", "north (200)"): pytest.approx(99.0),
    }
    chart = section.charts[0]
    assert chart.heading == "site"
    assert chart.note == (
        "From the worst to the best group, in points: 4.0 (distilled), 8.0 (from scratch), "
        "2.0 (teacher)."
    )


def test_seeds_are_averaged(two_sites):
    """One seed's accuracy in the place of the mean."""
    first, *rest = two_sites.distilled
    other = replace(first, groups=of_sites(0.85, 0.91))
    section = groups(replace(two_sites, distilled=(other, *rest)))
    drawn = {(row["model"], row["group"]): row["accuracy"] for row in values(section)}
    assert drawn["Distilled", "north (200)"] == pytest.approx((85 + 4 * 95) / 5)


def test_every_column_has_a_chart_and_a_missing_teacher_no_mark(two_sites):
    """A second column left out, or a teacher of whom nothing is known."""
    rows = of_sites(0.9, 0.9) + of_sites(0.8, 0.95, name="age")
    models = {"distilled": rows, "scratch": rows, "teacher": rows}
    section = groups(replace(grouped(two_sites, models), teacher=None))
    assert [chart.heading for chart in section.charts] == ["site", "age"]
    assert [chart.id for chart in section.charts] == ["chart-groups-1", "chart-groups-2"]
    assert section.legend == ("Distilled", "From scratch")
    assert {row["model"] for row in values(section, 1)} == {"Distilled", "From scratch"}


def test_of_many_groups_the_worst_are_shown(two_sites):
    """A chart of a thousand lines, or one that hides the group that is served worst."""
    rows = tuple(GroupScores("city", f"city {i}", 5, 0.5 + i / 200) for i in range(60))
    section = groups(grouped(two_sites, {"distilled": rows, "scratch": rows, "teacher": rows}))
    names = {row["group"] for row in values(section)}
    assert names == {f"city {i} (5)" for i in range(24)}
    assert section.charts[0].note.endswith("Shown are the 24 worst of 60 groups.")


def test_hostile_groups_become_text(two_sites, tmp_path):
    """A group's name from the user's table that goes on as a script."""
    rows = tuple(
        replace(row, column=HOSTILE, value=f"{HOSTILE}{row.value}") for row in of_sites(1, 0)
    )
    models = {"distilled": rows, "scratch": rows, "teacher": rows}
    path = report(grouped(two_sites, models), tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert "window.hacked=1</script>" not in text
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    plain = report(two_sites, tmp_path / "plain.html").read_text(encoding="utf-8")
    assert tags.count("script") == plain.count("<script")
