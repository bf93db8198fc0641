"""Every cut is tried fairly, and the advice is as sure as the figures."""

import math

import numpy as np
import pytest

from limbeck import students
from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation import score
from limbeck.objectives import HardLabels
from limbeck.optimization import SGD
from limbeck.training import Run, Training, distill
from limbeck.transfer_sets import Splits, TransferSet, digits
from limbeck.transfer_sets.with_classes import with_classes
from limbeck.transferring import Transferability, transfer, transferability
from limbeck.transferring.advising import advice

TRAINING = Training(epochs=2, batch_size=64, optimizer=SGD(0.05))


def tasks() -> tuple[TransferSet, Splits]:
    data = digits(validation=0.2)
    target = ["5", "6", "7"]
    assert data.validation is not None
    return with_classes(data.train, ["0", "1", "2", "3"]), Splits(
        with_classes(data.train, target), with_classes(data.validation, target)
    )


def base(seed: int = 0) -> Run:
    source, _ = tasks()
    student = students.mlp(64, [12, 8], 4)
    return distill(student, None, source, HardLabels(), TRAINING, seed=seed, device="cpu")


def test_every_cut_is_tried_frozen_and_trained_on() -> None:
    """A cut that is left out may be the one to take."""
    run, (_, target) = base(), tasks()
    found = transferability(run, target.train, target.validation, TRAINING, seeds=2, device="cpu")
    assert [(cut.layers, cut.freeze) for cut in found.cuts] == [
        ((), False),
        (("layer1",), True),
        (("layer1",), False),
        (("layer1", "layer2"), True),
        (("layer1", "layer2"), False),
    ]
    assert found.seeds == (1, 2)
    assert found.best.accuracy.estimate == max(c.accuracy.estimate for c in found.cuts)


def test_accuracies_and_gains_are_those_of_runs_made_by_hand() -> None:
    """A cut measured on another student, seed or part would look right."""
    run, (_, target) = base(), tasks()
    assert target.validation is not None
    found = transferability(
        run, target.train, target.validation, TRAINING, cuts=[2], seeds=[4, 7], device="cpu"
    )
    labels = target.validation.labels.numpy()
    accuracy: dict[tuple[int, bool], list[float]] = {}
    for layers, freeze in ((0, False), (2, True), (2, False)):
        for seed in (4, 7):
            student = transfer(run, layers, freeze=freeze, classes=3)
            again = distill(
                student, None, target.train, HardLabels(), TRAINING, seed=seed, device="cpu"
            )
            said = score(again.student, target.validation).numpy().argmax(axis=1)
            right = sum(int(a == b) for a, b in zip(said, labels, strict=True)) / len(labels)
            accuracy.setdefault((layers, freeze), []).append(right)
    for cut, key in zip(found.cuts, accuracy, strict=True):
        np.testing.assert_allclose(cut.by_seed, accuracy[key], rtol=1e-12)
        gain = sum(accuracy[key]) / 2 - sum(accuracy[0, False]) / 2
        assert math.isclose(cut.gain.estimate, gain, abs_tol=1e-12)
        assert cut.accuracy.low <= cut.accuracy.estimate <= cut.accuracy.high


def hits(*shares: float, seeds: int = 3, examples: int = 400) -> np.ndarray:
    """Right answers of this share for each seed, spread alike over the examples."""
    rows = np.zeros((seeds, examples))
    for seed in range(seeds):
        rows[seed, : round(shares[seed % len(shares)] * examples)] = 1
    return rows


def test_the_advice_names_the_cut_that_surely_wins_and_the_cheaper_one() -> None:
    """Users act on this sentence alone."""
    sentence = advice(
        {
            ((), False): hits(0.6),
            (("a",), True): hits(0.7),
            (("a",), False): hits(0.8),
            (("a", "b"), True): hits(0.8, 0.79),
            (("a", "b"), False): hits(0.75),
        },
        0.95,
    )
    assert sentence.startswith("Copy a and train it on: 80.0 % on validation, +20.0 points (")
    assert "above training from scratch. Cheaper, and not surely worse (" in sentence
    assert sentence.endswith("a to b (2 layers), frozen.")


def test_the_advice_is_not_to_transfer_where_that_surely_loses() -> None:
    """The best of bad cuts must not be recommended."""
    sentence = advice({((), False): hits(0.9), (("a",), True): hits(0.5)}, 0.95)
    assert sentence.startswith(
        "Train from scratch: the best cut, a, frozen, differs from it by -40"
    )


def test_the_advice_says_when_nothing_is_sure() -> None:
    """A lead within the noise is not a finding."""
    sentence = advice({((), False): hits(0.7, 0.8), (("a",), False): hits(0.8, 0.7)}, 0.95)
    assert sentence.startswith("No cut is surely better than training from scratch. The best, a,")


def test_more_cuts_need_a_greater_lead() -> None:
    """Of twenty useless cuts one wins by chance at 95 %."""
    numbers = np.random.default_rng(0)
    scratch = (numbers.random((4, 500)) < 0.7).astype(float)
    better = scratch.copy()
    better[:, :9] = 1
    few = {((), False): scratch, (("a",), True): better}
    more = few | {((f"b{n}",), True): hits(0.1, seeds=4, examples=500) for n in range(400)}
    assert advice(few, 0.95).startswith("Copy a")
    assert advice(more, 0.95).startswith("No cut is surely better")


def test_the_bases_own_seed_is_not_used() -> None:
    """New layers that start where the base's did fit the copied ones from the beginning."""
    run, (_, target) = base(seed=1), tasks()
    with pytest.raises(LimbeckError, match="seed 1 is the base's own"):
        transferability(run, target.train, target.validation, TRAINING, seeds=[0, 1])


def test_one_seed_is_refused() -> None:
    """Its spread is unknown."""
    run, (_, target) = base(), tasks()
    with pytest.raises(LimbeckError, match=r"1 seed\(s\) cannot show"):
        transferability(run, target.train, target.validation, TRAINING, seeds=1)


def test_a_validation_part_of_another_task_is_refused() -> None:
    """Its labels would mean other classes."""
    run, (source, target) = base(), tasks()
    with pytest.raises(DataError, match="Give a validation part of the same task"):
        transferability(run, target.train, source, TRAINING)


def test_nothing_is_trained_twice_with_a_checkpoint(tmp_path) -> None:
    """Trying further seeds must cost only those."""
    run, (_, target) = base(), tasks()
    updates: list[int] = []

    def found() -> Transferability:
        return transferability(
            run, target.train, target.validation, TRAINING, cuts=[1], seeds=2,
            checkpoint=tmp_path, device="cpu",
            progress=lambda what, done, total: updates.append(done),
        )  # fmt: skip

    first, made = found(), len(updates)
    assert made > 0
    assert found().cuts == first.cuts
    assert len(updates) == made
