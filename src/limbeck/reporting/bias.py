"""Which classes, groups and examples paid for the compression: three tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from limbeck.reporting.page import Cell, Row, Section, Table
from limbeck.reporting.wording import NONE, count, number, percent

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.evaluation import Bias, Evaluation
    from limbeck.evaluation.bias import GroupBias

__all__ = ["bias"]

MOST_CLASSES = 24
MOST_GROUPS = 24
MOST_FLIPS = 50


def bias(comparison: "Comparison") -> Section | None:
    """Who paid; None where no teacher was measured, or an older limbeck compared."""
    distilled, scratch = comparison.distilled_bias, comparison.scratch_bias
    if distilled is None or scratch is None:
        return None
    tables = (
        classes(distilled, scratch),
        groups(comparison, distilled, scratch),
        flips(comparison, distilled, scratch),
    )
    return Section(
        id="bias",
        title="Which classes paid",
        note="How the students' errors differ from the teacher's. CEV says how unequally the "
        "classes pay, SDE how far missed examples and false alarms part; 0 is best for both.",
        charts=(),
        tables=tuple(table for table in tables if table is not None),
    )


def classes(distilled: "Bias", scratch: "Bias") -> Table | None:
    """CEV, SDE, and each class's missed examples, those first that distilling costs most."""
    if distilled.cev is None or distilled.sde is None:
        return None
    pairs = sorted(
        zip(distilled.per_class, scratch.per_class, strict=True),
        key=lambda pair: -pair[0].missed_more_points,
    )
    note = "Missed: the share of a class's examples that are given another class; in small print "
    note += "the share of the others' examples that are given it."
    if len(pairs) > MOST_CLASSES:
        note += f" Shown are the {MOST_CLASSES} of {count(len(pairs))} classes that pay most."
    if distilled.floored_classes:
        note += (
            f" The teacher makes no error of some kind in {count(distilled.floored_classes)} "
            "classes; CEV and SDE count it as one error."
        )
    rows = [
        Row(name, unit, (Cell(NONE), *(Cell(number(value, 1)) for value in pair)))
        for name, unit, pair in (
            ("CEV", "in squared percent", (scratch.cev or 0.0, distilled.cev)),
            ("SDE", "in percent", (scratch.sde or 0.0, distilled.sde)),
        )
    ]
    rows += [
        Row(
            f"Missed: {own.name}",
            f"{count(own.examples)} examples",
            (
                Cell(percent(own.teacher_fnr, 1), percent(own.teacher_fpr)),
                Cell(percent(twin.fnr, 1), percent(twin.fpr)),
                Cell(percent(own.fnr, 1), percent(own.fpr)),
            ),
        )
        for own, twin in pairs[:MOST_CLASSES]
    ]
    return Table(note, ("Teacher", "From scratch", "Distilled"), tuple(rows))


def groups(comparison: "Comparison", distilled: "Bias", scratch: "Bias") -> Table | None:
    """CEV, flips and calibration in each group, those first that lose most right answers."""
    pairs = sorted(
        zip(distilled.groups, scratch.groups, strict=True),
        key=lambda pair: -pair[0].flips_per_run / pair[0].examples,
    )
    if not pairs:
        return None
    note = "Within each group: CEV, and in small print how many of the teacher's right answers are "
    note += "lost per seed, and the calibration error. In a small group all are uncertain."
    if len(pairs) > MOST_GROUPS:
        note += f" Shown are the {MOST_GROUPS} of {count(len(pairs))} groups that lose most."
    rows = [
        Row(
            f"{own.column}: {own.value}",
            f"{count(own.examples)} examples",
            (group_cell(twin, comparison.scratch), group_cell(own, comparison.distilled)),
        )
        for own, twin in pairs[:MOST_GROUPS]
    ]
    return Table(note, ("From scratch", "Distilled"), tuple(rows))


def group_cell(group: "GroupBias", evaluations: Sequence["Evaluation"]) -> Cell:
    errors = [
        row.ece
        for evaluation in evaluations
        for row in evaluation.groups
        if (row.column, row.value) == (group.column, group.value) and row.ece is not None
    ]
    note = f"{number(group.flips_per_run, 1)} lost"
    if errors:
        note += f", ECE {percent(sum(errors) / len(errors), 1)}"
    return Cell(NONE if group.cev is None else number(group.cev, 1), note)


def flips(comparison: "Comparison", distilled: "Bias", scratch: "Bias") -> Table:
    """The examples whose right answer is lost, in how many seeds."""
    found = comparison.flips
    note = (
        f"Flips: the teacher is right and the distilled student wrong on "
        f"{number(distilled.flips_per_run, 1)} examples per seed (from scratch "
        f"{number(scratch.flips_per_run, 1)}), on {count(len(found))} in some seed. "
        f"{count(distilled.changed_in_all_runs)} examples get another class than the teacher's "
        "with every seed."
    )
    if len(found) > MOST_FLIPS:
        note += f" Shown are the first {MOST_FLIPS}; comparison.json has all."
    rows = [
        Row(flip.id, "", (Cell(flip.label), Cell(flip.answer), Cell(count(flip.runs))))
        for flip in found[:MOST_FLIPS]
    ]
    heads = ("Class", "Given", f"Seeds, of {distilled.runs}")
    return Table(note, heads, tuple(rows), folded=True)
