"""The figures of the studies, as they are drawn."""

import re

import pytest
import vl_convert

from limbeck.studies.charts import lines

POINTS = [
    {"n": n, "net": net, "what": what, "error": 0.1 * n, "low": 0.05 * n, "high": 0.2 * n}
    for n in (1, 2, 3)
    for net in ("deep", "wide")
    for what in ("measured", "foretold")
]


def drawn(chart) -> str:
    return vl_convert.vegalite_to_svg(chart.to_dict())


def test_the_legend_shows_dashes_as_dashes():
    """Two black dots beside "measured" and "foretold" tell nobody which line is which."""
    svg = drawn(lines(POINTS, "n", "error", colour="net", dash="what"))
    legend = svg[svg.index("role-legend") :]
    dashes = re.findall(r'<path[^>]*stroke="black"[^>]*stroke-dasharray="([^"]*)"', legend)
    assert len(dashes) == len(set(dashes)) == 2


def test_whole_numbers_have_no_ticks_between_them():
    """Layers are counted: there is no layer 1.5."""
    svg = drawn(lines(POINTS, "n", "error", colour="net"))
    axis = svg[svg.index("X-axis") : svg.index("Y-axis")]
    assert re.findall(r">(\d[.\d]*)</text>", axis) == ["1", "2", "3"]


def test_no_panel_is_labelled_with_the_numbers_of_another():
    """Rows of one data set under the points of another."""
    points = [
        {"rows": rows, "error": 1.0 / rows, "data": data}
        for data, counts in (("one", (450, 4500)), ("other", (540, 5400)))
        for rows in counts
    ]
    svg = drawn(lines(points, "rows", "error", panel="data", scales=("log", "linear")))
    axes = re.findall(r'aria-label="X-axis(.*?)aria-label="Y-axis', svg, re.DOTALL)
    said = [re.findall(r">([\d,]+)</text>", axis) for axis in axes]
    assert said
    assert not any({"450", "540", "4500", "5400"} & set(each) for each in said)


def test_what_a_logarithm_cannot_show_is_left_out():
    """A risk of 0 that is drawn at the edge, or that makes the figure fail."""
    points = [*POINTS, {**POINTS[0], "n": 4, "error": 0.0}]
    chart = lines(points, "n", "error", scales=("linear", "log")).to_dict()
    (values,) = chart["datasets"].values() if "datasets" in chart else [chart["data"]["values"]]
    assert len(values) == len(POINTS)


@pytest.mark.parametrize("panel", ["", "net"])
def test_every_point_has_its_interval(panel):
    """Bars that belong to other points, or to none, in a figure with panels."""
    points = [point for point in POINTS if point["what"] == "measured"]
    svg = drawn(lines(points, "n", "error", colour="net", panel=panel, interval=("low", "high")))
    marks = re.findall(r'role-mark [^"]*layer_2_marks"[^>]*>(.*?)</g>', svg)
    assert len(marks) == (2 if panel else 1)
    assert sum(mark.count("<line") for mark in marks) == len(points)
