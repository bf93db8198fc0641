"""The finals: a candidate that keeps to the budget as INT8 alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

import limbeck as lb
from limbeck.budgeting.finals import hits


@pytest.mark.slow
def test_an_int8_finalist_is_judged_by_its_int8_file(tmp_path: Path) -> None:
    """The accuracy of a file that is too slow, for one that is deployed."""
    import onnxruntime

    data = lb.transfer_sets.digits(labelled=100)
    assert data.test is not None
    run = lb.distill(
        lb.students.mlp(64, [8], 10), None, data.train.labelled(), lb.HardLabels(), epochs=20
    )
    found = hits([run], data.test, "int8", tmp_path)
    (path,) = (tmp_path / "int8").glob("*.onnx")
    session = onnxruntime.InferenceSession(str(path))
    rows = data.test.batch(torch.arange(len(data.test))).inputs.numpy()
    answers = session.run(None, {"inputs": rows})[0].argmax(axis=1)
    np.testing.assert_array_equal(found[0], answers == data.test.labels.numpy())
    written = path.stat().st_mtime_ns
    assert np.array_equal(hits([run], data.test, "int8", tmp_path), found)
    assert path.stat().st_mtime_ns == written  # made once
    full = hits([run], data.test)
    assert full.shape == found.shape
    assert abs(full.mean() - found.mean()) < 0.05
