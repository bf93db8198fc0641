"""Do the numbers stay finite: the teacher's answers, the loss, and the first updates?"""

import math
from dataclasses import replace

import torch
from torch import Tensor

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.errors import TeacherError
from limbeck.objectives import Objective
from limbeck.types import Knowledge, Outputs, TopK

__all__ = ["answers", "finite_updates", "precision", "sure_logits"]

SURE = 1e4
"""Logits of a very sure student; losses computed with exp overflow far below."""

IMPRECISE = 0.01
"""By which share a loss in float32 may be wrong; a training cannot see less."""

RISEN = 10.0
"""How many times the loss before training a loss is that has diverged; noise is far below."""

ROWS = 64


def answers(case: Case) -> list[Finding]:
    """A teacher that fails on these rows, or answers NaN."""
    try:
        _ = case.knowledge, case.teacher_scores
    except TeacherError as error:
        return [Finding("answers", str(error), wasted=True)]
    return []


def finite_updates(case: Case) -> list[Finding]:
    """A training that ends in NaN or infinity, or far above where it began."""
    if case.trained is not None:
        return []
    optimizer = case.experiment.recipe.training.optimizer
    named = [("the loss", case.trial), *(("the loss of the twin", twin) for twin in case.twins)]
    for what, trial in named:
        if trial is None:
            continue
        if trial.student is None or trial.loss > RISEN * trial.first:
            return [
                Finding(
                    "overflow",
                    f"{what} went from {trial.first:.3g} to {trial.loss:.3g} in {trial.updates} "
                    f"updates of a short training with {optimizer!r}. Lower the learning rate, or "
                    "clip the gradient (clip=1.0).",
                    wasted=True,
                )
            ]
    return []


def sure_logits(case: Case) -> list[Finding]:
    """Terms that overflow on the logits of a very sure student."""
    found = []
    for _, term in case.objective.terms:
        if "hidden" in term.needs:
            continue
        logits, knowledge, labels = sure_batch(case, term)
        logits.requires_grad_(True)
        loss = term(Outputs(logits), knowledge, labels)
        gradient = torch.autograd.grad(loss, logits, allow_unused=True)[0]
        value = float(loss.detach())
        finite = gradient is None or bool(gradient.isfinite().all())
        if math.isfinite(value) and finite:
            continue
        found.append(
            Finding(
                "overflow",
                f"{term!r} is {value} on logits of {SURE:,.0f}, with "
                f"{'finite' if finite else 'infinite'} gradients: one example that the student is "
                "very sure of ends the training. Compute it with log_softmax and logsumexp.",
                wasted=False,
            )
        )
    return found


def precision(case: Case) -> list[Finding]:
    """Temperatures so high that the loss is lost in float32's rounding."""
    if case.knowledge is None:
        return []
    found = []
    rows = torch.arange(min(ROWS, len(case.knowledge)))
    known = case.knowledge.read(rows)
    labels = case.knowledge.transfer_set.labels[rows]
    logits = torch.zeros(len(rows), known.classes)
    for _, term in case.objective.terms:
        if "hidden" in term.needs or not term.temperatures:
            continue
        rough = float(term(Outputs(logits), known, labels))
        exact = float(term(Outputs(logits.double()), in_double(known), labels))
        if exact == 0 or abs(rough / exact - 1) < IMPRECISE:
            continue
        found.append(
            Finding(
                "temperature",
                f"at temperature {max(term.temperatures):g} the loss is wrong by "
                f"{abs(rough / exact - 1):.0%} in float32, as the soft targets are all but "
                "uniform. Take a temperature of 1 to 20, or logit_matching, which is the limit of "
                "high temperatures.",
                wasted=True,
            )
        )
    return found


def sure_batch(case: Case, term: Objective) -> tuple[Tensor, Knowledge | None, Tensor]:
    """Logits of a student that is very sure, knowledge where the term reads any, and labels."""
    classes = len(case.transfer_set.classes)
    if case.knowledge is not None:
        rows = torch.arange(min(ROWS, len(case.knowledge)))
        known: Knowledge | None = case.knowledge.read(rows)
    else:
        rows = torch.arange(ROWS)
        known = Knowledge(torch.eye(classes)[rows % classes].unsqueeze(0))
    logits = SURE * (2 * torch.eye(classes)[rows % classes] - 1)
    labels = (rows + 1) % classes
    return logits, known if term.reads_teacher else None, labels


def in_double(knowledge: Knowledge) -> Knowledge:
    """The same knowledge in float64."""
    if isinstance(knowledge.logits, TopK):
        rest = {T: value.double() for T, value in knowledge.logits.rest.items()}
        values = knowledge.logits.values.double()
        return replace(knowledge, logits=replace(knowledge.logits, values=values, rest=rest))
    return replace(knowledge, logits=knowledge.logits.double())
