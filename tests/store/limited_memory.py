"""Annotate and read a store ten times larger than the memory that is left. Run by a test.

RLIMIT_DATA bounds all memory that the system could not take back (heap and private writable
mappings; not read-only maps of files), and the kernel enforces it.
"""

import resource
import sys
from pathlib import Path

import numpy as np
import torch

from limbeck.annotation import annotate
from limbeck.store import verify
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Batch, Outputs

HEADROOM = 32 * 2**20  # some of it for the stacks of threads that torch and Arrow start late
EXAMPLES, FEATURES = 44_000, 4_000


class Numbers(TransferSet):
    name, classes, groups, input_shape = "numbers", ("a", "b"), {}, (1,)
    fingerprint = "numbers"

    def __init__(self, examples):
        self.ids = range(examples)

    def __len__(self):
        return len(self.ids)

    def batch(self, rows, view=0):
        return Batch(rows, rows[:, None].float() / EXAMPLES, torch.full_like(rows, -1), view)

    def checks(self):
        return np.zeros(len(self), np.uint16)

    def select(self, rows, name=""):
        raise NotImplementedError


class Wide(Teacher):
    name, hidden, fingerprint = "wide", ("x",), "wide"

    def outputs(self, batch):
        logits = torch.cat([batch.inputs, -batch.inputs], 1)
        return Outputs(logits, {"x": batch.inputs.expand(-1, FEATURES)})


class PerToken(Wide):
    """As many numbers in the mean, of 1 to 39 tokens."""

    fingerprint = "per token"

    def outputs(self, batch):
        counts = batch.rows % 39 + 1
        values = batch.inputs[:, :, None].expand(-1, int(counts.max()), FEATURES // 20)
        logits = torch.cat([batch.inputs, -batch.inputs], 1)
        return Outputs(logits, {"x": values}, {"x": counts})


def data_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(s for s in status.splitlines() if s.startswith("VmData")).split()[1])


def use(teacher: Teacher, data: Numbers, folder: Path) -> None:
    """Annotate, read all in random order, verify."""
    size = 32 if isinstance(teacher, PerToken) else 64  # batches are padded to the longest
    store = annotate(teacher, data, folder, shard_rows=128, batch_size=size)
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    for batch in rows.split(size):
        read = store.read(batch)
        first = read.hidden["x"][:, 0] if read.lengths else read.hidden["x"]
        assert (first[:, 7] - batch / EXAMPLES).abs().max() < 1e-3
    assert verify(folder, teacher, data, sample=32).ok


def main(folder: Path, kind: str) -> None:
    folder.parent.mkdir(exist_ok=True)
    teacher = PerToken() if kind == "tokens" else Wide()
    use(teacher, Numbers(300), folder.parent / "warm")  # torch and Arrow start their threads, once
    limit = data_bytes() + HEADROOM
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    use(teacher, Numbers(EXAMPLES), folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size > 10 * HEADROOM, size
    try:
        np.ones(3 * HEADROOM, np.uint8)
    except MemoryError:
        print("the limit holds")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
