"""How transferable features are: cut after n layers, copied from the same or another task.

Yosinski, Clune, Bengio & Lipson, "How transferable are features in deep neural networks?", 2014,
https://arxiv.org/abs/1411.1792. The classes of a data set are divided into tasks A and B. BnB
copies the first n layers of a net trained on B and trains new upper layers on B; AnB copies them
from A. Both are frozen; BnB+ and AnB+ train everything on. In the random control the first n layers
are untrained.

Published: an 8-layer net on halves of ImageNet, 4 random splits. Frozen layers from the other half
cost 8 points at n = 7; where A is man-made and B natural things, 25. Fine-tuned ones were reported
to gain 1.6 points over all bases. In the released logs those targets had better bases: paired with
its own base AnB+ gains 0.97 points and BnB+ 0.94, so that nothing is left for the transfer. So all
differences here are paired by target, test images, initial weights and order of the data: with the
net from scratch (n = 0), or with BnB. Both directions of a split are averaged, and intervals are
Student's t over the splits, each with seeds of its own.

Ours: plain nets without batch normalisation, of 6 or 7 layers (4 for digits), on halves of digits,
CIFAR-10 and glyphs, a constant number of images per class, last epoch, no choice made on the test
part. The random control is on B, not on all classes. Man-made and natural classes are 4 and 6 of
CIFAR-10, so their control is random 4/6 splits. The nets are small and trained briefly, so copied
layers, which were trained before, can be ahead of those from scratch for that alone: what is due to
the other task is the difference to BnB. `full` trains 872 nets, 600 of them for 16 passes over 3750
images or 14 over 6000 glyphs: from the time of a few nets, 1.5 to 2.5 hours of one core, half of it
where the nets of a target run in two processes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jaxtyping import Float

from limbeck.evaluation.significance import Array, student_t
from limbeck.studies.study import Study
from limbeck.studies.table import Figure, Row, measured
from limbeck.studies.transfer_curves import FROZEN, Curves, Settings, World

if TYPE_CHECKING:
    import altair

__all__ = ["PUBLISHED", "SIZES", "run"]

PUBLISHED = {
    "scratch": "62.5 on ImageNet",
    "AnB - scratch, n = 1": "+0.31",
    "AnB - scratch, last n": "-8.26",
    "AnB - BnB, last n": "-8.07",
    "AnB - BnB, last n less n = 1": "-8.22",
    "BnB - scratch, mean over n > 1": "-0.91",
    "random - AnB, mean over n > 1": "collapses from n = 3",
    "AnB+ - scratch, mean over n": "+1.6 over all bases; +0.97 paired",
    "AnB+ - BnB+, mean over n": "+0.03 paired",
    "AnB - scratch, last n, man-made/natural less random": "-25 less -8",
}
"""The paper's figures 1 to 3; paired ones recomputed from the logs its authors released, at
https://github.com/yosinski/convnet_transfer. Accuracy in %, differences in points, last n = 7."""

MAN_MADE = ("airplane", "automobile", "ship", "truck")

ABOVE_SCRATCH = "Test accuracy less that from scratch, points"
FIGURES = {
    "curves": (("AnB", "BnB", "AnB+", "BnB+"), ABOVE_SCRATCH),
    "random": (("AnB", "random"), ABOVE_SCRATCH),
    "paired": (("AnB - BnB", "AnB+ - BnB+"), "Difference of test accuracies, points"),
}
"""The curves in each figure, and the title of its axis."""

DIGITS = Settings(8, 100, 8, (8, 16), hidden=16, learning_rate=0.05, batch_size=32)
SIZES = {
    "smoke": {"digits": replace(DIGITS, splits=3, per_class=60, epochs=5)},
    "small": {
        "digits": DIGITS,
        "cifar10": Settings(3, 200, 16, (8, 16, 16, 16, 16), hidden=32, batch_size=32),
    },
    "full": {
        "digits": DIGITS,
        "cifar10": Settings(4, 750, 16, (8, 16, 32, 32, 32)),
        "glyphs": Settings(4, 60, 14, (16, 32, 32, 64), classes=200),
    },
}


def run(study: Study) -> list[Row]:
    """Random halves of each data set; man-made against natural classes of CIFAR-10."""
    rows: list[Row] = []
    points: list[dict[str, Any]] = []
    for name, settings in SIZES[study.size].items():
        world = World(study, name, settings)
        found = world.curves("halves", world.random_tasks(settings.classes // 2), list(FROZEN))
        rows += table(name, found)
        points += charted(name, found)
        if name == "cifar10":
            natural = tuple(c for c in world.data.train.classes if c not in MAN_MADE)
            tasks = [(MAN_MADE, natural)] * settings.splits
            unlike = world.curves("man-made/natural", tasks, ["AnB"])
            control = world.curves("4/6", world.random_tasks(len(MAN_MADE)), ["AnB"])
            drops = [(each["AnB"] - each["scratch"])[:, -1] for each in (unlike, control)]
            key = "AnB - scratch, last n, man-made/natural less random"
            rows.append(difference(name, key, drops[0] - drops[1], "surely below 0"))
            points += charted("man-made/natural", unlike) + charted("random 4/6", control)
    for figure, (shown, title) in FIGURES.items():
        study.figure(figure, chart([p for p in points if p["curve"] in shown], shown, title))
    return rows


def table(name: str, found: Curves) -> list[Row]:
    """The differences, in the order of `PUBLISHED`."""
    own, specific = found["AnB"] - found["scratch"], found["AnB"] - found["BnB"]
    values = {
        "AnB - scratch, n = 1": (own[:, 0], "at least -1"),
        "AnB - scratch, last n": (own[:, -1], "surely below 0"),
        "AnB - BnB, last n": (specific[:, -1], "surely below 0"),
        "AnB - BnB, last n less n = 1": (specific[:, -1] - specific[:, 0], "surely below 0"),
        "BnB - scratch, mean over n > 1": ((found["BnB"] - found["scratch"])[:, 1:].mean(1), ""),
        "random - AnB, mean over n > 1": (
            (found["random"] - found["AnB"])[:, 1:].mean(1),
            "surely below 0",
        ),
        "AnB+ - scratch, mean over n": (
            (found["AnB+"] - found["scratch"]).mean(1),
            "surely above 0",
        ),
        "AnB+ - BnB+, mean over n": (
            (found["AnB+"] - found["BnB+"]).mean(1),
            "surely above 0",
        ),
    }
    rows = [difference(name, key, *value) for key, value in values.items()]
    for key in ("AnB - BnB, last n", "AnB+ - BnB+, mean over n"):
        for end, value in zip(("lower", "upper"), interval(values[key][0])[1:], strict=True):
            what = f"{name}: {key}, {end} end of the 95 % interval, points"
            rows.append(Row(what, "", Figure(value, 0.0, len(own) // 2)))
    level = measured(found["scratch"].reshape(-1, 2).mean(1).tolist())
    return [Row(f"{name}: net from scratch, test accuracy, %", PUBLISHED["scratch"], level), *rows]


def difference(name: str, key: str, values: Float[Array, " targets"], wanted: str) -> Row:
    """A row of a difference in points, and its interval in words."""
    middle, low, high = interval(values)
    holds = {
        "at least -1": middle >= -1,
        "surely below 0": high < 0,
        "surely above 0": low > 0,
    }.get(wanted)
    pairs = values.reshape(-1, 2).mean(axis=1).tolist()
    told = f"the 95 % interval over {len(pairs)} splits is {low:+.2f} to {high:+.2f} points."
    why = told if holds is False else ""
    what = f"{name}: {key}, points"
    return Row(what, PUBLISHED[key], measured(pairs), wanted, holds, why)


def interval(values: Float[Array, " targets"]) -> tuple[float, float, float]:
    """Mean and ends of the 95 % interval over splits, whose two directions are averaged."""
    pairs = values.reshape(-1, 2).mean(axis=1)
    half = student_t(0.95, len(pairs) - 1) * float(pairs.std(ddof=1)) / len(pairs) ** 0.5
    middle = float(pairs.mean())
    return middle, middle - half, middle + half


def charted(name: str, found: Curves) -> list[dict[str, Any]]:
    """The points of the curves: differences to the net from scratch, and paired ones."""
    points = []
    shown = {each: found[each] - found["scratch"] for each in found if each != "scratch"}
    if "BnB" in found:
        shown |= {f"A{n} - B{n}": found[f"A{n}"] - found[f"B{n}"] for n in ("nB", "nB+")}
    for treatment, differences in shown.items():
        for column, values in enumerate(differences.T):
            middle, low, high = interval(values)
            point = {"tasks": name, "curve": treatment, "n": column + 1}
            points.append({**point, "middle": middle, "low": low, "high": high})
    return points


def chart(points: list[dict[str, Any]], curves: Sequence[str], title: str) -> "altair.FacetChart":
    """Some curves over n with their intervals, one panel for each kind of tasks."""
    import altair as alt

    base = alt.Chart().encode(
        x=alt.X("n:O", title="Copied layers n", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("curve:N", sort=list(curves), title=None),
    )
    lines = base.mark_line(point=True).encode(y=alt.Y("middle:Q", title=title))
    ends = base.mark_rule().encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    layers = alt.layer(ends, lines, data=alt.InlineData(values=points))
    panels: altair.FacetChart = layers.properties(width=240, height=220).facet(
        column=alt.Column("tasks:N", sort=None, title=None)
    )
    return panels
