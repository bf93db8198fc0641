"""How much does each term of the objective move the student?

The gradient's norm of each weighted term, with respect to the student's weights, before training.
A term whose gradient is a hundredth of another's is switched off, whatever its weight looks like.
"""

import itertools

import torch
from torch import Tensor

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.fitting import Fitting
from limbeck.loop import batches
from limbeck.objectives import Objective

__all__ = ["gradient_ratio"]

SWITCHED_OFF = 0.01
"""Below this share of the largest term's gradient, a term is lost in the noise of a batch."""

BATCHES = 4


def gradient_ratio(case: Case) -> list[Finding]:
    """Terms of the objective that hardly count."""
    if case.job is None or len(case.objective.terms) < 2:
        return []
    norms = gradient_norms(case)
    terms = case.objective.terms
    strongest = max(range(len(norms)), key=lambda place: norms[place])
    found = []
    for (weight, term), norm in zip(terms, norms, strict=True):
        if norms[strongest] == 0 or norm / norms[strongest] >= SWITCHED_OFF:
            continue
        teaches = term.reads_teacher
        found.append(
            Finding(
                "gradients",
                f"the gradient of {weight:g} * {term!r} is {norm / norms[strongest]:.1e} of that "
                f"of {terms[strongest][0]:g} * {terms[strongest][1]!r}, so it hardly counts. Raise "
                "its weight, or take it out.",
                wasted=teaches and not others_teach(terms, norms, norms[strongest]),
            )
        )
    return found


def others_teach(
    terms: tuple[tuple[float, Objective], ...], norms: list[float], largest: float
) -> bool:
    """Whether any term that reads the teacher counts."""
    return any(
        term.reads_teacher and norm / largest >= SWITCHED_OFF
        for (_, term), norm in zip(terms, norms, strict=True)
    )


def gradient_norms(case: Case) -> list[float]:
    """The mean norm of each weighted term's gradient, over a few batches."""
    assert case.job is not None
    with torch.random.fork_rng():
        fitting = Fitting(case.job, case.experiment.recipe.seed)
        weights = [p for p in fitting.student.module.parameters() if p.requires_grad]
        norms = torch.zeros(len(fitting.objective.terms))
        for batch in itertools.islice(batches(case.job, fitting.seed), BATCHES):
            batch = batch.to(fitting.device)
            outputs = fitting.student.outputs(batch)
            for place, (weight, term) in enumerate(fitting.objective.terms):
                loss = weight * term(outputs, batch.knowledge, batch.labels)
                norms[place] += gradient_norm(loss, weights) / BATCHES
    return norms.tolist()


def gradient_norm(loss: Tensor, weights: list[torch.nn.Parameter]) -> Tensor:
    """The norm of a loss's gradient over all weights; 0 where it does not depend on them."""
    if not loss.requires_grad:
        return torch.zeros(())
    gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    squares = [each.detach().float().square().sum().cpu() for each in gradients if each is not None]
    return torch.stack(squares).sum().sqrt() if squares else torch.zeros(())
