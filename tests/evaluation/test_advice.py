"""Each piece of advice is given when its figure says so, and not otherwise."""

from dataclasses import replace

import pytest
import torch

from limbeck.evaluation.advice import Figures, advise, nearly_one_hot
from limbeck.evaluation.significance import Interval
from limbeck.objectives import HardLabels, LogitMatching, SoftTargets
from limbeck.store import KnowledgeSource
from limbeck.types import Knowledge

QUIET = Figures(
    verdict="LOSES",
    difference_points=Interval(-1.0, -1.5, -0.5),
    by_seed=1e-5,
    by_example=1e-6,
    seeds=10,
    default_seeds=10,
    examples=500,
    teacher=0.97,
    teacher_sure=True,
    distilled=0.91,
    scratch=0.92,
    agreement_distilled=0.95,
    agreement_scratch=0.93,
    one_hot=(0.2, 4.0),
)


class Given(KnowledgeSource):
    """Knowledge of known sharpness: some rows sure, the others not."""

    classes, views, hidden_shapes = ("a", "b"), 1, {}
    fingerprint = "given"

    def __init__(self, sure: int, rows: int = 100) -> None:
        self.logits = torch.zeros(rows, 2)
        self.logits[:sure, 0] = 20.0

    def __len__(self) -> int:
        return len(self.logits)

    def read(self, rows: torch.Tensor, view: int = 0) -> Knowledge:
        return Knowledge(self.logits[rows].unsqueeze(0))


def test_there_is_nothing_to_advise_where_distilling_won() -> None:
    """Advice to change what works."""
    assert advise(replace(QUIET, verdict="BEATS", teacher_sure=False)) == ()


def test_where_no_figure_stands_out_the_advice_says_so() -> None:
    """A verdict of LOSES that leaves the user alone."""
    (piece,) = advise(QUIET)
    assert piece.startswith("No single cause shows in these figures.")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"teacher_sure": False, "teacher": 0.921}, "not surely better .* 92.10% against 92.00%"),
        ({"distilled": 0.98}, "at the teacher's level already: 98.00% against 97.00%"),
        (
            {"one_hot": (0.98, 1.0)},
            "98% of the soft targets .* 0.999 on one class at temperature 1,",
        ),
        ({"agreement_distilled": 0.9}, r"no more \(90.0%\) than .* \(93.0%\)"),
        ({"verdict": "TIES", "seeds": 3}, r"3 seeds leave .* 0.50 points .* \(seeds=10\)"),
        ({"verdict": "TIES", "by_example": 1e-4}, "91% of the uncertainty .* 500 test examples"),
    ],
    ids=["teacher", "level", "one-hot", "agreement", "seeds", "examples"],
)
def test_a_telling_figure_is_named(change: dict[str, object], words: str) -> None:
    """Advice that does not follow from what was measured, or does not say what it was."""
    import re

    (piece,) = advise(replace(QUIET, **change))
    assert re.search(words, piece)


def test_how_many_test_examples_are_needed_grows_with_the_square() -> None:
    """A test part of another size than would decide: four times the examples halve the interval."""
    tie = replace(QUIET, verdict="TIES", by_example=1e-4)
    half = advise(replace(tie, difference_points=Interval(0.5, -0.5, 1.5)))[0]
    assert "About 2,000 examples" in half
    none = advise(replace(tie, difference_points=Interval(0.0, -1.0, 1.0)))[0]
    assert "More would tell" in none


def test_without_a_teacher_nothing_is_said_about_it() -> None:
    """A comparison of None with a number."""
    bare = replace(
        QUIET, teacher=None, teacher_sure=False, agreement_distilled=None, agreement_scratch=None
    )
    assert advise(bare)[0].startswith("No single cause")


def test_one_hot_knowledge_is_judged_at_the_temperature_it_is_used_at() -> None:
    """Soft targets at temperature 4 called one-hot because at 1 they are."""
    source = Given(sure=90)
    assert nearly_one_hot(source, SoftTargets(temperature=1.0)) == pytest.approx((0.9, 1.0))
    assert nearly_one_hot(source, SoftTargets(temperature=4.0)) == pytest.approx((0.0, 4.0))
    both = 0.5 * SoftTargets(temperature=1.0) + 0.5 * HardLabels()
    assert nearly_one_hot(source, both) == pytest.approx((0.9, 1.0))


def test_objectives_that_soften_nothing_are_not_judged() -> None:
    """Advice about a temperature that is not there."""
    assert nearly_one_hot(Given(sure=100), HardLabels()) is None
    assert nearly_one_hot(Given(sure=100), LogitMatching()) is None
    assert nearly_one_hot(None, SoftTargets(temperature=1.0)) is None
