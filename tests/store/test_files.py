"""Files that are whole or absent."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limbeck.store.files import map_columns, write_columns, write_whole


def test_a_file_is_synced_before_its_name_and_its_folder_after(tmp_path, monkeypatch):
    """A rename that reaches the disk before the bytes leaves a file of zeros after a power cut."""
    done = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: done.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
    )
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc/self/fd to name open files by")
    rename = Path.replace
    monkeypatch.setattr(Path, "replace", lambda a, b: (done.append("rename"), rename(a, b)))
    write_whole(tmp_path / "f", lambda file: file.write(b"bytes"))
    assert done == [str(tmp_path / "f.tmp"), "rename", str(tmp_path)]
    assert (tmp_path / "f").read_bytes() == b"bytes"


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    """A half-written manifest would be taken for a store."""
    (tmp_path / "f").write_bytes(b"old")

    def fail(file):
        file.write(b"ne")
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_whole(tmp_path / "f", fail)
    assert (tmp_path / "f").read_bytes() == b"old"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["float16", "float32", "uint16", "uint32"]).flatmap(
        lambda dtype: hnp.arrays(
            dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=7)
        )
    )
)
def test_any_fixed_shape_column_comes_back_bit_for_bit(tmp_path_factory, column):
    """Shapes, types and NaN payloads must survive the file."""
    path = tmp_path_factory.mktemp("columns") / "f.arrow"
    check = np.arange(len(column), dtype=np.uint16)
    write_columns(path, {"check": check, "t.logits": column})
    back = map_columns(path)
    assert back["t.logits"].dtype == column.dtype
    assert back["t.logits"].shape == column.shape
    assert back["t.logits"].tobytes() == column.tobytes()
    assert not back["t.logits"].flags.writeable
    assert back["check"].tolist() == check.tolist()
