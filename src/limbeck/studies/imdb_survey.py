"""A transformer into GRUs and CNNs on film reviews: do soft targets help with only two classes?

A survey notebook of 2020 distils BERT into a GRU or a CNN on IMDB and finds every distilled student
ahead of its twin from labels, by 1.2 to 7.7 points, one run each. It is confounded: batches come in
the order of the reviews' lengths, unshuffled, so that neighbours share a label; the padding is
read; CNNs train three epochs from labels and two from the teacher; the last weights count.

Arm "faithful" repeats that with its settings: 128 tokens, Adam at 0.001, batches of 32 in order of
length, temperature 2 for both objectives, 4 epochs for GRUs and, here for both, 3 for CNNs. Arm
"fixed" shuffles, masks, keeps the epoch that is best on validation reviews, gives twins the same
updates, and chooses temperature and weight of the labels on validation reviews, for one width of
each kind. Then the unlabelled reviews join the transfer set, with as many passes.

Ours: the teacher is a 6-layer encoder of 22 million weights in place of BERT's 110, always with the
attention mask, fine-tuned at 2e-5 on the training reviews but those kept apart, the epoch best on
these; for 256 tokens it starts from the one for 128. Students see the same reviews. All 25,000 test
reviews are measured, no choice is made on them. The survey's loss lacks the factor T^2, which Adam
does not see. Students of the fixed arm read the vocabulary that the reviews use.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from limbeck.studies.charts import ticks
from limbeck.studies.imdb_arms import Settings, best, choice, faithful, fixed
from limbeck.studies.imdb_reviews import Reviews
from limbeck.studies.study import Study, accuracy
from limbeck.studies.table import Row, at_least, measured, row, that

__all__ = ["run"]

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


BOTH = (("gru 32", 128), ("cnn 128", 128))
SIZES = {
    "smoke": Settings(
        0, 40, {16: 1}, ("gru 4", "cnn 4"), ("cnn 4",), (("cnn 4", 16),), 2, 2, (2.0,), (0.0,)
    ),
    "small": Settings(
        3000, 500, {128: 1}, ("gru 32", "cnn 64"), ("gru 32", "cnn 64"), BOTH, 4, 2, (1.0, 4.0)
    ),
    "full": Settings(
        0,
        2500,
        {128: 2, 256: 1},
        tuple(SURVEY),
        ("gru 32", "cnn 128"),
        (*BOTH, ("cnn 128", 256)),
        epochs=6,
        seeds=5,
    ),
}


def run(study: Study) -> list[Row]:
    """The teachers, both arms, then students with the unlabelled reviews."""
    size, table, drawn, gains = SIZES[study.size], [], {}, {}
    reviews = Reviews(study, rows=size.rows, apart=size.apart, epochs=size.teacher_epochs)
    facts: dict[str, Any] = {"rows": size.rows, "apart": size.apart, "of": size.teacher_epochs}
    shortest = min(size.teacher_epochs)
    for length in size.teacher_epochs:
        found = study.once(
            f"teacher, {length} tokens", partial(of_teacher, reviews, length), **facts
        )
        table.append(teacher_row(study, length, found))
        drawn[f"teacher, {length} tokens"] = [found]
    for name in size.students:
        found = study.once(f"faithful {name}", partial(faithful, reviews, name, shortest), **facts)
        table += faithful_rows(name, found)
    facts |= {"epochs": size.epochs, "T": size.temperatures, "hard": size.hard}
    chosen: dict[str, tuple[float, float]] = {}
    for name in size.chosen_on:
        found = study.once(
            f"choice {name}", partial(choice, reviews, size, name, shortest), **facts
        )
        chosen[name.split()[0]] = best(found)
    facts |= {"seeds": size.seeds, "chosen": sorted(chosen.items())}
    for name, length, everything in [
        *((name, shortest, False) for name in size.students),
        *((name, length, True) for name, length in size.unlabelled),
    ]:
        what = f"{name}, {length} tokens{', unlabelled reviews too' * everything}"
        setting = chosen.get(name.split()[0]) or next(iter(chosen.values()))
        arm = partial(fixed, reviews, size, name, length, setting, everything=everything)
        found = study.once(f"fixed {what}", arm, **facts)
        drawn |= {f"{what}, labels": found["scratch"], f"{what}, teacher": found["distilled"]}
        gains[what] = found["difference"]
        table += fixed_rows(study, what, setting, found)
    study.figure("accuracy", ticks(drawn, "test accuracy, %"))
    study.conclusion = conclusion(gains)
    return table


def of_teacher(reviews: Reviews, length: int) -> float:
    return accuracy(reviews.teacher(length), reviews.of(length).test)


def teacher_row(study: Study, length: int, found: float) -> Row:
    what, full = f"teacher, {length} tokens, test accuracy in %", study.size == "full"
    wanted = at_least(WANTED_TEACHER[length]) if full else None
    return row(what, found, TEACHER if length == 128 else "", wanted)


def faithful_rows(name: str, found: Mapping[str, float]) -> list[Row]:
    paper = SURVEY.get(name, ("", ""))
    gain = found["distilled"] - found["scratch"]
    ahead, why = that("above that from labels", gain > 0), f"{gain:+.2f} points."
    return [
        row(f"faithful {name}, labels, %", found["scratch"], paper[0]),
        row(f"faithful {name}, distilled, %", found["distilled"], paper[1], ahead, why),
    ]


def fixed_rows(
    study: Study, what: str, setting: tuple[float, float], found: Mapping[str, Any]
) -> list[Row]:
    low, middle, high = found["difference"]
    told = f"{middle:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})."
    surely = that("surely above that from labels", low > 0)
    name, _, more = what.partition(", unlabelled")
    rows = [
        row(f"fixed {what}, labels, %", found["scratch"]),
        row(
            f"fixed {what}, T = {setting[0]:g}, distilled, %", found["distilled"], "", surely, told
        ),
    ]
    if more and study.size == "full":
        least = at_least(WANTED[name])
        rows.append(row(f"{what}, against the aim", measured(found["distilled"]), "", least))
    return rows


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
