"""The table of the study imdb-survey: the survey's figures, ours, and what both say together."""

from collections.abc import Mapping, Sequence
from typing import Any

from limbeck.studies.imdb_arms import Arm
from limbeck.studies.study import Study
from limbeck.studies.table import Row, at_least, at_most, measured, row, that

__all__ = [
    "SURVEY",
    "WAYS",
    "conclusion",
    "faithful_rows",
    "fixed_rows",
    "smallest",
    "smallest_rows",
    "teacher_row",
]

SURVEY = {
    "gru 16": (73.15, 74.71),
    "gru 32": (73.25, 80.92),
    "gru 64": (78.43, 82.00),
    "gru 128": (80.17, 82.85),
    "gru 256": (80.21, 82.71),
    "cnn 64": (77.28, 81.11),
    "cnn 128": (80.75, 81.95),
    "cnn 256": (80.47, 82.35),
}
"""Test accuracy in % from labels and from the teacher."""
TEACHER = 87.5
WANTED_TEACHER = {128: 87.0, 256: 89.5}
WANTED = {"gru 32, 128 tokens": 84.0, "cnn 128, 128 tokens": 85.5, "cnn 128, 256 tokens": 87.5}
"""Of students with the unlabelled reviews."""
WITHIN = 2.0
"""Points behind the teacher."""
WAYS = {"labels": "scratch", "teacher": "distilled"}


def teacher_row(study: Study, length: int, found: float) -> Row:
    """The teacher that reads so many tokens."""
    what, full = f"teacher, {length} tokens, test accuracy in %", study.size == "full"
    wanted = at_least(WANTED_TEACHER[length]) if full else None
    return row(what, found, TEACHER if length == 128 else "", wanted)


def faithful_rows(name: str, found: Mapping[str, float]) -> list[Row]:
    """A student of the faithful arm, from labels and from the teacher, beside the survey's."""
    paper = SURVEY.get(name, ("", ""))
    gain = found["distilled"] - found["scratch"]
    ahead, why = that("above that from labels", gain > 0), f"{gain:+.2f} points."
    return [
        row(f"faithful {name}, labels, %", found["scratch"], paper[0]),
        row(f"faithful {name}, distilled, %", found["distilled"], paper[1], ahead, why),
    ]


def fixed_rows(study: Study, arm: Arm, found: Mapping[str, Any]) -> list[Row]:
    """A student of the fixed arm and its twin; with unlabelled reviews, also against the aim."""
    low, middle, high = found["difference"]
    told = f"{middle:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})."
    surely = that("surely above that from labels", low > 0)
    what = f"fixed {arm}, T = {arm.setting[0]:g}, distilled, %"
    rows = [
        row(f"fixed {arm}, labels, %", found["scratch"]),
        row(what, found["distilled"], "", surely, told),
    ]
    least = WANTED.get(f"{arm.name}, {arm.length} tokens")
    if arm.everything and study.size == "full" and least is not None:
        figure = measured(found["distilled"])
        rows.append(row(f"{arm}, against the aim", figure, "", at_least(least)))
    return rows


def smallest(known: Mapping[Arm, Mapping[str, Any]], teacher: float) -> Arm:
    """The student with fewest weights within two points of the teacher, else the nearest."""
    behind = {arm: teacher - measured(found["distilled"]).mean for arm, found in known.items()}
    near = [arm for arm in known if behind[arm] <= WITHIN]
    if near:
        return min(near, key=lambda arm: known[arm]["parameters"])
    return min(known, key=lambda arm: behind[arm])


def smallest_rows(
    arm: Arm, found: Mapping[str, Any], teacher: float, cost: Mapping[str, float]
) -> list[Row]:
    """The student that could take the teacher's place, and what that saves."""
    behind = teacher - measured(found["distilled"]).mean
    what = f"smallest within {WITHIN:g} points of the teacher, or else the nearest: {arm}"
    why = f"none is; {arm} is {behind:.2f} points behind."
    faster = cost["teacher_ms"] / cost["student_ms"]
    return [
        row(f"{what}; points behind", behind, "", at_most(WITHIN), why),
        row("its file / the teacher's weights, bytes", cost["bytes"] / cost["teacher_bytes"]),
        row("the teacher's p50 / its own, a review on one thread", faster),
    ]


def conclusion(gains: Mapping[str, Sequence[float]]) -> str:
    """The survey's question, answered by the fixed arm: differences [low, mean, high], points."""
    more = {what: gain for what, gain in gains.items() if "unlabelled" in what}
    same = {what: gain for what, gain in gains.items() if what not in more}
    return (
        "Do soft targets help with only two classes? On the same reviews, shuffled, masked and "
        f"with the best epoch kept, {counted(same)}. Where the unlabelled reviews join the "
        f"transfer set, {counted(more)}."
    )


def counted(gains: Mapping[str, Sequence[float]]) -> str:
    """How many students are surely ahead of their twins from labels, and by how much."""
    ahead = sum(low > 0 for low, _, _ in gains.values())
    behind = sum(high < 0 for _, _, high in gains.values())
    means = sorted(mean for _, mean, _ in gains.values())
    middle = means[len(means) // 2]
    return (
        f"{ahead} of {len(gains)} distilled students are surely ahead of their twins from labels "
        f"and {behind} surely behind, by {means[0]:+.2f} to {means[-1]:+.2f} points ({middle:+.2f} "
        "in the middle)"
    )
