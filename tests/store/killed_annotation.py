"""Annotate, kill -9 at a random moment, resume; print one JSON line per trial. Run by a test.

Everything is imported once; each run is a fork of this process, so that many kills are quick.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from limbeck.annotation import annotate
from limbeck.store import KnowledgeStore
from limbeck.teachers import Ensemble
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets import Arrays, Views
from limbeck.types import Outputs

EXAMPLES, VIEWS, SHARD_ROWS = 40, 2, 16


class Add:
    draws = 1

    def __call__(self, inputs, draws):
        return inputs + draws.to(inputs.dtype)


class Linear(Teacher):
    hidden = ("x", "tokens")
    asked = 0

    def __init__(self, seed):
        self.name = f"t{seed}"
        self.weights = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))

    @property
    def fingerprint(self):
        return self.name

    def outputs(self, batch):
        Linear.asked += len(batch) if len(batch) > 1 else 0
        counts = batch.rows % 5 + 1
        tokens = batch.inputs[:, :1, None].expand(-1, int(counts.max()), 3)
        hidden = {"x": batch.inputs, "tokens": tokens}
        return Outputs(batch.inputs @ self.weights, hidden, {"tokens": counts})


def run(folder: Path) -> None:
    inputs = torch.randn(EXAMPLES, 4, generator=torch.Generator().manual_seed(0))
    data = Views(Add(), count=VIEWS).of(Arrays(inputs, classes="abcde"))
    annotate(Ensemble([Linear(1), Linear(2)]), data, folder, shard_rows=SHARD_ROWS, batch_size=8)


def forked(folder: Path, seconds: float | None = None) -> int | None:
    """Rows asked for by a run in a child; None if it was killed, these seconds after it began to
    write, and that was before its end."""
    begin, end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run(folder)
            os.write(end, str(Linear.asked).encode())
        finally:
            os._exit(0)
    os.close(end)
    if seconds is not None:
        patience = time.perf_counter() + 5
        while not (folder / "journal.jsonl").exists() and time.perf_counter() < patience:
            time.sleep(0.0002)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = os.read(begin, 20)
    os.close(begin)
    return int(told) if told else None


def content(folder: Path) -> str:
    state = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        state.update(path.name.encode() + path.read_bytes())
    return state.hexdigest()


def finished_rows(folder: Path) -> int:
    journal = folder / "journal.jsonl"
    if (folder / "manifest.json").exists():
        return 2 * EXAMPLES * VIEWS
    lines = journal.read_bytes().split(b"\n")[1:-1] if journal.exists() else []
    return sum(json.loads(line)["rows"] for line in lines)


def main(root: Path, trials: int) -> None:
    os.fsync = lambda descriptor: None  # a kill, unlike a power cut, loses nothing that was written
    drawn = random.Random(0)
    times = []
    for number in range(3):
        forked(root / f"whole-{number}")
        written = [path.stat().st_mtime for path in (root / f"whole-{number}").iterdir()]
        times.append(max(written) - min(written))
    for trial in range(trials):
        folder = root / f"trial-{trial}"
        done = forked(folder, drawn.uniform(0, 3 * min(times)))
        rows = finished_rows(folder)
        if drawn.random() < 0.3:
            forked(folder, drawn.uniform(0, min(times) / 2))
        before = finished_rows(folder)
        asked = forked(folder)
        again = asked - (2 * EXAMPLES * VIEWS - before)
        KnowledgeStore(folder).read(torch.arange(EXAMPLES))
        same = content(folder) == content(root / "whole-0")
        interrupted = done is None and rows != 2 * EXAMPLES * VIEWS
        print(json.dumps({"interrupted": interrupted, "asked_again": again, "same": same}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
