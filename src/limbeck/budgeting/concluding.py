"""The end of a fit: the winner's files and verdicts, and what would come next."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from limbeck.budgeting.admitting import Admitted
from limbeck.budgeting.candidates import Candidate
from limbeck.budgeting.finals import Finals
from limbeck.budgeting.front import Placed, bought, front
from limbeck.budgeting.halving import Point, Rung
from limbeck.budgeting.measuring import machine
from limbeck.budgeting.result import Fit, Tried
from limbeck.budgeting.softening import Surface
from limbeck.comparison import compare
from limbeck.errors import LimbeckError
from limbeck.evaluation.significance import Interval, crossed
from limbeck.evaluation.wording import size, verdict_of
from limbeck.exporting import Export, export
from limbeck.job import Progress
from limbeck.quantizing import GATE, Quantized, quantize
from limbeck.teachers import Teacher
from limbeck.training import Run
from limbeck.transfer_sets import TransferSet

__all__ = ["concluded"]

ANY_LOSS = 100.0


def concluded(
    chosen: Admitted,
    rungs: tuple[Rung, ...],
    surface: Surface | None,
    finals: Finals,
    teacher: Teacher,
    teacher_scores: Tensor | None,
    test: TransferSet,
    folder: Path,
    recipe: str | None,
    progress: Progress | None,
) -> Fit:
    """The winner's files, its verdicts, and what would come next."""
    winner, run = finals.winner, finals.runs[finals.winner][0]
    seeds = len(finals.current)
    figures = finals.figures[winner]
    current = crossed(finals.current).within(0.0, 1.0)
    placed = places_of(chosen, finals)
    file = chosen.files[winner]
    exported = export(run.student, folder / "student.onnx", data=test)
    int8, refused = int8_twin(run, exported, test, must=file.precision == "int8")
    return Fit(
        budget=chosen.budget,
        machine=machine(chosen.budget),
        candidates=tuple(tried(c, chosen, rungs, finals) for c in chosen.candidates),
        rungs=rungs,
        softness=surface,
        winner=winner,
        front=front(placed),
        verdict=verdict_of(figures.difference_points),
        sentence=sentence(chosen, winner, figures.test_accuracy, current,
                          figures.difference_points, test, finals.current.shape),
        difference_points=figures.difference_points,
        current_accuracy=current,
        comparison=compare(run, teacher, test, seeds=seeds, teacher_scores=teacher_scores,
                           progress=progress, recipe=recipe),
        next_steps=(*next_steps(chosen, rungs, placed, winner), *refused),
        run=run,
        export=exported,
        int8=int8,
    )  # fmt: skip


def places_of(chosen: Admitted, finals: Finals) -> dict[str, Placed]:
    """Where each finalist is: its validation accuracy and what its file costs."""
    speeds = chosen.milliseconds
    return {
        name: Placed(each.accuracy, speeds[name], chosen.files[name].bytes)
        for name, each in finals.figures.items()
    }


def sentence(
    chosen: Admitted,
    winner: str,
    accuracy: Interval,
    current: Interval,
    difference: Interval,
    test: TransferSet,
    shape: tuple[int, ...],
) -> str:
    """The verdict with its figures."""
    words = {"BEATS": "BEATS", "TIES": "TIES with", "LOSES": "LOSES to"}
    precision = " as INT8" if chosen.files[winner].precision == "int8" else ""
    d = difference
    return (
        f"{winner}, distilled{precision}, {words[verdict_of(d)]} the current student "
        f"({chosen.current.name} from scratch) on {test.name}: {100 * accuracy.estimate:.2f}% "
        f"against {100 * current.estimate:.2f}%, {d.estimate:+.2f} points "
        f"({100 * d.confidence:g}% interval {d.low:+.2f} to {d.high:+.2f}; paired test over "
        f"{shape[0]} seeds and {shape[1]:,} examples)."
    )


def int8_twin(
    run: Run, exported: Export, test: TransferSet, *, must: bool
) -> tuple[Quantized | None, tuple[str, ...]]:
    """The winner as INT8; why there is none, unless the budget is kept by it alone."""
    try:
        return quantize(run, exported, test=test, gate=ANY_LOSS if must else GATE), ()
    except LimbeckError as error:
        if must:
            raise
        return None, (f"There is no INT8 file: {error}",)


def tried(candidate: Candidate, chosen: Admitted, rungs: Sequence[Rung], finals: Finals) -> Tried:
    """A candidate and how far it came."""
    name = candidate.name
    return Tried(
        name=name,
        architecture=candidate.student.architecture,
        parameters=candidate.student.parameters_count(),
        measured=chosen.measured[name],
        file=chosen.files.get(name),
        accuracies=tuple((r.epochs, r.accuracies[name]) for r in rungs if name in r.accuracies),
        final=finals.figures.get(name),
    )


def next_steps(
    chosen: Admitted, rungs: Sequence[Rung], placed: Mapping[str, Placed], winner: str
) -> tuple[str, ...]:
    """What less of the budget costs, as measured, and what more might buy."""
    best = placed[winner]
    faster = [n for n in front(placed) if placed[n].milliseconds < best.milliseconds]
    found = []
    if faster:
        place = placed[faster[-1]]
        lost = 100 * (best.accuracy - place.accuracy)
        found.append(
            f"{place.milliseconds:.3g} ms and {size(place.bytes)} would cost {lost:.2f} points of "
            f"validation accuracy: {faster[-1]}."
        )
    slower = slower_than(chosen)
    if slower and rungs:
        name, above = min(slower.items(), key=lambda each: each[1])
        speeds = chosen.milliseconds
        trend = [Point(a, speeds[n]) for n, a in rungs[0].accuracies.items()]
        points = bought(trend, best.accuracy, best.milliseconds, above)
        if points is not None:
            found.append(
                f"{above:.3g} ms might buy {points:.1f} points, by the trend of {len(trend)} "
                f"candidates: {name}, which was not trained."
            )
    return tuple(found)


def slower_than(chosen: Admitted) -> dict[str, float]:
    """Candidates that miss the budget by their latency, and what their faster file takes."""
    budget = chosen.budget
    assert budget.milliseconds is not None
    fastest = {
        name: min(file.milliseconds(budget) for file in each)
        for name, each in chosen.measured.items()
        if name not in chosen.files
    }
    return {name: time for name, time in fastest.items() if time > budget.milliseconds}
