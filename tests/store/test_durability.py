"""Kills, full disks, little memory, and other processes."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from limbeck.annotation import annotate
from limbeck.errors import StoreError, StoreMismatch
from limbeck.store import KnowledgeStore, files
from limbeck.store.journal import locked
from limbeck.teachers import Ensemble


def run(script, *arguments, timeout=100):
    here = Path(__file__).parent
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, str(here / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("times", [12, pytest.param(40, marks=pytest.mark.slow)])
def test_a_store_killed_at_any_moment_resumes_to_the_same_bytes(tmp_path, times):
    """Work lost, or a shard half written, would show up as other knowledge."""
    trials = [json.loads(line) for line in run("killed_annotation.py", tmp_path, times)]
    assert len(trials) == times
    assert all(trial["same"] for trial in trials)
    assert all(trial["asked_again"] == 0 for trial in trials)  # no finished row is asked again
    assert sum(trial["interrupted"] for trial in trials) >= times // 4


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mappings on Linux only")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fixed", "tokens"])
def test_a_store_ten_times_the_memory_is_annotated_read_and_verified(tmp_path, kind):
    """Growth with the store would end a run over 20 GB after hours."""
    assert run("limited_memory.py", tmp_path / "s", kind) == ["the limit holds"]


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def interrupt_at(rows):
    def progress(what, done, total):
        if done >= rows and what.endswith("b"):
            raise Interrupted

    return progress


@pytest.mark.parametrize("options", [{}, {"keep": "mix"}, {"top_k": 3}])
def test_an_interrupted_ensemble_resumes_whatever_is_kept(linear, examples, tmp_path, options):
    """Parts of earlier members are asked for once, whatever they become."""
    make = lambda: Ensemble([linear("a", 1), linear("b", 2), linear("c", 3)])  # noqa: E731
    data = examples()
    annotate(make(), data, tmp_path / "whole", shard_rows=64, batch_size=20, **options)
    with pytest.raises(Interrupted):
        annotate(
            make(),
            data,
            tmp_path / "s",
            shard_rows=64,
            batch_size=20,
            progress=interrupt_at(150),
            **options,
        )
    with pytest.raises(StoreError, match="is not finished"):
        KnowledgeStore(tmp_path / "s")
    resumed = make()
    annotate(resumed, data, tmp_path / "s", shard_rows=17, batch_size=300, **options)
    assert content(tmp_path / "s") == content(tmp_path / "whole")
    assert [member.asked for member in resumed.members] == [0, 300 - 128, 300]
    assert all(member.released for member in resumed.members)


def test_a_part_that_was_damaged_meanwhile_is_asked_for_again(linear, examples, tmp_path):
    """A part that a power cut left with zeros must not become knowledge."""
    make = lambda: Ensemble([linear("a", 1), linear("b", 2)])  # noqa: E731
    annotate(make(), examples(), tmp_path / "whole", shard_rows=64)
    with pytest.raises(Interrupted):
        annotate(make(), examples(), tmp_path / "s", shard_rows=64, progress=interrupt_at(150))
    part = tmp_path / "s" / "part-00003-00.arrow"
    part.write_bytes(bytes(part.stat().st_size))
    with (tmp_path / "s" / "journal.jsonl").open("a") as journal:
        journal.write('{"member": 0, "sha')
    annotate(make(), examples(), tmp_path / "s", shard_rows=64)
    assert content(tmp_path / "s") == content(tmp_path / "whole")


def test_an_unfinished_store_of_another_request_is_not_overwritten(linear, examples, tmp_path):
    """Hours of another annotation must not be lost to a mistyped path."""
    teacher = Ensemble([linear("a", 1), linear("b", 2)])
    with pytest.raises(Interrupted):
        annotate(teacher, examples(), tmp_path / "s", progress=interrupt_at(0))
    before = content(tmp_path / "s")
    with pytest.raises(StoreMismatch, match="an unfinished store at .* has dtype float16, not flo"):
        annotate(teacher, examples(), tmp_path / "s", dtype="float32")
    assert content(tmp_path / "s") == before


def test_a_journal_without_its_first_line_is_refused(linear, examples, tmp_path):
    """It cannot be known what the parts are about."""
    (tmp_path / "journal.jsonl").write_text("{}\n")
    with pytest.raises(StoreError, match=r"journal.jsonl is damaged. Delete"):
        annotate(linear(), examples(), tmp_path)


def test_a_full_disk_says_what_is_needed_and_resumes(linear, examples, tmp_path, monkeypatch):
    """A traceback from a write call would hide that nothing is lost."""
    annotate(linear(), examples(), tmp_path / "whole", shard_rows=64)
    synced = []

    def full(descriptor):
        synced.append(descriptor)
        if len(synced) == 12:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(
        StoreError,
        match=r"no space left .* next file needs 1,408 bytes, .* about 2,816. 3 of 5 files",
    ):
        annotate(linear(), examples(), tmp_path / "s", shard_rows=64)
    synced.append(0)
    resumed = linear()
    annotate(resumed, examples(), tmp_path / "s", shard_rows=64)
    assert resumed.asked == 300 - 3 * 64
    assert content(tmp_path / "s") == content(tmp_path / "whole")


def test_a_disk_that_is_full_from_the_start_is_a_sentence_too(
    linear, examples, tmp_path, monkeypatch
):
    """The first file is the journal."""

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match=r"no space left on the disk of .*run this again"):
        annotate(linear(), examples(), tmp_path / "s")


def test_other_faults_of_the_disk_are_not_called_full(linear, examples, tmp_path, monkeypatch):
    """Advice to free space would send the user after the wrong fault."""

    def broken(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output error"):
        annotate(linear(), examples(), tmp_path / "s")


@pytest.mark.skipif(os.name == "nt", reason="no folder locks")
def test_two_processes_do_not_write_one_store(linear, examples, tmp_path):
    """Each would delete the other's temporary files."""
    folder = tmp_path / "s"
    folder.mkdir()
    with locked(folder), pytest.raises(StoreError, match="another process is writing the store"):
        annotate(linear(), examples(), folder)
    annotate(linear(), examples(), folder)


def test_many_shards_use_no_file_descriptors(linear, examples, tmp_path):
    """A store of 20 GB has more shards than a process may open files."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc/self/fd to count open files in")
    store = annotate(linear(), examples(), tmp_path / "s", shard_rows=10)
    before = len(list(Path("/proc/self/fd").iterdir()))
    store.read(torch.arange(300))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
