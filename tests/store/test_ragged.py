"""Columns of varying length: files, offsets, padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.errors import StoreError
from limbeck.store.files import map_columns, write_columns
from limbeck.store.ragged import (
    TOKENS,
    Ragged,
    joined,
    padded,
    ragged,
    without_padding,
    zero_padding,
)

KINDS = ((TOKENS, 3), (2, TOKENS, TOKENS))


def rows_of(counts, kind, dtype="float16", seed=0):
    """Random values of rows, tokens first."""
    drawn = np.random.default_rng(seed)
    axes = kind.count(TOKENS)
    width = next(size for size in kind if size != TOKENS)
    return [drawn.normal(size=(t,) * axes + (width,)).astype(dtype) for t in counts]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=9),
    st.sampled_from(KINDS),
    st.sampled_from(["float16", "float32"]),
)
def test_any_column_comes_back_bit_for_bit(tmp_path_factory, counts, kind, dtype):
    """An offset that is one off gives a token the vector of its neighbour."""
    rows = rows_of(counts, kind, dtype)
    path = tmp_path_factory.mktemp("columns") / "f.arrow"
    write_columns(path, {"check": np.zeros(len(rows), np.uint16), "t": ragged(rows, kind)})
    back = map_columns(path)["t"]
    assert back.shape == (len(rows), *kind)
    assert back.dtype == dtype
    assert not back.items.flags.writeable
    assert back.counts(np.arange(len(rows))).tolist() == counts
    for number, row in enumerate(rows):
        begin, end = back.offsets[number : number + 2]
        assert back.items[begin:end].tobytes() == row.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_several_columns_are_padded_as_loops_would(kind):
    """Random access must not depend on what else is in the batch, or in which file it is."""
    first, second = rows_of([2, 0, 5, 1], kind), rows_of([3, 4], kind, seed=1)
    columns = [ragged(first, kind), joined([ragged(second[:1], kind), ragged(second[1:], kind)])]
    wanted = [first[2], first[0], first[2], second[1], second[0]]
    found, counts = padded(
        [(columns[0], np.array([2, 0, 2])), (columns[1], np.array([1, 0]))],
    )
    assert counts.tolist() == [5, 2, 5, 4, 3]
    assert found.dtype == torch.float16
    for place, row in enumerate(wanted):
        t = len(row)
        for i in range(5):
            if len(kind) == 2:
                expected = row[i] if i < t else np.zeros(3)
                assert found[place, i].tolist() == expected.tolist()
                continue
            for j in range(5):
                expected = row[i, j] if max(i, j) < t else np.zeros(2)
                assert found[place, :, i, j].tolist() == expected.tolist()


def test_no_row_at_all_is_an_empty_batch():
    """An empty selection must not fail in the arithmetic of the longest."""
    column = ragged(rows_of([2, 3], (TOKENS, 3)), (TOKENS, 3))
    found, counts = padded([(column, np.array([], np.int64))])
    assert found.shape == (0, 0, 3)
    assert counts.shape == (0,)


def test_padding_is_cut_off_and_zeroed_on_both_axes_of_a_map():
    """What a model says about padding is noise, perhaps NaN."""
    counts = torch.tensor([1, 3])
    vectors, maps = torch.full((2, 3, 4), torch.nan), torch.full((2, 5, 3, 3), torch.nan)
    vectors[0, :1], vectors[1], maps[0, :, :1, :1], maps[1] = 1, 2, 3, 4
    assert zero_padding(vectors, counts).sum() == 4 + 3 * 4 * 2
    assert zero_padding(maps, counts).sum() == 5 * 3 + 5 * 9 * 4
    assert [tuple(row.shape) for row in without_padding(vectors, counts)] == [(1, 4), (3, 4)]
    assert [tuple(row.shape) for row in without_padding(maps, counts)] == [(1, 1, 5), (3, 3, 5)]


@pytest.mark.parametrize(
    ("offsets", "kind", "message"),
    [
        ([1, 2, 4], KINDS[0], "do not rise over its items"),
        ([0, 2, 3], KINDS[0], "do not rise over its items"),
        ([0, 5, 4], KINDS[0], "do not rise over its items"),
        ([0, -1, 4], KINDS[0], "do not rise over its items"),
        ([0, 2, 2**30], KINDS[0], "do not rise over its items"),
        ([0, 2, 4], KINDS[1], "not those of squares"),
        ([0, 1, 4], (3,), "does not say where its tokens are"),
    ],
)
def test_offsets_that_lead_elsewhere_are_refused(tmp_path, offsets, kind, message):
    """They would be read as another row's vectors, or as memory beyond the file."""
    path = tmp_path / "f.arrow"
    begun = [0, 1, 4]
    items = np.zeros((4, next(size for size in kind if size != TOKENS)), np.float16)
    write_columns(path, {"t": Ragged(np.array(begun), items, kind)})
    raw = path.read_bytes()
    assert raw.count(np.array(begun, np.int32).tobytes()) == 1
    changed = np.array(offsets, np.int32).tobytes()
    path.write_bytes(raw.replace(np.array(begun, np.int32).tobytes(), changed))
    with pytest.raises(StoreError, match=r"not a shard of a knowledge store: .*(ffset|tokens are)"):
        map_columns(path)
    with pytest.raises(ValueError, match=message):
        Ragged(np.array(offsets), items, kind).check()
