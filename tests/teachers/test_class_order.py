"""A teacher's columns end up under the transfer set's classes, or nowhere."""

import itertools

import pytest
import torch

from limbeck.errors import TeacherError
from limbeck.teachers import in_order_of


def test_reordered_columns_stand_under_their_own_names() -> None:
    """A permuted teacher teaches every class as another one, to a plausible loss."""
    data = ("ant", "bee", "cat", "dog")
    for teacher in itertools.permutations(data):
        logits = torch.tensor([[float(ord(name[0])) for name in teacher]])
        order = in_order_of(teacher, data)
        answer = logits if order is None else logits[:, order]
        assert answer.tolist() == [[float(ord(name[0])) for name in data]]


def test_nothing_is_reordered_where_nothing_needs_to_be() -> None:
    """A gather that changes nothing costs time on every batch."""
    assert in_order_of(("a", "b"), ("a", "b")) is None
    assert in_order_of(None, ("a", "b")) is None


@pytest.mark.parametrize(
    ("teacher", "data", "message"),
    [
        (("a", "b"), ("a", "c"), "only the teacher's: 'b'; only the data's: 'c'"),
        (("a", "b"), ("a",), r"knows 2 classes and the data has 1.*\(only the teacher's: 'b'\)"),
        (("a",), ("a", "b"), r"\(only the data's: 'b'\)"),
        (tuple("abcdefg"), ("x",), "'a', 'b', 'c', 'd' and 3 more"),
    ],
)
def test_other_classes_are_refused(
    teacher: tuple[str, ...], data: tuple[str, ...], message: str
) -> None:
    """Matching columns by position would pair cats with dogs."""
    with pytest.raises(TeacherError, match=message):
        in_order_of(teacher, data)
