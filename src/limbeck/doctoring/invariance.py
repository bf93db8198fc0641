"""Does the loss stay the same whatever the batch, and however it is cut into parts?

The loss of a batch should be the mean of its parts', weighed by what counts in them. A loss that is
a sum grows with the batch, and with it the step of the optimizer. Relational objectives and batch
statistics are not means over examples; they matter only where batches are cut (accumulate).
"""

import copy

import torch
from torch import Tensor, nn

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.fitting import Fitting
from limbeck.loop import batches, parts
from limbeck.objectives import Objective
from limbeck.students import Student
from limbeck.types import Batch, Outputs

__all__ = ["invariance"]

SAME = 1e-3
"""Relative; sums of float32 in another order differ by a thousandth of that."""

STATISTICS = (nn.modules.batchnorm._BatchNorm,)


def invariance(case: Case) -> list[Finding]:
    """Terms, and layers of the student, whose numbers depend on how a batch is cut."""
    if case.job is None:
        return []
    with torch.random.fork_rng():
        fitting = Fitting(case.job, case.experiment.recipe.seed)
    batch = next(iter(batches(case.job, fitting.seed))).to(fitting.device)
    if len(batch) < 2:
        return []
    fitting.student.module.eval()
    with torch.no_grad():
        outputs = fitting.student.outputs(batch)
    cuts = case.job.training.accumulate
    found = []
    for _, term in fitting.objective.terms:
        if term.relational and cuts == 1:
            continue
        found += of_term(term, outputs, batch, max(2, cuts))
    return found + (of_statistics(fitting.student, batch, cuts) if cuts > 1 else [])


def of_term(term: Objective, outputs: Outputs, batch: Batch, cuts: int) -> list[Finding]:
    """A term whose loss is not the mean of its parts'."""
    with torch.no_grad():
        whole = float(term(outputs, batch.knowledge, batch.labels))
        cut = sum(
            float(term(part_of(outputs, rows), part.knowledge, part.labels))
            * float(term.count(part.labels) / term.count(batch.labels).clamp(min=1))
            for rows in torch.arange(len(batch)).chunk(cuts)
            for part in [batch.part(rows)]
        )
    if abs(cut - whole) <= SAME * max(abs(whole), 1e-6):
        return []
    remedy = (
        "Leave accumulate out: it compares examples with each other."
        if term.relational
        else "Average over the examples, so that the learning rate does not depend on the batch."
    )
    return [
        Finding(
            "batches",
            f"{term!r} is {whole:.4g} on a batch of {len(batch)} and {cut:.4g} on average over its "
            f"{cuts} parts. {remedy}",
            wasted=False,
        )
    ]


def part_of(outputs: Outputs, rows: Tensor) -> Outputs:
    """What was said about these examples of a batch."""
    hidden = {name: value[rows] for name, value in outputs.hidden.items()}
    lengths = {name: value[rows] for name, value in outputs.lengths.items()}
    return Outputs(outputs.logits[rows], hidden, lengths)


def of_statistics(student: Student, batch: Batch, cuts: int) -> list[Finding]:
    """A student that normalises with the statistics of the parts instead of the batch's."""
    if not any(isinstance(layer, STATISTICS) for layer in student.module.modules()):
        return []
    tried = copy.copy(student)
    tried.module = copy.deepcopy(student.module).eval()
    for layer in tried.module.modules():
        if isinstance(layer, STATISTICS):  # dropout stays off, as it would differ anyway
            layer.train()
    with torch.no_grad():
        whole = tried.outputs(batch).logits
        cut = torch.cat([tried.outputs(part).logits for part in parts(batch, cuts)])
    change = float((cut - whole).norm() / whole.norm().clamp(min=1e-12))
    if change <= SAME:
        return []
    return [
        Finding(
            "batches",
            f"with accumulate={cuts} the student's batch normalisation sees parts of "
            f"{len(batch) // cuts} examples, which changes its logits by {change:.1%}. Leave "
            "accumulate out, or take a student without batch statistics.",
            wasted=False,
        )
    ]
