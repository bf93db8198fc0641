"""What a model says about every example of a transfer set: log-probabilities in the data's order.

Scoring leaves the model as it was: students go back to the mode they were in, and of an ensemble
only one member is in memory at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import DataError, LimbeckError, TeacherError
from limbeck.students import Student
from limbeck.students.capture import logits_of
from limbeck.teachers import Ensemble, Teacher
from limbeck.teachers.class_order import in_order_of
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED, Batch, combine_log_probs

__all__ = ["Progress", "forward", "labelled_rows", "score"]

Progress = Callable[[str, int, int], None]


def score(
    model: Teacher | Student,
    transfer_set: TransferSet,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Float[Tensor, "n c"]:
    """A model's log-probabilities at temperature 1, float32, on the CPU.

    A teacher's classes are brought into the transfer set's order. An ensemble's members are scored
    one after the other and each is released before the next; then they are combined as it says.

    Args:
        model: A teacher or a student.
        transfer_set: Examples, labelled or not; the first view of them.
        batch_size: Examples per pass, >= 1; None: `transfer_set.rows_at_once`.
        progress: Told of each pass.

    Raises:
        DataError: if the transfer set is empty.
        TeacherError: if a teacher's classes are not the data's, or it answers NaN.
        LimbeckError: if the student has another number of classes, or it answers NaN.
    """
    if batch_size is None:
        batch_size = transfer_set.rows_at_once
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be 1 or more.")
    if len(transfer_set) == 0:
        raise DataError(
            f"{transfer_set.name} is empty; there is nothing to score. Choose a part with examples."
        )
    members: tuple[Teacher | Student, ...] = (model,)
    if isinstance(model, Teacher):
        members = model.members
    total = len(members) * len(transfer_set)
    answers: list[Tensor] = []
    for number, member in enumerate(members):
        done = number * len(transfer_set)
        answers.append(member_scores(member, transfer_set, batch_size, progress, done, total))
        if isinstance(member, Teacher) and len(members) > 1:
            member.release()
    if not isinstance(model, Ensemble):
        return answers[0]
    return combine_log_probs(torch.stack(answers), model.combine, model.weights)


def member_scores(
    model: Teacher | Student,
    transfer_set: TransferSet,
    batch_size: int,
    progress: Progress | None,
    done: int,
    total: int,
) -> Float[Tensor, "n c"]:
    """The log-probabilities of one model that is no ensemble."""
    is_teacher = isinstance(model, Teacher)
    order = in_order_of(model.classes, transfer_set.classes) if is_teacher else None
    scores = torch.empty(len(transfer_set), len(transfer_set.classes))
    with forward(model) as answer:
        for rows in transfer_set.row_batches(batch_size):
            logits = answer(transfer_set.batch(rows))
            check_answer(model, logits, rows, transfer_set)
            scores[rows] = logits.double().log_softmax(dim=1).float()
            done += len(rows)
            if progress is not None:
                progress("evaluate", done, total)
    return scores if order is None else scores[:, order]


@contextmanager
def forward(model: Teacher | Student) -> Iterator[Callable[[Batch], Float[Tensor, "b c"]]]:
    """A model's logits on the CPU for a batch: in evaluation mode, without gradients."""
    if isinstance(model, Teacher):
        with torch.no_grad():
            yield lambda batch: model.outputs(batch).logits.detach().float().cpu()
        return
    modes = [(module, module.training) for module in model.module.modules()]
    first = next(model.module.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    model.module.eval()
    try:
        with torch.no_grad():
            yield (
                lambda batch: logits_of(model.module(model.inputs(batch.to(device)))).float().cpu()
            )
    finally:
        for module, mode in modes:
            module.training = mode


def check_answer(
    model: Teacher | Student, logits: Tensor, rows: Int[Tensor, " b"], transfer_set: TransferSet
) -> None:
    """Refuse answers of another shape than (examples, classes), and NaN."""
    whose = f"teacher '{model.name}'" if isinstance(model, Teacher) else "the student"
    kind = TeacherError if isinstance(model, Teacher) else LimbeckError
    needed = (len(rows), len(transfer_set.classes))
    if tuple(logits.shape) != needed:
        raise kind(
            f"{whose} scored {tuple(logits.shape)} and {transfer_set.name} needs {needed} "
            "(examples, classes). Give the model the classes of the data."
        )
    bad = logits.log_softmax(dim=1).isnan().any(dim=1)
    if bool(bad.any()):
        row = int(rows[bad.nonzero()[0, 0]])
        raise kind(
            f"{whose} scored {int(bad.sum())} of {len(rows)} examples with NaN or infinity "
            f"(first: id '{transfer_set.ids[row]}'). Check its weights and the inputs; such a "
            "score would count as wrong without a word."
        )


def labelled_rows(transfer_set: TransferSet) -> Int[Tensor, " n"]:
    """The rows that have a label.

    Raises:
        DataError: if the transfer set is empty or none has one.
    """
    if len(transfer_set) == 0:
        raise DataError(
            f"{transfer_set.name} is empty; there is nothing to measure on. Choose a larger share "
            "for it."
        )
    rows = (transfer_set.labels != UNLABELLED).nonzero().flatten()
    if len(rows) == 0:
        raise DataError(
            f"none of the {len(transfer_set):,} examples of {transfer_set.name} has a label; "
            "measuring needs labels. Label some of them, or choose another part."
        )
    return rows
