"""The study of linear students of images, on a fraction of its smallest size."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from limbeck.studies import Study
from limbeck.studies import phuong_lampert_images as study
from limbeck.studies.linear_images import closed_form, linear
from limbeck.transfer_sets import Arrays


@pytest.fixture
def small(tmp_path, monkeypatch) -> Study:
    tiny = study.Settings((("0", "1"),), draws=2, seeds=2, epochs=1, learning_rate=0.3)
    monkeypatch.setitem(study.SIZES, "smoke", tiny)
    return Study("phuong-lampert-images", "smoke", tmp_path, say=lambda line: None)


@pytest.mark.slow
def test_every_case_has_its_rows_and_figures(small):
    """Prevents a pair or a student that is trained and not reported."""
    rows = study.run(small)
    for case in ("0 and 1, 1 linear layer", "0 and 1, 2 linear layers", "ten digits, 32 units"):
        assert sum(row.what.startswith(f"{case}:") for row in rows) == 3
    assert rows[0].holds is not False
    drawn = sorted(path.stem for path in small.folder.glob("*.svg"))
    assert drawn == [
        f"phuong-lampert-images-{name}" for name in ("angles", "closed-form", "curves")
    ]


def test_what_was_not_foretold_says_so():
    """A law that failed must not pass for one that held."""
    found = {
        "case": "a", "points": [{"examples": 9, "risks": [0.5, 0.5]}],
        "foretold": [0.1, 0.2, 0.3], "exponent": [0.1, 0.2, 0.3], "twice": [0.1, 0.2, 0.3],
    }  # fmt: skip
    first = study.curve_rows(found)[0]
    assert first.holds is False
    assert first.why == "the smaller parts foretold 20.00 %, and the largest shows 50.00 %."
    cell = {"pair": "a", "examples": 2, "risks": [0.5, 0.5], "bound": 0.4, "angle": 1.0}
    above = study.closed_rows([cell])[0]
    assert (above.holds, above.why) == (False, "above it: [('a', 2)].")


def test_a_bound_of_1_is_not_taken_for_a_confirmation():
    """Every risk is below 1."""
    cell = {"pair": "a", "examples": 2, "risks": [0.5, 0.4], "bound": 1.0, "angle": 1.0}
    first = study.closed_rows([cell])[0]
    assert first.holds is None
    assert first.why.startswith("the bound is 1 in every cell")


def test_a_single_linear_layer_starts_at_0():
    """Any other start stays in the student for good, outside the span of the data."""
    one, two = linear(4, 1), linear(4, 2)
    assert not bool(torch.cat([p.flatten() for p in one.parameters()]).any())
    assert all(bool(p.any()) for p in two.parameters())
    assert all(layer.bias is None for layer in [*one, *two] if isinstance(layer, torch.nn.Linear))


def test_the_closed_form_is_the_least_norm_solution_of_the_examples():
    """Prevents risks of other rows than were drawn, or of the teacher itself."""
    numbers = np.random.default_rng(0)
    parts = [
        Arrays(numbers.normal(size=(rows, 6)), rows * [0], classes=["a", "b"]) for rows in (5, 400)
    ]
    weights = numbers.normal(size=6)
    cells = closed_form("a and b", SimpleNamespace(coef_=weights[None]), *parts, draws=1)
    assert [cell["examples"] for cell in cells] == [2, 5]
    train, test = (part.inputs.double().numpy() for part in parts)
    student = np.linalg.pinv(train) @ (train @ weights)  # all five: whatever their order
    wrong = np.mean((test @ student >= 0) != (test @ weights >= 0))
    assert cells[1]["risks"] == [pytest.approx(wrong)]
    assert 0 < wrong < 0.5
    cosines = [abs(x @ weights) / np.linalg.norm(x) / np.linalg.norm(weights) for x in test]
    assert cells[0]["angle"] == pytest.approx(np.arccos(np.median(cosines)), abs=1e-3)
    assert cells[0]["beyond"][0] == pytest.approx(np.mean(np.array(cosines) <= 0.5), abs=1e-9)
