import torch
from torch import nn

import limbeck as lb
from limbeck.studies.hinton_missing_class import rows, wrong
from limbeck.transfer_sets import Arrays


def test_errors_are_counted_per_ten_thousand_and_of_one_class():
    """Errors on threes that are divided by the number of threes, unlike the published ones."""
    data = Arrays(torch.eye(2).repeat(2, 1), [0, 1, 1, 1], classes=("0", "3"))
    student = lb.Student(nn.Identity())
    assert wrong(student, data) == 2500.0
    assert wrong(student, data, "3") == 2500.0
    assert wrong(student, data, "0") == 0.0


def found(value: float) -> dict[str, object]:
    names = ("test errors before", "errors on threes before", "oracle bias")
    corrected = ("test errors, oracle bias", "errors on threes, oracle bias")
    return {**dict.fromkeys([*names, *corrected], value), "curve": []}


def test_a_row_that_does_not_hold_says_by_how_much():
    """A failure that is hidden, or explained without figures."""
    both = [found(120.0), found(124.0)]
    table = {row.what: row for row in rows("3s left out", both, "T is 5", published=True)}
    before = table["3s left out: test errors before"]
    after = table["3s left out: test errors, oracle bias"]
    assert (before.published, before.wanted) == ("206", "at most 206")
    assert before.holds is True
    assert before.why == ""
    assert after.wanted == "at most 109"
    assert after.holds is False
    assert after.why == "13.0 more than published; T is 5."
    bias = table["3s left out: oracle bias"]
    assert (bias.published, bias.wanted, bias.holds) == ("3.5", "", None)


def test_nothing_is_wanted_of_other_data_and_threes_are_left_out_of_the_other_case():
    """Digits of 8 x 8 pixels held against figures of MNIST."""
    table = rows("only 7s and 8s", [found(1.0)], "", published=False)
    assert [row.published for row in table] == ["4730", "-7.6", "1320"]
    assert all(row.holds is None for row in table)
    assert not any("threes" in row.what for row in table)
