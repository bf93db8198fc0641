"""Writing a store: member by member, shard by shard, resumable after a kill at any moment.

Only one member is in memory at a time, and only one shard of its answers. A shard is always cut
into the same batches, so a shard that is redone has the same bytes.
"""

import errno
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import StoreError, TeacherError
from limbeck.store.answers import answer
from limbeck.store.buffers import Buffers, Gathered
from limbeck.store.choosing import chosen_tokens
from limbeck.store.completing import complete
from limbeck.store.fidelity import Measures, summed
from limbeck.store.files import Column, Columns, map_columns, write_columns
from limbeck.store.format import Subject
from limbeck.store.journal import Job, Journal, locked, part_name, shard_name
from limbeck.store.layout import Layout
from limbeck.store.ragged import Ragged
from limbeck.store.trial import check_same_layers, per_token, rows_of_a_shard
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet

__all__ = ["Progress", "write_store"]

Progress = Callable[[str, int, int], None]
BLOCK_NUMBERS = 2**18


def write_store(
    teacher: Teacher,
    transfer_set: TransferSet,
    folder: Path,
    subject: Subject,
    *,
    batch_size: int,
    shard_rows: int,
    progress: Progress | None = None,
) -> None:
    """Write what is missing of a store, and its manifest last.

    Args:
        teacher: Who answers; an ensemble's members run one after the other.
        transfer_set: Over which examples.
        folder: Created if it is not there.
        subject: The request.
        batch_size: Examples given to a teacher at once.
        shard_rows: Rows of a shard; fewer where one shard of a teacher would take over 256 MiB.
        progress: Called with what is done, rows done and rows to do, once per batch.

    Raises:
        StoreError: if the folder holds something else or the disk is full.
        StoreMismatch: if the folder holds an unfinished store about something else.
        TeacherError: if a teacher's answers are no use.
    """
    writer = None
    try:
        make_folder(folder)
        with locked(folder):
            rows = rows_of_a_shard(teacher, transfer_set, subject, shard_rows)
            with closing(Journal(folder, Job(subject, rows, batch_size))) as journal:
                writer = Writer(teacher, transfer_set, journal, progress)
                writer.run()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(no_space(folder, writer)) from error


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise StoreError(
            f"a store cannot be written at {folder}: {error.strerror}. Choose another path."
        ) from None


class Writer:
    """The passes over one job.

    Args:
        teacher: Who answers.
        transfer_set: Over which examples.
        journal: What is finished, and the job.
        progress: As in `write_store`.
    """

    def __init__(
        self,
        teacher: Teacher,
        transfer_set: TransferSet,
        journal: Journal,
        progress: Progress | None,
    ) -> None:
        self.members = teacher.members
        self.transfer_set = transfer_set
        self.journal = journal
        self.folder = journal.folder
        self.job = journal.job
        self.subject = journal.job.subject
        self.layout = Layout(self.subject)
        self.progress = progress
        self.checks = transfer_set.checks()
        self.shards = math.ceil(self.subject.rows / self.job.shard_rows)
        self.last = len(self.members) - 1
        self.writing = 0

    def run(self) -> None:
        """Every member over every shard that is not finished, then the manifest."""
        for number, member in enumerate(self.members):
            missing = [s for s in range(self.shards) if not self.finished(number, s)]
            layers = per_token(member, self.transfer_set) if missing else frozenset()
            for shard in missing:
                self.annotate(number, member, shard, layers)
            self.report(number, self.subject.rows)
            member.release()
        complete(self.journal)

    def finished(self, member: int, shard: int) -> bool:
        """Whether a part, or the shard that it went into, is there."""
        return not {(member, shard), (self.last, shard)}.isdisjoint(self.journal.entries)

    def annotate(self, number: int, member: Teacher, shard: int, layers: frozenset[str]) -> None:
        """Run one member over one shard and write its part, or, if it is the last, the shard.

        `layers` are those of its hidden layers that answer per token.
        """
        first = shard * self.job.shard_rows
        count = min(self.job.shard_rows, self.subject.rows - first)
        parts = self.parts(shard) if number == self.last else []
        buffers = Buffers(count)
        measures = []
        for block in self.blocks(count):
            start, rows = first + block.start, block.stop - block.start
            answers = self.answers(number, member, start, rows, layers)
            if number == self.last:
                earlier = [sliced(part, block) for part in parts]
                encoded, measure = self.layout.whole(answers.logits, earlier)
            else:
                encoded, measure = self.layout.part(number, answers.logits)
            hidden = self.layout.hidden(number, answers.hidden())
            self.check_range(member, hidden)
            buffers.fill(block, {**encoded, **hidden})
            measures.append(measure)
        columns = buffers.columns()
        if number == self.last:
            columns = self.whole(columns, parts, first, count)
        self.write(number, shard, columns, summed(measures))

    def blocks(self, count: int) -> Iterator[slice]:
        """The rows of a shard in runs of whole batches, which are encoded in one go."""
        batch = self.job.batch_size * self.subject.views.count
        rows = batch * max(1, BLOCK_NUMBERS // (batch * len(self.subject.classes)))
        for begin in range(0, count, rows):
            yield slice(begin, min(begin + rows, count))

    def answers(
        self, number: int, member: Teacher, first: int, count: int, layers: frozenset[str]
    ) -> Gathered:
        """What a member says about these rows, asked batch by batch."""
        found = Gathered(count, self.subject.hidden_dtype)
        done = first
        for rows, view, where in self.batches(first, count):
            outputs = answer(member, self.transfer_set, rows, view)
            check_same_layers(member, outputs, layers)
            found.put(where, chosen_tokens(outputs, self.subject))
            done += len(rows)
            self.report(number, done)
        return found

    def batches(
        self, first: int, count: int
    ) -> Iterator[tuple[Int[Tensor, " b"], int, Int[Tensor, " b"]]]:
        """Examples, view and where their answers belong among these rows."""
        views = self.subject.views.count
        start, end = first // views, (first + count) // views
        for rows in self.transfer_set.row_batches(self.job.batch_size, start, end):
            for view in range(views):
                yield rows, view, (rows - start) * views + view

    def whole(
        self, own: Columns, parts: Sequence[Columns], first: int, count: int
    ) -> dict[str, Column]:
        """All columns of a shard: the checks, the last member's, and those of the parts."""
        views = self.subject.views.count
        checks = self.checks[first // views : (first + count) // views].astype(np.uint16)
        columns: dict[str, Column] = {"check": np.repeat(checks, views)}
        for part in parts:
            columns |= {name: c for name, c in part.items() if not name.endswith(".spool")}
        return self.layout.order({**columns, **own})

    def parts(self, shard: int) -> list[dict[str, Column]]:
        return [map_columns(self.folder / part_name(m, shard)) for m in range(self.last)]

    def write(self, number: int, shard: int, columns: Columns, measures: Measures) -> None:
        is_last = number == self.last
        name = shard_name(shard) if is_last else part_name(number, shard)
        self.writing = sum(column.nbytes for column in columns.values())
        write_columns(self.folder / name, columns)
        rows = len(next(iter(columns.values())))
        self.journal.record(number, shard, name, rows, measures)
        if is_last:
            for member in range(self.last):
                (self.folder / part_name(member, shard)).unlink()

    def check_range(self, member: Teacher, hidden: Columns) -> None:
        for name, values in hidden.items():
            if not np.isfinite(values.items if isinstance(values, Ragged) else values).all():
                raise TeacherError(
                    f"hidden features of teacher '{member.name}' ({name}) exceed 65504, the "
                    "largest float16. Annotate with hidden_dtype='float32'."
                )

    def report(self, member: int, rows: int) -> None:
        if self.progress is not None:
            name = self.subject.teachers[member].name
            self.progress(f"annotate with {name}", rows, self.subject.rows)


def sliced(columns: Columns, block: slice) -> dict[str, np.ndarray]:
    """These rows of the columns of fixed shape."""
    return {n: column[block] for n, column in columns.items() if not isinstance(column, Ragged)}


def no_space(folder: Path, writer: Writer | None) -> str:
    """What a full disk means for this store: bytes needed, files kept."""
    if writer is None:
        return f"no space left on the disk of {folder}. Free space and run this again."
    kept = len(writer.journal.entries)
    files = writer.shards * len(writer.members)
    return (
        f"no space left on the disk of {folder}: the next file needs {writer.writing:,} bytes, all "
        f"that is left to write about {writer.writing * (files - kept):,}. {kept} of {files} files "
        "are finished and kept. Free space and run this again; it goes on from there."
    )
