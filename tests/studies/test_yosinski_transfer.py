"""The transfer study compares like with like, and its table says what was measured."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

import limbeck as lb
from limbeck.fingerprint import module_digest
from limbeck.studies import Study, run_study, yosinski_transfer
from limbeck.studies.transfer_curves import FROZEN, Curves, World
from limbeck.transferring import layers_of, transfer

SMOKE = replace(yosinski_transfer.SIZES["smoke"]["digits"], per_class=20, epochs=1)


def world(folder: Path) -> World:
    return World(Study("yosinski-transfer", "smoke", folder), "digits", SMOKE)


def curves(seed: int = 0, targets: int = 6) -> Curves:
    numbers = np.random.default_rng(seed)
    found = {each: 50 + numbers.normal(size=(targets, 3)) for each in FROZEN}
    return {"scratch": 50 + numbers.normal(size=(targets, 1)), **found}


@pytest.mark.slow
def test_the_study_runs_offline_draws_its_figures_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study that trains again what is known cannot be interrupted."""
    monkeypatch.setitem(yosinski_transfer.SIZES, "smoke", {"digits": SMOKE})
    result = run_study("yosinski-transfer", "smoke", output=tmp_path, say=lambda line: None)
    names = {path.name for path in tmp_path.glob("*.svg")}
    assert names == {f"yosinski-transfer-{each}.svg" for each in ("curves", "random", "paired")}
    monkeypatch.setattr("limbeck.studies.transfer_curves.train_together", None)
    again = run_study("yosinski-transfer", "smoke", output=tmp_path, say=lambda line: None)
    assert json.dumps(again) == json.dumps(result)
    assert all(bool(row["why"]) == (row["holds"] is False) for row in result["rows"])


def test_tasks_divide_the_classes_and_differ_between_splits(tmp_path: Path) -> None:
    """A class in both tasks would make them more alike than they are said to be."""
    made = world(tmp_path)
    tasks = made.random_tasks(5)
    for one, other in tasks:
        assert sorted([*one, *other]) == sorted(made.data.train.classes)
        assert len(one) == len(other) == 5
    assert set(tasks[0][0]) != set(tasks[1][0])


def test_without_copied_layers_the_net_is_the_base_bit_for_bit(tmp_path: Path) -> None:
    """The paper's n = 0: differences to it must be differences to the base."""
    made = world(tmp_path)
    target = ["3", "1", "4"]
    none = transfer(made.student(target).fresh(5), 0, classes=3)
    (ours,), base = made.trained([none], target, 1), made.base(target, 1)
    assert module_digest(ours.module) == module_digest(base.module)


def test_frozen_layers_of_a_treatment_are_its_bases_to_the_bit(tmp_path: Path) -> None:
    """Frozen layers that move make AnB look like AnB+."""
    made = world(tmp_path)
    base = made.base(["0", "1", "2"], 0)
    nets = [transfer(base, n, classes=4) for n in made.cuts]
    for n, net in zip(made.cuts, made.trained(nets, ["5", "6", "7", "8"], 1), strict=True):
        for path in layers_of(base)[:n]:
            ours, own = (each.module.get_submodule(path) for each in (net, base))
            assert module_digest(ours) == module_digest(own)


def test_the_nets_on_a_target_share_new_layers_that_are_not_their_bases(tmp_path: Path) -> None:
    """Sharing pairs the differences; the base's own start would favour BnB."""
    made = world(tmp_path)
    trained: list[lb.Student] = []

    def remember(nets, classes, seed, folder=None):
        trained.append(nets[min(1, len(nets) - 1)].fresh(seed))
        return [net.fresh(seed) for net in nets]

    made.trained = remember  # type: ignore[method-assign]
    starts = {}
    for treatment in ("scratch", *FROZEN):
        made.accuracies(treatment, ["0", "1"], ["2", "3"], 10)
        starts[treatment] = trained[-1].module.state_dict()["layer1.linear.weight"]
    for each in starts.values():
        assert torch.equal(each, starts["scratch"])
    base = made.bases[("0", "1"), 10].module.state_dict()["layer1.linear.weight"]
    assert not torch.equal(base, starts["scratch"])
    copied = trained[-1].module.state_dict()["block1.convolution.weight"]
    source = made.bases[("2", "3"), 10].module.state_dict()["block1.convolution.weight"]
    assert torch.equal(copied, source)


def test_differences_are_paired_by_target_and_directions_averaged() -> None:
    """Unpaired, the published gain of fine-tuned transfer is a difference between targets."""
    found = curves()
    rows = {row.what: row for row in yosinski_transfer.table("digits", found)}
    row = rows["digits: AnB+ - BnB+, mean over n, points"]
    by_split = []
    for split in range(3):
        values = []
        for target in (2 * split, 2 * split + 1):
            values += [found["AnB+"][target, n] - found["BnB+"][target, n] for n in range(3)]
        by_split.append(sum(values) / 6)
    assert row.ours.n == 3
    np.testing.assert_allclose(row.ours.mean, sum(by_split) / 3, rtol=1e-12)
    np.testing.assert_allclose(row.ours.sd, np.std(by_split, ddof=1), rtol=1e-12)
    ends = [
        rows[f"digits: AnB+ - BnB+, mean over n, {end} end of the 95 % interval, points"]
        for end in ("lower", "upper")
    ]
    assert ends[0].ours.mean < row.ours.mean < ends[1].ours.mean
    assert row.holds == (ends[0].ours.mean > 0)


def test_the_interval_is_students_t_over_the_splits() -> None:
    """Counting both directions as independent would make it too narrow."""
    values = np.random.default_rng(1).normal(size=8)
    pairs = [(values[i] + values[i + 1]) / 2 for i in range(0, 8, 2)]
    expected = stats.t.interval(0.95, 3, loc=np.mean(pairs), scale=stats.sem(pairs))
    ours = yosinski_transfer.interval(yosinski_transfer.over_splits(values))
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_a_difference_holds_only_if_its_interval_does() -> None:
    """A mean below 0 within the noise is not the published finding."""
    below, above = "AnB - BnB, last n", "AnB+ - BnB+, mean over n"
    noisy, sure = np.array([-1.0, -1.0, 0.9, 0.9]), np.array([-2.0, -2.0, -2.1, -2.1])
    assert yosinski_transfer.difference("x", below, sure).holds is True
    row = yosinski_transfer.difference("x", below, noisy)
    assert row.holds is False
    assert row.why.startswith("the 95 % interval over 2 splits is -12.")
    assert yosinski_transfer.difference("x", above, -sure).holds is True
    assert yosinski_transfer.difference("x", above, -noisy).holds is False
    assert yosinski_transfer.difference("x", "AnB - scratch, n = 1", sure).holds is False
    assert yosinski_transfer.difference("x", "AnB - scratch, n = 1", noisy).holds is True
    only_told = yosinski_transfer.difference("x", "BnB - scratch, mean over n > 1", noisy)
    assert (only_told.holds, only_told.why) == (None, "")


def test_unlike_tasks_are_held_against_random_ones_of_the_same_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drop that is due to four classes in place of five would pass for one of unlikeness."""
    asked: dict[str, list[list[int]]] = {}

    class Data:
        def __init__(self, study: Study, name: str, settings: object) -> None:
            names = [f"class {number}" for number in range(10)]
            train = lb.transfer_sets.Arrays(torch.zeros(10, 2), torch.arange(10), classes=names)
            self.data = lb.Splits(train)

        def random_tasks(self, first: int) -> list[tuple[list[str], list[str]]]:
            names = list(self.data.train.classes)
            return [(names[10 - first :], names[: 10 - first])] * 2

        def curves(self, group: str, tasks, treatments) -> Curves:
            asked[group] = [[len(one), len(other)] for one, other in tasks][:1]
            found = curves(seed=len(asked), targets=4)
            return {each: found[each] for each in ("scratch", *treatments)}

    settings = yosinski_transfer.SIZES["small"]["cifar10"]
    monkeypatch.setitem(yosinski_transfer.SIZES, "smoke", {"cifar10": settings})
    monkeypatch.setattr(yosinski_transfer, "World", Data)
    rows = yosinski_transfer.run(Study("yosinski-transfer", "smoke", tmp_path))
    assert asked == {"halves": [[5, 5]], "man-made/natural": [[4, 6]], "4/6": [[4, 6]]}
    unlike, control = (curves(seed, targets=4) for seed in (2, 3))
    drops = [(each["AnB"][:, -1] - each["scratch"][:, 0]).mean() for each in (unlike, control)]
    assert rows[-1].what.endswith("man-made/natural less random, points")
    np.testing.assert_allclose(rows[-1].ours.mean, drops[0] - drops[1], rtol=1e-12)
