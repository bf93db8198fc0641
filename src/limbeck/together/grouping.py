"""Which runs can be one stacked model, and why others cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from limbeck.checkpoint import load_checkpoint
from limbeck.fingerprint import digest
from limbeck.fitting import Fitting
from limbeck.job import Job
from limbeck.objectives import Objective
from limbeck.store import KnowledgeSource, KnowledgeStore, KnowledgeSubset

__all__ = ["Pending", "reason_against", "stackable_groups", "varying_settings"]


@dataclass(frozen=True)
class Pending:
    """A run that has not been finished; its weights are made when it begins.

    Attributes:
        job: What is to be trained and how.
        seed: Of initial weights, data order and dropout.
        identity: What both hash to.
    """

    job: Job
    seed: int
    identity: str

    @staticmethod
    def unless_finished(job: Job, seed: int) -> "Pending | None":
        """The run, if there is no finished checkpoint of it."""
        fitting = Fitting(job, seed)
        found = None if fitting.path is None else load_checkpoint(fitting.path)
        if found is not None and found[1]["complete"]:
            return None
        return Pending(job, seed, fitting.identity)

    def begin(self) -> Fitting:
        """The student before its first update."""
        return Fitting(self.job, self.seed)


def reason_against(job: Job) -> str:
    """Why this job's students cannot be one stacked model; "" if nothing speaks against it.

    A stacked model gives the numbers of separate ones only where each student's numbers hang on
    its own weights and batch alone.
    """
    training, objective = job.training, job.objective
    if training.compile or training.precision != "float32" or training.accumulate > 1:
        return "compiled, bfloat16 or accumulated training runs one by one"
    if objective.student_layers or any(True for _ in objective.parameters()):
        return "the objective reads hidden layers"
    if job.knowledge is not None and not stored(job.knowledge):
        return "the teacher is alive"
    if job.student.hidden:
        return "the student's hidden layers are read"
    if job.student.pruning is not None:
        return "what is pruned hangs on the weights of each student"
    if job.student.tokenization is not None:
        return "the student has a tokenizer of its own"
    for module in job.student.module.modules():
        if isinstance(module, _DropoutNd) and module.p > 0:
            return "dropout draws its own masks for each student"
        if isinstance(module, _NormBase) and module.track_running_stats:
            return "batch normalisation keeps running statistics"
        if isinstance(module, nn.RNNBase):
            return "recurrent kernels cannot be stacked"
    if any(True for _ in job.student.module.buffers()):
        return "the student keeps buffers beside its weights"
    return ""


def stored(knowledge: KnowledgeSource) -> bool:
    """Whether answers are read from a store, about all of its rows or some."""
    while isinstance(knowledge, KnowledgeSubset):
        knowledge = knowledge.source
    return isinstance(knowledge, KnowledgeStore)


def stackable_groups(jobs: Sequence[Job]) -> list[list[int]]:
    """Positions of the jobs that differ only in what a stack can vary, group by group."""
    groups: dict[str, list[int]] = {}
    for position, job in enumerate(jobs):
        groups.setdefault(shared_by_a_stack(job), []).append(position)
    return list(groups.values())


def shared_by_a_stack(job: Job) -> str:
    """What must be the same for all students of a stack."""
    module, training = job.student.module, job.training
    knowledge = job.knowledge
    return digest(
        repr(module),
        [(name, tuple(p.shape), p.requires_grad) for name, p in module.named_parameters()],
        repr(replace(training, optimizer=replace(training.optimizer, learning_rate=1.0))),
        [structure(term, varying_settings(term, job)) for _, term in job.objective.terms],
        id(job.transfer_set),
        id(job.validation),
        "" if knowledge is None else knowledge.fingerprint,
        [job.updates, job.epoch_updates, job.device],
    )


def structure(term: Objective, varying: Sequence[str]) -> str:
    fixed: dict[str, Any] = {k: v for k, v in term.settings().items() if k not in varying}
    return f"{type(term).__module__}.{type(term).__qualname__} {fixed!r}"


def varying_settings(term: Objective, job: Job) -> tuple[str, ...]:
    """The settings of a term that may differ within a stack.

    A top-k store holds what it dropped per temperature, which must then be one number.
    """
    stored = job.knowledge
    top_k = stored is not None and stored.temperatures is not None
    return () if top_k else term.varying
