"""What every teacher's answer must look like."""

import math

import pytest
import torch

from limbeck.errors import TeacherError
from limbeck.teachers.answers import (
    PROBABILITY_FLOOR,
    check_not_probabilities,
    checked_classes,
    checked_logits,
    checked_name,
    first_line,
    log_of,
    name_from,
)


@pytest.mark.parametrize("name", ["", "my net", "a/b", "a.b", "é"])
def test_a_name_that_cannot_name_a_field_is_refused(name: str) -> None:
    """A dot or slash would be read as part of a layer's path in a store."""
    with pytest.raises(ValueError, match="it takes letters, digits, '_' and '-'"):
        checked_name(name)


def test_a_name_is_made_from_any_file_name() -> None:
    """Files may be called anything."""
    assert name_from("résumé net (2)") == "r_sum_net_2"
    assert name_from("...") == "teacher"
    assert checked_name(name_from("run.1/net")) == "run_1_net"


def test_class_names_are_refused_if_one_is_there_twice_or_they_are_a_text() -> None:
    """Two columns of one name cannot be put in order."""
    assert checked_classes(["a", "b"]) == ("a", "b")
    assert checked_classes(None) is None
    with pytest.raises(ValueError, match="the class name 'a' is there twice"):
        checked_classes(["a", "b", "a"])
    with pytest.raises(ValueError, match="classes is the text 'ab'; it is a list"):
        checked_classes("ab")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8,), r"gave one number per example \(shape \(8,\)\).*return two: torch.stack"),
        ((8, 1), r"gave one number per example \(shape \(8, 1\)\)"),
        ((7, 3), r"gave logits of shape \(7, 3\) for 8 examples; \(8, classes\) is needed"),
        ((8, 3, 2), r"gave logits of shape \(8, 3, 2\)"),
        ((), r"gave logits of shape \(\)"),
        ((8, 4), "scored 4 classes and was given 3 class names"),
    ],
)
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...], message: str) -> None:
    """(1, 10) against (8, 10) broadcasts to a plausible loss."""
    with pytest.raises(TeacherError, match=message):
        checked_logits(torch.zeros(shape), 8, ("a", "b", "c"), "net")


def test_logits_become_float32() -> None:
    """The store decides on the precision, not the teacher."""
    assert checked_logits(torch.zeros(2, 3, dtype=torch.float64), 2, None, "x").dtype is (
        torch.float32
    )


def test_probabilities_in_place_of_logits_are_refused() -> None:
    """Their softmax is nearly uniform: distilling from it does nothing, quietly."""
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    check_not_probabilities(logits, "net", "")
    check_not_probabilities(logits.log_softmax(1), "net", "")
    check_not_probabilities(torch.zeros(6, 4), "net", "")
    check_not_probabilities(torch.full((6, 4), float("nan")), "net", "")
    with pytest.raises(TeacherError, match="'net' answers with probabilities.*Do this."):
        check_not_probabilities(logits.softmax(1), "net", "Do this.")


def test_the_logarithm_has_a_floor() -> None:
    """The logarithm of a forest's 0 is infinite, and vetoes a class in a geometric mean."""
    found = log_of(torch.tensor([[1.0, 0.0, 0.5, 1e-9]]))
    floor = math.log(PROBABILITY_FLOOR)
    assert found[0].tolist() == pytest.approx([0.0, floor, math.log(0.5), floor])
    assert bool(log_of(torch.tensor([[float("nan")]])).isnan().all())


def test_another_librarys_error_is_quoted_in_one_line() -> None:
    """A page of C++ frames hides the sentence."""
    assert first_line(RuntimeError("mat1 and mat2\nframe #0\nframe #1")) == "mat1 and mat2"
    assert first_line(ValueError("Bad input.")) == "Bad input"
    assert first_line(ValueError()) == "ValueError"
