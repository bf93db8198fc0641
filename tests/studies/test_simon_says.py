import torch

from limbeck.evaluation import bias
from limbeck.students import mlp
from limbeck.studies.simon_says import KEPT, answers, left, rows
from limbeck.transfer_sets import digits


def found(plain: float, distilled: float, gain: float = 1.0) -> dict[str, object]:
    ways = {"labels alone": (90.0, plain), "distilled": (90.0 + gain, distilled)}
    return {
        "before": 97.0,
        **{way: {"accuracy": a, "CEV": b, "SDE": b / 10} for way, (a, b) in ways.items()},
    }


def test_rare_classes_keep_their_share_and_the_others_all():
    """Rows of the wrong class left out, or other rows for each way of retraining."""
    labels = torch.arange(10).repeat_interleave(50)[torch.randperm(500)]
    rows_left = left(labels, 3)
    counts = labels[rows_left].bincount(minlength=10).tolist()
    assert counts == [round(50 * KEPT.get(number, 1.0)) for number in range(10)]
    assert torch.equal(rows_left, left(labels, 3))
    assert not torch.equal(rows_left, left(labels, 4))
    assert torch.equal(rows_left, rows_left.unique())


def test_both_measures_and_the_accuracy_must_be_better():
    """A ratio the wrong way round, or seeds counted in which distilling is worse."""
    better = [found(100.0, 20.0)] * 5 + [found(10.0, 20.0)]
    table = {row.what: row for row in rows("digits", better)}
    ratio = table["digits: CEV, distilled / labels alone"]
    assert (ratio.ours.mean, ratio.wanted, ratio.holds) == (120 / 510, "below 0.5", True)
    assert table["digits: seeds with a lower SDE"].holds is True
    assert table["digits: accuracy, distilled less labels, points"].holds is True
    worse = [found(100.0, 20.0, -1.0)] * 4 + [found(10.0, 20.0, -1.0)] * 2
    table = {row.what: row for row in rows("MNIST", worse)}
    assert table["MNIST: CEV, distilled / labels alone"].holds is None
    assert table["MNIST: seeds with a lower CEV"].holds is False
    assert table["MNIST: accuracy, distilled less labels, points"].holds is False


def test_the_bias_is_against_the_net_before_pruning():
    """A net compared with another's answers."""
    test = digits().test
    assert test is not None
    before = answers(mlp(64, [8], 10), test)
    assert bias(before, before.unsqueeze(0), test.labels, test.classes).cev == 0
