"""Accuracy by group of test examples: whom does distilling serve better, and whom worse?"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from limbeck.reporting.accuracies import accuracies
from limbeck.reporting.figures import Spec
from limbeck.reporting.page import Figure, Section
from limbeck.reporting.wording import count, number

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.evaluation import Evaluation

__all__ = ["groups", "groups_of"]

MOST_GROUPS = 24

Accuracies = Mapping[str, Mapping[str, float]]
"""By model and group, in percent."""


def groups(comparison: "Comparison") -> Section | None:
    """A chart for each group column of the test part; None where it has none."""
    models: dict[str, Sequence[Evaluation]] = {
        "Distilled": comparison.distilled,
        "From scratch": comparison.scratch,
    }
    if comparison.teacher is not None:
        models["Teacher"] = (comparison.teacher,)
    return groups_of(models, "Accuracy within each group of test examples, mean over the seeds")


def groups_of(models: Mapping[str, Sequence["Evaluation"]], note: str) -> Section | None:
    """The same of any models; the first decides which groups come first."""
    columns = dict.fromkeys(row.column for row in first_of(models).groups)
    if not columns:
        return None
    return Section(
        id="groups",
        title="Who is served how well",
        note=f"{note}; beside its name, how many examples a group has. A small group's accuracy is "
        "uncertain.",
        legend=tuple(models) if len(models) > 1 else (),
        charts=tuple(
            column_chart(models, column, f"chart-groups-{number}")
            for number, column in enumerate(columns, start=1)
        ),
        layout="grid" if len(columns) > 1 else "wide",
    )


def column_chart(models: Mapping[str, Sequence["Evaluation"]], column: str, id: str) -> Figure:
    """One column's groups, those first that the first model serves worst."""
    found = {model: means(evaluations, column) for model, evaluations in models.items()}
    sizes = {r.value: r.examples for r in first_of(models).groups if r.column == column}
    order = sorted(sizes, key=next(iter(found.values())).__getitem__)
    shown = order[:MOST_GROUPS]
    note = ""
    if len(order) > 1:
        spreads = [
            f"{number(max(each.values()) - min(each.values()), 1)} ({model.lower()})"
            for model, each in found.items()
        ]
        note = f"From the worst to the best group, in points: {', '.join(spreads)}."
    if len(order) > len(shown):
        note += f" Shown are the {len(shown)} worst of {count(len(order))} groups."
    return Figure(id, drawn(found, shown, sizes), column, note)


def first_of(models: Mapping[str, Sequence["Evaluation"]]) -> "Evaluation":
    """The first model, with its first seed."""
    return next(iter(models.values()))[0]


def means(evaluations: Sequence["Evaluation"], column: str) -> dict[str, float]:
    """Each group's accuracy over the seeds, in percent."""
    seeds = [
        {row.value: row.accuracy for row in e.groups if row.column == column} for e in evaluations
    ]
    return {value: 100 * sum(each[value] for each in seeds) / len(seeds) for value in seeds[0]}


def drawn(found: Accuracies, shown: Sequence[str], sizes: Mapping[str, int]) -> Spec:
    """Each group's accuracies on one line, a mark for each model."""
    names = {value: f"{value} ({count(sizes[value])})" for value in shown}
    named = {model: {names[value]: each[value] for value in shown} for model, each in found.items()}
    text = f"Accuracy of {len(found)} models in {len(shown)} groups."
    return accuracies(named, "group", least=0.5, text=text)
