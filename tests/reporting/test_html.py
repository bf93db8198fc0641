# ruff: noqa: RUF001  (a true minus sign and dash, as readers see them)
import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
import yaml

from limbeck.comparison import Comparison
from limbeck.errors import LimbeckError
from limbeck.evaluation import Bin, Interval
from limbeck.evaluation.wording import Verdict
from limbeck.exporting import Export
from limbeck.reporting import html, report
from limbeck.reporting.contents import SIGNS, exported, recipe_text, table, tiles
from limbeck.reporting.html import packaged
from limbeck.reporting.sections import classes, pooled, teachers

EXPORT = Export(Path("runs/student.onnx"), 26_113, 1.91e-6, 0.9972, 360, (1, 8, 8), ("cat", "dog"))


class Reading(HTMLParser):
    """The page as a browser takes it apart: tags, visible text, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def text(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = report(comparison, tmp_path_factory.mktemp("html") / "report.html", export=EXPORT)
    return path.read_text(encoding="utf-8")


def test_the_verdict_comes_first_and_the_rest_in_reading_order(text):
    """An answer at the end of the page."""
    words = Reading(text).words
    order = [
        "BEATS",
        "The distilled student BEATS the one from scratch",
        "+1.22 points",
        "The numbers",
        "Accuracy, seed by seed",
        "Training",
        "Does it know how sure it is?",
        "Which classes gained",
        "What each teacher adds",
        "The exported file",
        "How to reproduce this",
    ]
    places = [words.index(part) for part in order]
    assert places == sorted(places)


def test_the_same_comparison_gives_the_same_bytes(text, comparison, tmp_path):
    """Timestamps and counters: a report that differs although nothing did; or a huge one."""
    path = tmp_path / "new" / "folder" / "report.html"
    assert report(comparison, path, export=EXPORT) == path
    assert path.read_text(encoding="utf-8") == text
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    assert len(text.encode()) < 2_000_000


def test_a_comparison_read_back_from_its_file_gives_the_same_page(text, comparison, tmp_path):
    """A report of a saved comparison that lacks what JSON cannot hold."""
    saved = Comparison.load(comparison.save(tmp_path / "comparison.json"))
    path = report(saved, tmp_path / "report.html", export=EXPORT)
    assert path.read_text(encoding="utf-8") == text


def test_no_address_is_in_the_page_outside_the_chart_library(text):
    """A font, script or image from elsewhere: broken offline, and it tells who reads."""
    library = max(Reading(text).scripts, key=len)
    rest = text.replace(library, "")
    found = set(re.findall(r"https?://[^\s\"'<>)]+", rest))
    assert found <= {"https://vega.github.io/schema/vega/v6.json"}
    for tag, attributes in Reading(text).tags:
        assert tag not in {"link", "img", "iframe", "object", "embed", "a", "form", "base"}
        assert not {"src", "href", "srcset"} & attributes.keys()
    assert "@import" not in text
    assert "url(" not in rest


def test_only_the_scripts_that_the_policy_names_can_run(text):
    """A policy that blocks the page's own charts, or that allows any script."""
    reading = Reading(text)
    policy = next(
        attributes["content"]
        for tag, attributes in reading.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    scripts = [
        script
        for script, attributes in zip(
            reading.scripts, (a for tag, a in reading.tags if tag == "script"), strict=True
        )
        if "type" not in attributes
    ]
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    assert len(scripts) == 2
    assert hashes == allowed
    assert "unsafe" not in policy.split("script-src")[1]


def test_hostile_names_become_text(hostile_comparison, tmp_path):
    """A class name that ends its element or its JSON block and goes on as markup."""
    text = report(hostile_comparison, tmp_path / "report.html").read_text(encoding="utf-8")
    reading = Reading(text)
    assert "b" not in {tag for tag, _ in reading.tags}
    assert not any("hacked=1" in script and "$schema" not in script for script in reading.scripts)
    assert len([tag for tag, _ in reading.tags if tag == "script"]) == len(reading.scripts) == 11
    assert "</script><script>window.hacked=1</script>" in reading.words
    assert "{{ 7 * 7 }}" in text
    assert "window.hacked=1</script>" not in text


def test_parts_that_are_missing_are_left_out(losing, tmp_path):
    """A heading over nothing, or "None" among the numbers."""
    lost = replace(losing, distilled_histories=({},) * 5, scratch_histories=({},) * 5, per_class=())
    words = Reading(report(lost, tmp_path / "report.html").read_text(encoding="utf-8")).words
    for absent in ("None", "Teacher", "Training", "Which classes", "exported file", "recipe.yaml"):
        assert absent not in words
    assert "▼ LOSES" in words
    assert "Gap recovered – no teacher was measured" in words
    assert "What to try next Use a better teacher. Train longer." in words


def test_the_recipe_can_be_used_as_it_stands(comparison):
    """A recipe printed as a Python dictionary."""
    text = recipe_text(comparison.recipe)
    assert yaml.safe_load(text) == comparison.recipe
    assert text.startswith("data: digits\n")
    assert recipe_text("data: mnist\n") == "data: mnist\n"
    assert recipe_text({"path": Path("a"), "hidden": (1, 2)}) == "path: a\nhidden:\n- 1\n- 2\n"
    assert recipe_text(None) == ""


def test_a_page_that_cannot_be_written_is_a_sentence(comparison, tmp_path, monkeypatch):
    """A traceback at the end of a long run."""
    monkeypatch.setattr(html, "rendered", lambda page: "a page")
    (tmp_path / "file").write_text("")
    with pytest.raises(LimbeckError, match=r"report\.html cannot be written"):
        report(comparison, tmp_path / "file" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LimbeckError, match="folder cannot be written"):
        report(comparison, tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_verdict_is_told_by_word_and_sign_not_by_colour_alone(text):
    """Red and green that one reader in twelve cannot tell apart."""
    assert SIGNS.keys() == {"BEATS", "TIES", "LOSES"} == set(get_args(Verdict))
    assert len(set(SIGNS.values())) == 3
    assert "▲ BEATS" in Reading(text).words
    for verdict in SIGNS:
        assert f".verdict.{verdict.lower()} " in packaged("page.css")


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", as WCAG 2.2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_and_marks_stand_out_in_light_and_dark(mode):
    """Grey on grey. WCAG 2.2: 4.5 for text, 3 for the marks of a chart."""
    blocks = re.findall(r":root \{([^}]*)\}", packaged("page.css"))
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[0 if mode == "light" else 1]))
    light = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[0]))
    assert colours.keys() == light.keys()

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(colours[one]), luminance(colours[other])))
        return (high + 0.05) / (low + 0.05)

    for background in ("paper", "raised", "beats-tint", "ties-tint", "loses-tint"):
        assert contrast("ink", background) >= 7
        assert contrast("quiet", background) >= 4.5
    for mood in ("beats", "ties", "loses"):
        assert contrast(mood, f"{mood}-tint") >= 4.5
    for mark in ("distilled", "scratch", "teacher", "good", "bad"):
        assert contrast(mark, "paper") >= 3


def test_the_table_says_what_the_comparison_says(comparison):
    """The columns of two models exchanged."""
    drawn = table(comparison)
    assert drawn.heads == ("Teacher", "From scratch", "Distilled")
    rows = {row.name: [(cell.value, cell.note) for cell in row.cells] for row in drawn.rows}
    assert rows["Accuracy"] == [
        ("97.22%", "94.1–99.4%"),
        ("92.50%", "90.0–95.0%"),
        ("93.72%", "91.5–95.9%"),
    ]
    agreement = [value for value, _ in rows["Agreement with the teacher"]]
    assert agreement == ["–", "92.90%", "95.10%"]
    assert [value for value, _ in rows["Parameters"]] == ["1,797,010", "6,218", "6,218"]
    assert rows["Latency, 1 example"][0] == ("1.37 ms", "1.80 ms")
    assert [value for value, _ in rows["Calibration error"]] == ["0.67%", "3.00%", "1.00%"]


def test_the_tiles_say_the_difference_the_gap_the_size_and_the_speed(comparison):
    """A gain without its interval."""
    assert {tile.name: (tile.value, tile.note) for tile in tiles(comparison)} == {
        "Difference": ("+1.22 points", "95% interval +0.51 to +1.93"),
        "Gap recovered": ("26%", "of the way to the teacher; 95% interval 9–47%"),
        "Student": ("25.2 kB", "6,218 parameters; teacher 7.2 MB"),
        "Latency": ("0.021 ms", "one example, median; teacher 1.37 ms"),
    }


def test_a_gap_without_bounds_is_worded(comparison):
    """ "inf%" in the largest type of the page."""
    open_ended = replace(comparison, gap_recovered=Interval(0.5, -0.2, float("inf")))
    tile = tiles(open_ended)[1]
    assert tile.note == "of the way to the teacher; 95% interval −20 to ∞%"


def test_the_exported_file_is_described():
    """A parity check that nobody can see."""
    facts = dict(exported(EXPORT))
    assert facts["File"] == "student.onnx, 26.1 kB"
    assert facts["Input"] == "float32 (batch, 1, 8, 8)"
    assert facts["Compared on"] == "360 real rows"
    assert facts["Largest difference of a logit"] == "1.9e-06"
    assert facts["Same top class"] == "99.72%"
    assert facts["Classes"] == "cat, dog"
    many = replace(EXPORT, classes=tuple(str(i) for i in range(1000)))
    assert dict(exported(many))["Classes"].endswith("18, 19 and 980 more")


def test_of_many_classes_the_best_and_the_worst_are_shown(comparison):
    """A chart of a thousand bars."""
    row = comparison.per_class[0]
    rows = tuple(
        replace(row, name=f"class {i}", change_points=Interval(float(i), i - 1.0, i + 1.0))
        for i in range(100)
    )
    section = classes(replace(comparison, per_class=rows))
    assert section.note.endswith("the 12 best and the 12 worst of 100 classes.")
    source = section.charts[0].specification["data"]
    names = [r["name"] for part in source for r in part.get("values", []) if "change" in r]
    assert names[:2] == ["class 99", "class 98"]
    assert names[-1] == "class 0"
    assert len(names) == 24


def test_teachers_that_nobody_misses_get_a_sentence_instead_of_an_empty_chart(comparison):
    """A chart of zeros; or the training accuracy of labels that do not exist."""

    def section(points: float | None) -> tuple[list[str], str]:
        rows = tuple(replace(row, accuracy_points=points) for row in comparison.left_out)
        found = teachers(replace(comparison, left_out=rows))
        assert found is not None
        return [chart.id for chart in found.charts], found.note

    assert section(-0.5)[0] == ["chart-answers", "chart-without"]
    charts, note = section(0.0)
    assert charts == ["chart-answers"]
    assert note.endswith("On the 1,437 labelled ones, accuracy is the same without any of them.")
    charts, note = section(None)
    assert charts == ["chart-answers"]
    assert "labelled" not in note


def test_the_seeds_bins_are_pooled_by_their_examples(comparison):
    """A bin of one example that weighs as much as one of two hundred."""
    first = replace(
        comparison.scratch[0],
        examples=4,
        reliability=(Bin(0.0, 1.0, 3, 0.9, 1.0), Bin(1.0, 2.0, 0, 0.0, 0.0)),
    )
    second = replace(
        first, examples=1, reliability=(Bin(0.0, 1.0, 1, 0.5, 0.0), Bin(1.0, 2.0, 0, 0.0, 0.0))
    )
    assert pooled([first, second]) == [(pytest.approx(0.8), pytest.approx(0.75), 0.8)]
