"""The journal of a store that is being written: what is finished, so that a kill costs one shard.

`journal.jsonl` starts with the request and is followed by one line for every finished file, with
its size and SHA-256. A file counts only if its line is whole and its bytes match; a line torn by a
kill is dropped. The journal is deleted once the manifest is there.

An ensemble's members run one after the other. What each but the last said is kept in part files,
one per member and shard; the last member's pass writes the shards and deletes the parts.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from limbeck.errors import StoreError, StoreMismatch
from limbeck.store.fidelity import Measures
from limbeck.store.files import sha256_of, write_whole
from limbeck.store.format import Subject
from limbeck.store.json_records import from_json, to_json
from limbeck.store.matching import difference

__all__ = ["JOURNAL", "Entry", "Job", "Journal", "locked", "part_name", "shard_name"]

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Job:
    """What is being written, and how it is cut into files and batches.

    Attributes:
        subject: What the store will be about.
        shard_rows: Rows of a shard, a multiple of the views.
        batch_size: Examples that a teacher sees at once. Kept when resuming, because another one
            may change the last bit of an answer.
    """

    subject: Subject
    shard_rows: int
    batch_size: int


@dataclass(frozen=True)
class Entry:
    """A finished file: a member's part of a shard, or, from the last member, the shard."""

    member: int
    shard: int
    file: str
    rows: int
    bytes: int
    sha256: str
    measures: Measures


def part_name(member: int, shard: int) -> str:
    """The file of what one member but the last said about a shard."""
    return f"part-{shard:05d}-{member:02d}.arrow"


def shard_name(shard: int) -> str:
    """The file of a shard."""
    return f"shard-{shard:05d}.arrow"


class Journal:
    """The finished files of one job in one folder.

    Args:
        folder: The store's folder.
        job: What to write; if the folder's journal is about the same subject, its way of cutting
            is kept instead.

    Raises:
        StoreMismatch: if another job was begun in this folder.
        StoreError: if the folder holds something else.
    """

    def __init__(self, folder: Path, job: Job) -> None:
        self.folder = folder
        self.job = job
        self.entries: dict[tuple[int, int], Entry] = {}
        if (folder / JOURNAL).is_file():
            self.resume()
        else:
            self.begin()
        write_whole(folder / JOURNAL, self.write)
        for path in folder.glob("*.tmp"):
            path.unlink()
        self.file = (folder / JOURNAL).open("ab")

    def begin(self) -> None:
        """Refuse a folder that holds something else."""
        foreign = sorted(p.name for p in self.folder.iterdir() if not p.name.endswith(".tmp"))
        if foreign:
            raise StoreError(
                f"{self.folder} is not a knowledge store and not empty (it holds {foreign[0]}). "
                "Give annotate a folder of its own."
            )

    def resume(self) -> None:
        """Take over what an earlier journal says is finished, and is."""
        lines = (self.folder / JOURNAL).read_bytes().split(b"\n")
        try:
            begun = from_json(Job, json.loads(lines[0]))
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"{self.folder / JOURNAL} is damaged. Delete {self.folder} and annotate again."
            ) from None
        if differs := difference(begun.subject, self.job.subject):
            raise StoreMismatch(
                f"an unfinished store at {self.folder} {differs}. Delete it, or annotate to "
                "another path."
            )
        self.job = begun
        for line in lines[1:-1]:
            try:
                entry = from_json(Entry, json.loads(line))
            except (ValueError, KeyError, TypeError):
                break
            self.entries[entry.member, entry.shard] = entry
        last = len(begun.subject.teachers) - 1
        shards = {s for m, s in self.entries if m == last and self.intact(self.entries[m, s])}
        self.entries = {
            (m, s): entry
            for (m, s), entry in self.entries.items()
            if s in shards or (m != last and self.intact(entry))
        }

    def intact(self, entry: Entry) -> bool:
        """Whether a file has the bytes that the journal says."""
        path = self.folder / entry.file
        whole = path.is_file() and path.stat().st_size == entry.bytes
        return whole and sha256_of(path) == entry.sha256

    def write(self, file: IO[bytes]) -> None:
        """The whole journal, without the torn line."""
        file.write(line_of(self.job))
        for entry in self.entries.values():
            file.write(line_of(entry))

    def record(self, member: int, shard: int, name: str, rows: int, measures: Measures) -> None:
        """Note that a file is finished."""
        path = self.folder / name
        entry = Entry(member, shard, name, rows, path.stat().st_size, sha256_of(path), measures)
        self.file.write(line_of(entry))
        self.file.flush()
        os.fsync(self.file.fileno())
        self.entries[member, shard] = entry

    def close(self) -> None:
        """Stop writing; the journal stays for the next time."""
        self.file.close()


def line_of(record: Any) -> bytes:
    return json.dumps(to_json(record)).encode() + b"\n"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within this block no other process writes this store; a kill lets go of it.

    Raises:
        StoreError: if another process is writing it.
    """
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                yield  # a file system without locks
                return
            raise StoreError(
                f"another process is writing the store at {folder}. Wait for it, or annotate to "
                "another path."
            ) from None
        yield
    finally:
        os.close(descriptor)
