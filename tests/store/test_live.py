"""A living teacher answers as its store would."""

import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import TeacherError
from limbeck.store import LiveTeacher
from limbeck.teachers import Ensemble

ROWS = torch.tensor([5, 299, 0])


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
def test_a_live_teacher_says_what_its_store_says(linear, examples, tmp_path, combine):
    """The loop must not tell them apart."""
    members = [linear("a", 1, hidden=("x",)), linear("b", 2)]
    teacher, data = Ensemble(members, combine=combine, weights=[1.0, 3.0]), examples()
    live, store = LiveTeacher(teacher, data), annotate(teacher, data, tmp_path / "s")
    a, b = live.read(ROWS), store.read(ROWS)
    torch.testing.assert_close(a.log_probs(2.0), b.log_probs(2.0), atol=5e-3, rtol=1e-3)
    torch.testing.assert_close(a.hidden["a.x"], b.hidden["a.x"], atol=5e-3, rtol=1e-3)
    assert live.hidden_shapes == store.hidden_shapes == {"a.x": (2, 3)}
    assert (live.classes, live.views, len(live)) == (store.classes, store.views, len(store))
    assert live.provides == store.provides
    assert live.temperatures is None


def test_classes_are_brought_into_the_order_of_the_data(linear, examples, tmp_path):
    """The same names in another order would teach each class as another."""
    teacher, data = linear(), examples()
    expected = teacher.outputs(data.batch(ROWS)).logits
    shuffled = linear()
    shuffled.classes = tuple(reversed(data.classes))
    shuffled.weights = teacher.weights.flip(1)
    for source in (LiveTeacher(shuffled, data), annotate(shuffled, data, tmp_path / "s")):
        read = source.read(ROWS).log_probs()
        torch.testing.assert_close(read, expected.log_softmax(-1), atol=5e-3, rtol=1e-3)
    shuffled.classes = tuple("abcdefghiz")
    with pytest.raises(TeacherError, match="not the same"):
        LiveTeacher(shuffled, data)


def test_a_fingerprint_follows_a_teacher_that_changes(linear, examples):
    """A run is reused only if its knowledge is the same."""
    teacher = linear()
    live = LiveTeacher(teacher, examples())
    before = live.fingerprint
    teacher.seed = 4
    assert live.fingerprint != before


def test_answers_of_no_use_are_refused(linear, examples):
    """NaN from a diverged teacher would make the student NaN, one step later."""
    teacher = linear()
    teacher.weights[0, 0] = torch.nan
    with pytest.raises(TeacherError, match=r"NaN or infinite for 3 of 3 .*first: id 'e5'"):
        LiveTeacher(teacher, examples()).read(ROWS)
    with pytest.raises(TeacherError, match=r"scored \(3, 7\) \(examples, classes\) where noise"):
        LiveTeacher(linear(classes=7), examples()).read(ROWS)
