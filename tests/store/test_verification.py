"""Asking the teacher again."""

import pytest

from limbeck.annotation import annotate
from limbeck.errors import StoreError, StoreMismatch
from limbeck.store import verify
from limbeck.teachers import Ensemble


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(
    ("combine", "options"),
    [
        ("geometric", {}),
        ("arithmetic", {"top_k": 4}),
        ("geometric", {"top_k": 4}),
        ("geometric", {"keep": "mix"}),
    ],
)
def test_an_unchanged_teacher_is_found_unchanged(
    linear, examples, tmp_path, dtype, combine, options
):
    """An alarm at every check would be switched off."""
    members = [linear("a", 1, hidden=("x",)), linear("b", 2, hidden=("x",))]
    teacher, data = Ensemble(members, combine=combine, weights=[1.0, 2.0]), examples()
    annotate(teacher, data, tmp_path / "s", dtype=dtype, shard_rows=100, **options)
    result = verify(tmp_path / "s", teacher, data, sample=50)
    assert result.ok
    assert (result.sampled, result.differing, result.shards) == (50, 0, 3)
    assert 0 <= result.largest_difference < 1


@pytest.mark.parametrize("options", [{}, {"top_k": 4}, {"hidden_only": True}])
def test_a_teacher_that_answers_differently_is_found(linear, examples, tmp_path, options):
    """Same fingerprint, other answers: another library version, or a fingerprint that forgets."""
    hidden_only = options.pop("hidden_only", False)
    teacher, data = linear(hidden=("x",)), examples()
    annotate(teacher, data, tmp_path / "s", **options)
    if hidden_only:
        outputs = teacher.outputs
        teacher.outputs = lambda batch: type(outputs(batch))(
            outputs(batch).logits, {"x": batch.inputs.reshape(-1, 2, 3)}
        )
    else:
        teacher.weights = teacher.weights * 1.05
    result = verify(tmp_path / "s", teacher, data)
    assert not result.ok
    assert result.differing > 200
    assert result.largest_difference > 1


def test_another_teacher_or_other_data_is_refused(linear, examples, tmp_path):
    """A comparison with something else would only say that it is something else."""
    annotate(linear(), examples(), tmp_path / "s")
    with pytest.raises(StoreMismatch, match="holds another teacher's answers"):
        verify(tmp_path / "s", linear(seed=9), examples())
    with pytest.raises(StoreMismatch, match="300 of 300 examples differ"):
        verify(tmp_path / "s", linear(), examples(seed=9))
    with pytest.raises(StoreError, match="without its transfer set"):
        verify(tmp_path / "s", linear())


def test_bytes_alone_are_checked_without_a_teacher(linear, examples, tmp_path):
    """The store may outlive the teacher."""
    annotate(linear(), examples(), tmp_path / "s", shard_rows=100)
    result = verify(tmp_path / "s")
    assert (result.ok, result.sampled, result.damaged) == (True, 0, ())
    path = tmp_path / "s" / "shard-00001.arrow"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert verify(tmp_path / "s", linear(), examples()).damaged == ("shard-00001.arrow",)
