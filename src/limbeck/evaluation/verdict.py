"""A comparison's result: what was measured, the verdict, and its JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import limbeck
from limbeck.artefacts import write_json
from limbeck.errors import LimbeckError
from limbeck.evaluation.accuracy import worst_groups
from limbeck.evaluation.bias import Bias
from limbeck.evaluation.evaluation import Evaluation
from limbeck.evaluation.flips import FlippedExample
from limbeck.evaluation.leave_one_out import LeftOut
from limbeck.evaluation.significance import Interval
from limbeck.evaluation.wording import TableRow, Verdict, bias_words, group_words, table, wrapped

__all__ = ["FORMAT", "ClassChange", "Comparison"]

FORMAT = 2
"""The number of comparison.json's format. In format 1 there is no bias and there are no flips."""


@dataclass(frozen=True)
class ClassChange:
    """How a class fares with and without distilling: means over the seeds.

    Attributes:
        name: The class.
        examples: How many test examples have this label.
        scratch_recall: Share of them that the student from scratch gets right, in [0, 1].
        distilled_recall: Likewise of the distilled student.
        change_points: Their difference in percentage points; without ends where the class has
            fewer than two examples.
    """

    name: str
    examples: int
    scratch_recall: float
    distilled_recall: float
    change_points: Interval


@dataclass(frozen=True)
class Comparison:
    """A teacher, the student distilled from it, and the same student from scratch.

    Attributes:
        verdict: BEATS, TIES or LOSES: the distilled student against the one from scratch.
        sentence: The verdict with its figures.
        data: The test set's name.
        examples: How many labelled test examples there are.
        unlabelled: How many more had no label and were left out.
        seeds: The seeds.
        teacher: The teacher's evaluation; None if there was none.
        distilled: An evaluation for each seed.
        scratch: An evaluation for each seed.
        distilled_accuracy: Mean over seeds and examples, in [0, 1].
        scratch_accuracy: Likewise.
        difference_points: Distilled minus from scratch, in percentage points.
        gap_recovered: (distilled - from scratch) / (teacher - from scratch), 1 being all of it.
            None unless the teacher is surely better than the student from scratch.
        gap_note: Why `gap_recovered` is None; else empty.
        per_class: A row for each class.
        left_out: A row for each teacher of an ensemble, from its knowledge store.
        distilled_histories: How each seed's training went, as `History.to_json` says.
        scratch_histories: Likewise.
        advice: What to try; empty where distilling won.
        recipe: What the comparison was made from; None if not told.
        versions: Of python and the libraries, and the machine.
        distilled_bias: How the distilled students' errors differ from the teacher's; None without
            a teacher.
        scratch_bias: Likewise of those from scratch.
        flips: The test examples that the teacher gets right and a distilled student does not.
    """

    verdict: Verdict
    sentence: str
    data: str
    examples: int
    unlabelled: int
    seeds: tuple[int, ...]
    teacher: Evaluation | None
    distilled: tuple[Evaluation, ...]
    scratch: tuple[Evaluation, ...]
    distilled_accuracy: Interval
    scratch_accuracy: Interval
    difference_points: Interval
    gap_recovered: Interval | None
    gap_note: str
    per_class: tuple[ClassChange, ...]
    left_out: tuple[LeftOut, ...]
    distilled_histories: tuple[Mapping[str, Any], ...]
    scratch_histories: tuple[Mapping[str, Any], ...]
    advice: tuple[str, ...]
    recipe: str | Mapping[str, Any] | None
    versions: Mapping[str, str]
    distilled_bias: Bias | None = None
    scratch_bias: Bias | None = None
    flips: tuple[FlippedExample, ...] = ()

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """The table: the teacher if there is one, from scratch, distilled."""
        rows = [
            mean_row("from scratch", self.scratch, self.scratch_accuracy),
            mean_row("distilled", self.distilled, self.distilled_accuracy),
        ]
        if self.teacher is not None:
            row = mean_row("teacher", (self.teacher,), self.teacher.accuracy)
            rows.insert(0, replace(row, teacher_agreement=None))
        return tuple(rows)

    def save(self, path: str | Path) -> Path:
        """Write it as JSON.

        Raises:
            LimbeckError: if it cannot be written.
        """
        write_json(Path(path), {"format": FORMAT, **asdict(self)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> "Comparison":
        """What `save` wrote.

        Raises:
            LimbeckError: if the file is missing, damaged or of a newer format.
        """
        try:
            facts = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise LimbeckError(
                f"no comparison at {path}. Make one with: limbeck compare RECIPE"
            ) from error
        except (OSError, ValueError) as error:
            raise LimbeckError(f"{path} is damaged or cannot be read. Compare again.") from error
        number = facts.pop("format", None) if isinstance(facts, dict) else None
        if type(number) is int and number > FORMAT:
            raise LimbeckError(
                f"{path} has format {number}, and this limbeck {limbeck.__version__} reads up to "
                f"{FORMAT}. Use a newer limbeck."
            )
        try:
            return cls(**restored(facts))
        except (AttributeError, KeyError, TypeError, LimbeckError) as error:
            raise LimbeckError(f"{path} holds no comparison ({error}). Compare again.") from error

    def __str__(self) -> str:
        paragraphs = [table(self.rows), wrapped(self.sentence), wrapped(self.gap_words())]
        if self.distilled_bias is not None and self.scratch_bias is not None:
            paragraphs.append(wrapped(bias_words(self.distilled_bias, self.scratch_bias)))
        students = [[e.groups for e in seeds] for seeds in (self.distilled, self.scratch)]
        worst = zip(*map(worst_groups, students), strict=True)
        paragraphs += [wrapped(group_words(*pair)) for pair in worst]
        if self.left_out:
            worded = ", ".join(f"{row.name} {100 * row.agreement:.1f}%" for row in self.left_out)
            paragraphs.append(wrapped(f"Agreement with all teachers without one: {worded}."))
        if self.advice:
            advice = [wrapped(piece, bullet="  - ") for piece in self.advice]
            paragraphs.append("\n".join(["What to try:", *advice]))
        return "\n\n".join(paragraphs)

    def gap_words(self) -> str:
        """The gap recovered, or why there is none."""
        gap = self.gap_recovered
        if gap is None:
            return f"Gap recovered: {self.gap_note}."
        return (
            f"Gap recovered: {100 * gap.estimate:.0f}% of the way from scratch to the teacher "
            f"({100 * gap.confidence:g}% interval {100 * gap.low:.0f}% to {100 * gap.high:.0f}%)."
        )


def mean_row(model: str, evaluations: tuple[Evaluation, ...], accuracy: Interval) -> TableRow:
    """The mean over the seeds; size and latency are of the first."""
    first, count = evaluations[0], len(evaluations)
    agreements = [e.teacher_agreement for e in evaluations if e.teacher_agreement is not None]
    timing = first.latency_at(1)
    return TableRow(
        model=model,
        accuracy=accuracy,
        nll_nats=sum(e.nll_nats for e in evaluations) / count,
        ece=sum(e.ece for e in evaluations) / count,
        teacher_agreement=sum(agreements) / len(agreements) if agreements else None,
        parameters=first.parameters,
        bytes=first.bytes,
        p50_ms=None if timing is None else timing.p50_ms,
    )


def restored(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a comparison from what JSON keeps of them."""
    gap, teacher = facts["gap_recovered"], facts["teacher"]
    changes = [
        ClassChange(**{**row, "change_points": Interval(**row["change_points"])})
        for row in facts["per_class"]
    ]
    return {
        **facts,
        "seeds": tuple(facts["seeds"]),
        "teacher": None if teacher is None else Evaluation.from_dict(teacher),
        "distilled": tuple(Evaluation.from_dict(e) for e in facts["distilled"]),
        "scratch": tuple(Evaluation.from_dict(e) for e in facts["scratch"]),
        "distilled_accuracy": Interval(**facts["distilled_accuracy"]),
        "scratch_accuracy": Interval(**facts["scratch_accuracy"]),
        "difference_points": Interval(**facts["difference_points"]),
        "gap_recovered": None if gap is None else Interval(**gap),
        "per_class": tuple(changes),
        "left_out": tuple(LeftOut(**row) for row in facts["left_out"]),
        "distilled_histories": tuple(facts["distilled_histories"]),
        "scratch_histories": tuple(facts["scratch_histories"]),
        "advice": tuple(facts["advice"]),
        "flips": tuple(FlippedExample(**row) for row in facts.get("flips", ())),
        **{
            name: Bias.from_dict(facts[name])
            for name in ("distilled_bias", "scratch_bias")
            if facts.get(name) is not None
        },
    }
