# ruff: noqa: RUF001  (a true minus sign and dash, as readers see them)
import json
import math

import pytest

from limbeck.reporting import accuracies, figures


def values(specification: dict, field: str) -> list:
    """Every value of a field in the specification's data."""
    return [
        row[field]
        for source in specification["data"]
        for row in source.get("values", [])
        if field in row
    ]


def scale(specification: dict, name: str) -> dict:
    return next(scale for scale in specification["scales"] if scale["name"] == name)


def test_seeds_draw_every_pair_and_the_teacher():
    """A seed left out because it was the bad one."""
    drawn = accuracies.seeds([0, 1, 7], [90.0, 91.0, 92.5], [91.0, 90.5, 93.0], 95.0)
    assert sorted(values(drawn, "accuracy")) == [90.0, 90.5, 91.0, 91.0, 92.5, 93.0]
    assert values(drawn, "at") == [95.0]
    low, high = scale(drawn, "x")["domain"]
    assert low < 90.0
    assert high > 95.0
    without = accuracies.seeds([0], [90.0], [90.0], None)
    assert values(without, "at") == []


def test_the_difference_shows_zero_and_the_whole_interval():
    """An axis cut so that an interval over zero looks clear of it."""
    drawn = figures.difference([0.5, 1.5], 1.0, -0.2, 2.1)
    low, high = scale(drawn, "x")["domain"]
    assert low < -0.2
    assert high > 2.1
    assert sorted(values(drawn, "change")) == [0.5, 1.5]
    low, _ = scale(figures.difference([2.0], 2.0, 1.5, 2.5), "x")["domain"]
    assert low < 0.0


def test_an_interval_without_bounds_is_drawn_to_the_end_of_the_scale():
    """One seed has an infinite interval, which would leave an empty chart."""
    drawn = figures.difference([1.0], 1.0, -math.inf, math.inf)
    assert values(drawn, "low") == [-100.0]
    assert values(drawn, "high") == [100.0]


def test_curves_are_means_in_a_band_of_the_seeds():
    """The luckiest seed's curve shown for all."""
    drawn = figures.curves({"Distilled": [[4.0, 2.0], [2.0, 1.0], [3.0]]}, title="Loss")
    assert values(drawn, "epoch") == [1, 2]
    assert values(drawn, "mean") == [3.0, 1.5]
    assert values(drawn, "low") == [2.0, 1.0]
    assert values(drawn, "high") == [4.0, 2.0]


def test_shares_are_drawn_in_percent():
    """An axis "in %" from 0 to 1."""
    drawn = figures.curves({"Distilled": [[0.5, 0.75]]}, title="Accuracy, in %", percent=True)
    assert values(drawn, "mean") == [50.0, 75.0]


def test_a_diverged_epoch_leaves_a_gap_not_a_broken_page():
    """NaN in JSON, which no browser reads."""
    drawn = figures.curves({"Distilled": [[1.0, math.nan, 2.0]]}, title="Loss")
    assert values(drawn, "epoch") == [1, 3]
    json.dumps(drawn, allow_nan=False)


def test_long_runs_are_thinned_to_both_ends():
    """A page of many MB after a thousand epochs."""
    assert figures.thinned(5) == [0, 1, 2, 3, 4]
    kept = figures.thinned(5000)
    assert len(kept) == len(set(kept)) == 200
    assert (kept[0], kept[-1]) == (0, 4999)
    drawn = figures.curves({"Distilled": [[1.0] * 5000]}, title="Loss")
    assert len(json.dumps(drawn)) < 30_000


def test_reliability_draws_the_bins_in_percent():
    """Confidence and accuracy swapped: a mirror image about the diagonal."""
    drawn = figures.reliability({"Teacher": [(0.55, 0.5, 0.25), (0.95, 1.0, 0.75)]})
    points = [row for source in drawn["data"] for row in source.get("values", []) if "share" in row]
    assert [(row["confidence"], row["accuracy"]) for row in points] == [
        (pytest.approx(55.0), 50.0),
        (95.0, 100.0),
    ]
    axis = {entry["title"]: entry["scale"] for entry in drawn["axes"] if "title" in entry}
    assert axis == {"Confidence, in %": "x", "Right, in %": "y"}


def test_changes_keep_the_order_and_the_signs():
    """Bars sorted by name, so that they stand beside another class."""
    drawn = figures.changes(
        ["b", "a", "c"], [1.24, -0.5, 0.0], title="Change", texts=["+1.2", "−0.5", "0.0"]
    )
    assert values(drawn, "name") == ["b", "a", "c"]
    assert values(drawn, "text") == ["+1.2", "−0.5", "0.0"]
    low, high = scale(drawn, "x")["domain"]
    assert low < -0.5
    assert high > 1.24


def test_the_intervals_of_classes_are_drawn_where_there_are_any():
    """A class of one example with a whisker over the whole chart."""
    ends = [(-math.inf, math.inf), (-1.5, 3.0)]
    drawn = figures.changes(["a", "b"], [1.0, 0.5], title="Change", texts=["", ""], ends=ends)
    assert values(drawn, "low") == [-1.5]
    assert values(drawn, "high") == [3.0]
    low, high = scale(drawn, "x")["domain"]
    assert low < -1.5
    assert high > 3.0


@pytest.mark.parametrize("points", [[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])
def test_changes_have_room_for_the_numbers_whatever_the_signs(points):
    """A domain of no width, or a number cut at the edge."""
    low, high = scale(figures.changes(["a", "b"], points, title="Change", texts=["", ""]), "x")[
        "domain"
    ]
    assert low <= min(0.0, *points)
    assert high >= max(0.0, *points)
    assert low < high


def test_every_chart_is_as_wide_as_its_box_and_in_the_pages_colours():
    """A chart that overflows a phone, or stays black on black in the dark."""
    charts = [
        accuracies.seeds([0], [1.0], [2.0], 3.0),
        figures.difference([1.0], 1.0, 0.5, 1.5),
        figures.curves({"Distilled": [[1.0, 2.0]]}, title="Loss"),
        figures.reliability({"Distilled": [(0.5, 0.5, 1.0)]}),
        figures.changes(["a"], [1.0], title="Change", texts=["+1.0"]),
    ]
    for chart in charts:
        width = next(signal for signal in chart["signals"] if signal["name"] == "width")
        assert "containerSize" in width["init"]
        assert chart["background"] == "transparent"
        text = json.dumps(chart)
        assert "var(--" in text
        assert '"#' not in text
        assert chart["description"]


def test_the_same_numbers_give_the_same_chart():
    """Counters in generated names: reports that differ between runs for no reason."""
    chart = [accuracies.seeds([0, 1], [1.0, 2.0], [2.0, 3.0], 5.0) for _ in range(2)]
    assert json.dumps(chart[0]) == json.dumps(chart[1])


def test_hostile_names_stay_data():
    """A class name that ends an expression and runs its own."""
    name = "');alert(1);//\"]}<script>"
    drawn = figures.changes([name, "b"], [1.0, 2.0], title="Change", texts=["", ""])
    assert values(drawn, "name") == [name, "b"]
    assert {(path[0], path[2]) for path in paths_to(drawn, name)} == {("data", "values")}


def paths_to(value: object, text: str, path: tuple = ()) -> list[tuple]:
    """Where in nested lists and dictionaries a string holds this text."""
    if isinstance(value, dict):
        return [found for key in value for found in paths_to(value[key], text, (*path, key))]
    if isinstance(value, list):
        return [
            found for at, part in enumerate(value) for found in paths_to(part, text, (*path, at))
        ]
    return [path] if isinstance(value, str) and text[:8] in value else []
