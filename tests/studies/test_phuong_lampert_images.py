"""The study of linear students of images, on a fraction of its smallest size."""

import pytest
import torch

from limbeck.studies import Study
from limbeck.studies import phuong_lampert_images as study


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
    one, two = study.linear(4, 1), study.linear(4, 2)
    assert not bool(torch.cat([p.flatten() for p in one.parameters()]).any())
    assert all(bool(p.any()) for p in two.parameters())
    assert all(layer.bias is None for layer in [*one, *two] if isinstance(layer, torch.nn.Linear))
