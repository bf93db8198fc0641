"""The study of model compression, on a fraction of its smallest size."""

import pytest
import torch

from limbeck.studies import Study
from limbeck.studies import compression_2006 as study

SETTINGS = study.Settings(("wine",), 2, (2,), updates=20, trees=20, nets=1)


def accuracies(ensemble: float, munge: float, random: float) -> dict[str, float]:
    ways = {"MUNGE x 2": munge, "RANDOM x 2": random, "MUNGE, soft targets": munge}
    return {"ensemble": ensemble, "labels": 0.8, **ways}


@pytest.mark.slow
def test_every_way_is_measured_and_resumed(tmp_path, monkeypatch):
    """Prevents a baseline that is trained on other rows than it is named for, or left out."""
    monkeypatch.setitem(study.SIZES, "smoke", SETTINGS)
    rows = study.run(Study("compression-2006", "smoke", tmp_path, say=lambda line: None))
    for arm in ("ensemble", "labels", "the given rows", "MUNGE x 2", "RANDOM x 2"):
        assert sum(row.what == f"wine: test accuracy of {arm}, %" for row in rows) == 1
    assert (tmp_path / "compression-2006-accuracy.svg").is_file()
    monkeypatch.setattr(study, "one_split", int)  # cannot take these arguments
    assert study.run(Study("compression-2006", "smoke", tmp_path)) == rows


def test_training_and_test_rows_are_apart_and_scaled_by_the_training_rows():
    """Prevents test rows in the scaling, in the training part, and in the teacher."""
    train, test = study.divided("wine", 0)
    assert not set(train.ids) & set(test.ids)
    assert len(train) + len(test) == 178
    torch.testing.assert_close(train.inputs.mean(dim=0), torch.zeros(13), atol=1e-4, rtol=0)
    torch.testing.assert_close(train.inputs.std(dim=0), torch.ones(13), atol=1e-4, rtol=0)
    assert float(test.inputs.mean(dim=0).abs().max()) > 1e-3
    assert study.divided("wine", 1)[0].ids != train.ids


def test_more_rows_do_not_mean_more_updates():
    """A student of 20 times the rows that is only better for being trained 20 times as long."""
    train, _ = study.divided("wine", 0)
    settings = study.Settings(("wine",), 1, (20,), updates=300, trees=1, nets=1)
    for data in (train, study.munge(train, 20)):
        training = study.training_for(data, settings)
        made = training.epochs * -(-len(data) // training.batch_size)
        assert abs(made - 300) <= 0.05 * 300


def test_shares_are_of_the_mean_gain():
    """A split without a gain of its own would make a share of any size."""
    found = [accuracies(0.90, 0.88, 0.80), accuracies(0.94, 0.90, 0.82)]
    rows = study.table_rows("wine", found, SETTINGS)
    kept, random, soft = rows[-3:]
    assert kept.ours.mean == pytest.approx(0.09 / 0.12)
    assert random.ours.mean == pytest.approx(0.01 / 0.12)
    assert soft.ours == kept.ours
    assert kept.holds is True
    assert kept.why == ""


def test_a_lead_of_random_is_told():
    """A finding that is not found again must say so."""
    found = [accuracies(0.90, 0.82, 0.84), accuracies(0.92, 0.82, 0.84)]
    kept = study.table_rows("wine", found, SETTINGS)[-3]
    assert kept.holds is False
    assert kept.why == "RANDOM was ahead of MUNGE by 2.00 points."


def test_without_a_sure_gain_no_share_is_stated():
    """A share of nothing is noise over noise."""
    found = [accuracies(0.80, 0.9, 0.7), accuracies(0.81, 0.9, 0.7)]
    last = study.table_rows("wine", found, SETTINGS)[-1]
    assert last.what == "wine: gain of the ensemble, points"
    assert last.holds is None
    assert last.why == "the ensemble gains 0.50 points: too little to share."
