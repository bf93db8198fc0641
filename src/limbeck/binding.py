"""Fit student, objective, knowledge and transfer set together before the first update.

Whatever would fail, or train to a plausible loss on the wrong thing, is refused here.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from limbeck import seeding
from limbeck.errors import DataError, LimbeckError, nearest
from limbeck.job import Job
from limbeck.objectives import Objective
from limbeck.store import KnowledgeSource, KnowledgeStore, KnowledgeSubset
from limbeck.students import Student, check_layers
from limbeck.students.text_parts import TextModule
from limbeck.types import UNLABELLED, Batch, Outputs

__all__ = ["bind"]


def bind(objective: Objective, student: Student, job: Job, seed: int) -> Objective:
    """The objective with its trainable layers, the student with its hidden layers, tried out.

    Raises:
        StoreMismatch: if the knowledge is about other examples.
        LimbeckError: if something is missing or does not fit.
    """
    check_labels(objective, job)
    check_validation(job)
    knowledge = check_knowledge(objective, job)
    check_tokens(student, job)
    check_layers(student.module, objective.student_layers, whose="student")
    student.hidden = tuple(dict.fromkeys((*student.hidden, *objective.student_layers)))
    batch = job.transfer_set.batch(torch.arange(min(4, len(job.transfer_set))))
    outputs = tried(student, batch, job)
    teacher_shapes: Mapping[str, tuple[int, ...]] = (
        {} if knowledge is None else knowledge.hidden_shapes
    )
    with seeding.seeded(seed, "projection"):
        objective.bind(teacher_shapes, {k: tuple(v.shape[1:]) for k, v in outputs.hidden.items()})
    said = None if knowledge is None else knowledge.read(batch.rows, 0)
    with torch.no_grad():
        objective(outputs, said, batch.labels)
    return objective


def check_labels(objective: Objective, job: Job) -> None:
    labels, classes = job.transfer_set.labels, len(job.transfer_set.classes)
    wrong = ((labels < UNLABELLED) | (labels >= classes)).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"example '{job.transfer_set.ids[row]}' has label {int(labels[row])}; the {classes} "
            f"classes are numbered 0 to {classes - 1} (and -1 is unlabelled). Correct the labels."
        )
    if not objective.reads_teacher and not bool((labels != UNLABELLED).any()):
        raise DataError(
            "the objective learns from labels alone and no example has one. Add soft_targets with "
            "a knowledge store, or label some examples."
        )


def check_validation(job: Job) -> None:
    if job.validation is not None and not bool((job.validation.labels != UNLABELLED).any()):
        raise DataError(
            "no example of the validation part has a label, so nothing can be measured on it. "
            "Label some, or train without a validation part."
        )
    if job.training.patience is not None and job.validation is None:
        raise LimbeckError(
            "patience stops training by the validation accuracy, and there is no validation part. "
            "Keep one apart (validation: 0.1), or leave patience out."
        )


def check_tokens(student: Student, job: Job) -> None:
    """Refuse texts that the student's module cannot read, and a module of texts without any."""
    transfer_set, validation = job.transfer_set, job.validation
    reads_texts = student.tokenization is not None or isinstance(student.module, TextModule)
    if reads_texts and transfer_set.tokenization is None:
        raise LimbeckError(
            f"the student reads texts and {transfer_set.name} has none. Give it a transfer set of "
            "texts, or take another student."
        )
    if student.tokenization is not None or transfer_set.tokenization is None:
        return
    tokenization = transfer_set.tokenization
    if isinstance(student.module, TextModule):
        student.module.check(tokenization)
    if validation is not None and (
        validation.tokenization is None
        or validation.tokenization.fingerprint != tokenization.fingerprint
    ):
        raise DataError(
            f"{validation.name} is not tokenised as {transfer_set.name} is, so its tokens are "
            "other words. Tokenise it in the same way: validation.tokenised(...)"
        )


def check_knowledge(objective: Objective, job: Job) -> KnowledgeSource | None:
    """The knowledge, if the objective reads any and it holds what is read."""
    knowledge = job.knowledge
    wanted = objective.needs - {"labels"}
    if not wanted:
        return None
    if knowledge is None:
        raise LimbeckError(
            f"{objective!r} needs a teacher's {' and '.join(sorted(wanted))}, and no knowledge was "
            "given. Write a store with: limbeck annotate"
        )
    if isinstance(knowledge, (KnowledgeStore, KnowledgeSubset)):
        knowledge.check(transfer_set=job.transfer_set)
    for layer in objective.teacher_layers:
        if layer not in knowledge.hidden_shapes:
            raise LimbeckError(
                f"the knowledge holds no teacher layer '{layer}'. "
                f"{nearest(layer, knowledge.hidden_shapes, what='layers')} Annotate again with "
                "that layer among the teacher's hidden layers."
            )
    return knowledge


def tried(student: Student, batch: Batch, job: Job) -> Outputs:
    """What the untrained student says about a few examples; its shape must be right."""
    module = student.module
    module.eval()
    try:
        with torch.no_grad():
            outputs = student.outputs(batch)
    except (RuntimeError, ValueError, IndexError) as error:
        shape = tuple(job.transfer_set.input_shape)
        raise LimbeckError(
            f"the student cannot take an input of shape {shape}: {str(error).splitlines()[0]}. "
            "Give it the transfer set's shape."
        ) from error
    module.train()
    needed = (len(batch), len(job.transfer_set.classes))
    if not isinstance(outputs.logits, Tensor) or tuple(outputs.logits.shape) != needed:
        found = getattr(outputs.logits, "shape", type(outputs.logits).__name__)
        found = tuple(found) if isinstance(found, torch.Size) else found
        raise LimbeckError(
            f"the student scored {found} and the transfer set needs {needed} (examples, classes). "
            f"Give the student {needed[1]} classes."
        )
    return outputs
