"""Train many students: stacked, one process per core, or both, as a short probe decides."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

from limbeck.artefacts import read_json, write_json
from limbeck.errors import LimbeckError
from limbeck.fingerprint import digest
from limbeck.job import History, Job, Progress
from limbeck.loop import train
from limbeck.students import Student
from limbeck.together.grouping import Pending, reason_against, stackable_groups
from limbeck.together.plan import Plan, chosen_plan
from limbeck.together.stack import Stack
from limbeck.together.workers import in_processes

__all__ = ["Outcome", "Plan", "train_together"]

Outcome = tuple[Student, History] | LimbeckError
"""A trained student and how it went, or why its training failed."""

Runs = Mapping[int, Pending]
"""What is left to train, by its position among the runs that were asked for."""


def train_together(
    runs: Sequence[tuple[Job, int]],
    *,
    progress: Progress | None = None,
    plan: Plan | None = None,
) -> list[Outcome]:
    """Train every one of these (job, seed) pairs; finished ones are read from their checkpoints.

    Args:
        runs: Jobs may differ in anything; those that differ only in initial weights, data order,
            learning rate, temperature or weights of the objective can be trained as one stack.
        progress: Told of the updates of each group of runs.
        plan: How to train them; None: whatever a probe of a second or two finds fastest.

    Returns:
        One outcome per run, in their order. A run that diverges does not disturb the others.

    Raises:
        LimbeckError: if a job does not fit together, a process is killed, or the plan is to stack
            what cannot be stacked.
    """
    if len(runs) == 1:
        return [attempted(*runs[0], progress)]
    outcomes: dict[int, Outcome] = {}
    with kept_checkpoints(runs) as kept, torch.random.fork_rng():
        found = {i: Pending.unless_finished(*each) for i, each in enumerate(kept)}
        for group in groups({i: run for i, run in found.items() if run is not None}):
            way = plan or remembered_plan(group)
            told = titled(progress, len(group.runs))
            if way.here:
                outcomes |= one_by_one(runs, list(group.runs), told)
            else:
                outcomes |= trained(group.runs, way, told)
        return [outcomes[i] if i in outcomes else attempted(*each) for i, each in enumerate(kept)]


def attempted(job: Job, seed: int, progress: Progress | None = None) -> Outcome:
    """Do a job, or read what it gave; an error is an outcome too."""
    try:
        return train(job, seed, progress)
    except LimbeckError as error:
        return error


def one_by_one(
    runs: Sequence[tuple[Job, int]], chosen: Sequence[int], progress: Progress | None
) -> dict[int, Outcome]:
    """Train these runs one after the other; the outcome of each."""
    total = sum(runs[i][0].updates for i in chosen)
    outcomes: dict[int, Outcome] = {}
    before = 0
    for i in chosen:

        def told(what: str, made: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(what, before + made, total)

        outcomes[i] = attempted(*runs[i], told)
        before += runs[i][0].updates
    return outcomes


@contextmanager
def kept_checkpoints(runs: Sequence[tuple[Job, int]]) -> Iterator[list[tuple[Job, int]]]:
    """The runs, each with a folder for its result: its own, or one that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="limbeck-") as folder:
        yield [
            (job if job.checkpoint is not None else replace(job, checkpoint=Path(folder)), seed)
            for job, seed in runs
        ]


@dataclass(frozen=True)
class Group:
    """Students that are trained in one way.

    Attributes:
        runs: By their position among those that were asked for.
        reason: Why they cannot be stacked; "" if they can.
    """

    runs: Runs
    reason: str


def groups(pending: Runs) -> list[Group]:
    """Each set of students that can be a stack, and all others together."""
    positions = list(pending)
    together = stackable_groups([pending[i].job for i in positions])
    found: list[Group] = []
    others: dict[int, Pending] = {}
    reasons: list[str] = []
    for members in together:
        of_group = {positions[m]: pending[positions[m]] for m in members}
        reason = reason_against(next(iter(of_group.values())).job)
        if not reason and len(of_group) > 1:
            found.append(Group(of_group, ""))
        else:
            others |= of_group
            reasons.append(reason or "it is the only one of its kind")
    if others:
        found.append(Group(others, reasons[0]))
    return found


def remembered_plan(group: Group) -> Plan:
    """The plan of these students' earlier, interrupted training; else what a probe finds."""
    runs = list(group.runs.values())
    folder = runs[0].job.checkpoint
    assert folder is not None
    path = folder / f"plan-{digest(*(run.identity for run in runs))[:16]}.json"
    if path.is_file():
        return Plan(**read_json(path))
    plan = chosen_plan(runs, group.reason)
    write_json(path, asdict(plan))
    return plan


def trained(runs: Runs, plan: Plan, progress: Progress | None) -> dict[int, Outcome]:
    """Train these students, leaving each one's finished checkpoint; only errors are outcomes."""
    for run in runs.values():
        if plan.stacked and (reason := reason_against(run.job)):
            raise LimbeckError(f"these students cannot be stacked: {reason}. Leave out the plan.")
    ordered = sorted(runs, key=lambda i: (runs[i].seed, i))
    count = min(plan.processes, len(ordered))
    if count == 1:
        return failed(train_share(runs, ordered, plan.stacked, progress))
    shares = [ordered[process::count] for process in range(count)]
    works = [partial(train_share, runs, share, plan.stacked) for share in shares]
    total = sum(run.job.updates for run in runs.values())
    answers = in_processes(works, progress=progress, total=total)
    return failed({i: sentence for errors in answers for i, sentence in errors.items()})


def failed(errors: Mapping[int, str]) -> dict[int, Outcome]:
    return {i: LimbeckError(sentence) for i, sentence in errors.items()}


def titled(progress: Progress | None, students: int) -> Progress | None:
    """The progress, told how many students are being trained."""
    if progress is None:
        return None
    title = "train" if students == 1 else f"train {students} students"
    return lambda _, made, total: progress(title, made, total)


def train_share(
    runs: Runs, share: Sequence[int], stacked: bool, progress: Progress | None
) -> dict[int, str]:
    """Train some of the students in this process; what went wrong, in a sentence each."""
    if not stacked:
        pairs = [(runs[i].job, runs[i].seed) for i in share]
        found = one_by_one(pairs, range(len(pairs)), progress)
        return {share[k]: str(e) for k, e in found.items() if isinstance(e, LimbeckError)}
    stack = Stack([runs[i].begin() for i in share])
    stack.resume()
    torch.set_flush_denormal(True)
    try:
        stack.train(progress)
    finally:
        torch.set_flush_denormal(False)
    errors = stack.finish()
    return {i: errors[runs[i].identity] for i in share if runs[i].identity in errors}
