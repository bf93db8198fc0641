"""Every check finds the fault that was planted for it, with its figure.

1 a teacher that was never trained          11 a loss that overflows on sure logits
2 classes in another order                  12 a learning rate that diverges
3 inputs in another scale                   13 a teacher that answers NaN
4 answers that are one-hot                  14 a student too small for its training rows
5 a temperature that makes them so          15 a transfer set that is too small
6 a temperature lost in float32             16 test rows copied from the training rows
7 a top-k store that keeps too little       17 test rows nearly copied
8 a teacher's term that hardly counts       18 test texts with a few words changed
9 a loss that is a sum over the batch       19 a test part that is too small
10 a relational loss on parts of a batch    20 no test part at all
"""

import re
from pathlib import Path

import pytest

from limbeck.doctoring.capacity import capacity
from limbeck.doctoring.finding import Finding
from limbeck.doctoring.gradients import gradient_ratio
from limbeck.doctoring.invariance import invariance
from limbeck.doctoring.leaks import leaks
from limbeck.doctoring.normalisation import normalisation
from limbeck.doctoring.overflow import answers, finite_updates, precision, sure_logits
from limbeck.doctoring.resolution import resolution
from limbeck.doctoring.soft_targets import kept_mass, one_hot
from limbeck.doctoring.teacher_quality import order_of_classes, teacher_is_better
from limbeck.doctoring.transfer_size import transfer_size


def only(findings: list[Finding], *, wasted: bool) -> str:
    """The sentence of the only finding."""
    assert len(findings) == 1, [str(finding) for finding in findings]
    assert findings[0].wasted is wasted
    return findings[0].sentence


def module(function: str) -> str:
    return f'teacher={{torch_module: {{module: "mine.py:{function}"}}}}'


def objective(name: str) -> str:
    return f'objective={{"mine.py:{name}": {{}}}}'


def data(function: str, arguments: str = "") -> str:
    return f'data={{"mine.py:{function}": {{{arguments}}}}}'


@pytest.fixture
def at_home(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working folder is that of the planted functions."""
    monkeypatch.chdir(good)


pytestmark = pytest.mark.usefixtures("at_home")


def test_a_teacher_that_was_never_trained(case) -> None:
    """A night of distilling from random answers."""
    opened = case(module("untrained"))
    sentence = only(teacher_is_better(opened), wasted=True)
    assert re.search(r"the teacher is -[6-9]\d\.\d points .* on 120 validation rows", sentence)
    assert order_of_classes(opened) == []


def test_classes_in_another_order(case) -> None:
    """A teacher that calls every 0 a 1, and is taken for a bad one."""
    sentence = only(order_of_classes(case(module("swapped"))), wasted=True)
    assert re.search(r"right on (1\d|2\d) points more .* column '0' is the class '1'", sentence)


def test_inputs_in_another_scale(case) -> None:
    """Pixels in [0, 1] for a net that learned from bytes."""
    sentence = only(normalisation(case(module("on_bytes"))), wasted=True)
    assert re.search(r"and on 9\d% if they are multiplied by 255", sentence)


def test_answers_that_are_one_hot(case) -> None:
    """Distilling that teaches what the labels teach, at twice the cost."""
    opened = case(module("sure"), "data.digits.labelled=1078")
    sentence = only(one_hot(opened), wasted=True)
    assert re.search(
        r"(9\d|100)% of the soft targets .* they teach what the labels teach", sentence
    )
    assert len(one_hot(case(module("sure")))) == 1  # unlabelled rows: advice


def test_a_temperature_that_makes_answers_one_hot(case) -> None:
    """T = 0.05, a slip for 5."""
    sentence = only(one_hot(case("objective.soft_targets.temperature=0.05")), wasted=False)
    assert "at temperature 0.05: they say a class and no more" in sentence


def test_a_temperature_lost_in_rounding(case) -> None:
    """Soft targets so uniform that the loss is noise."""
    sentence = only(precision(case("objective.soft_targets.temperature=50000")), wasted=True)
    assert "at temperature 50000 the loss is wrong by" in sentence


def test_a_top_k_store_that_keeps_too_little(case) -> None:
    """Two of ten classes kept at a temperature where all of them matter."""
    opened = case("annotate.top_k=2", "objective.soft_targets.temperature=10")
    sentence = only(kept_mass(opened), wasted=True)
    assert re.search(r"the 2 of 10 classes .* hold \d\d% of the probability", sentence)


def test_a_teachers_term_that_hardly_counts(case) -> None:
    """A weight with two zeros too many, and a student that learned from labels alone."""
    sentence = only(gradient_ratio(case("objective.soft_targets.weight=0.0001")), wasted=True)
    assert re.search(r"the gradient of 0.0001 \* SoftTargets.* is [1-9].\de-0[34] of", sentence)


def test_a_loss_that_is_a_sum_over_the_batch(case) -> None:
    """A learning rate that is right for one batch size only."""
    sentence = only(invariance(case(objective("Summed"))), wasted=False)
    whole, cut = (float(x) for x in re.findall(r"(?:is|and) ([\d.]+(?:e\+\d+)?) on", sentence))
    assert whole == pytest.approx(2 * cut, rel=0.01)


def test_a_relational_loss_on_parts_of_a_batch(case) -> None:
    """Accumulated parts that are compared within themselves only."""
    changes = ("objective={dist: {}}", "training.accumulate=4")
    assert "Leave accumulate out" in only(invariance(case(*changes)), wasted=False)
    assert invariance(case(changes[0])) == []
    net = "student={cnn: {channels: [4]}}"
    found = only(invariance(case("training.accumulate=4", net)), wasted=False)
    assert "batch normalisation sees parts of 16 examples" in found


def test_a_loss_that_overflows_on_sure_logits(case) -> None:
    """exp(10000), in the last epoch of a long training."""
    sentence = only(sure_logits(case(objective("Naive"))), wasted=False)
    assert "on logits of 10,000" in sentence


def test_a_learning_rate_that_diverges(case) -> None:
    """NaN, found an hour later."""
    opened = case("training.optimizer={sgd: {learning_rate: 1000000}}")
    sentence = only(finite_updates(opened), wasted=True)
    assert re.search(r"the loss went from [\d.]+ to (nan|inf|\d.*e\+\d+) in \d+", sentence)


def test_a_teacher_that_answers_nan(case) -> None:
    """A checkpoint that was broken before distilling began."""
    assert "NaN" in only(answers(case(module("broken"))), wasted=True)


def test_a_student_too_small_for_its_training_rows(case) -> None:
    """One hidden unit for ten classes, and the teacher is blamed."""
    sentence = only(capacity(case("student.mlp.hidden=[1]")), wasted=True)
    assert re.search(r"right on [1-6]\d% of 300 rows that it was trained on", sentence)


@pytest.mark.slow
def test_a_transfer_set_that_is_too_small(case) -> None:
    """Forty images, of which twice as many would have been the cheapest improvement."""
    sentence = only(transfer_size(case(data("few"), "training.epochs=200")), wasted=False)
    assert re.search(r"with 40 rows .* would lower that by \d+ points", sentence)
    assert "too few" in only(transfer_size(case(data("few", "rows: 12"))), wasted=True)


@pytest.mark.parametrize(("noise", "how"), [(0.0, "equal to"), (0.005, "nearly equal to")])
def test_test_rows_that_are_training_rows(case, noise: float, how: str) -> None:
    """A verdict on what was learned by heart."""
    sentence = only(leaks(case(data("copied", f"noise: {noise}"))), wasted=True)
    assert f"6.3% of 639 test rows are {how} training rows (first: test id '0'" in sentence


def test_test_rows_that_are_unlabelled_training_rows(case) -> None:
    """A run refused although no label of a test row was ever seen."""
    sentence = only(leaks(case(data("copied_unlabelled"))), wasted=False)
    assert "6.3% of 639 test rows are equal to training rows (first: test id '0'" in sentence
    assert "Few of these have a label" in sentence


def test_a_test_part_that_is_too_small(case) -> None:
    """A verdict that is TIES whatever happens."""
    sentence = only(resolution(case("data.digits.test=10")), wasted=True)
    assert re.search(r"10 test rows resolve differences of \d+.\d points", sentence)


def test_no_test_part_at_all(case) -> None:
    """An hour of training that ends in nothing to measure on."""
    assert "0 labelled test rows" in only(resolution(case(data("no_test"))), wasted=True)
