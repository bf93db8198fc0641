"""One teacher's answer about some examples, checked and in the transfer set's class order."""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.store.ragged import zero_padding
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Knowledge, Outputs

__all__ = ["answer", "check_finite", "check_scored", "class_permutation", "features_of"]


def answer(
    teacher: Teacher, transfer_set: TransferSet, rows: Int[Tensor, " b"], view: int
) -> Outputs:
    """The teacher's logits and hidden features, float32, on the CPU.

    Raises:
        TeacherError: if it scores another number of classes, classes of other names, answers
            anything that is not finite, or per token in a shape that does not fit its tokens.
    """
    outputs = teacher.outputs(transfer_set.batch(rows, view))
    logits = outputs.logits.detach().float().cpu()
    check_scored(teacher, transfer_set, rows, logits)
    permutation = class_permutation(teacher, transfer_set)
    if permutation is not None:
        logits = logits[:, permutation]
    hidden, lengths = features_of(teacher, outputs, len(rows))
    check_finite(teacher, transfer_set, rows, {"logits": logits, **hidden})
    return Outputs(logits, hidden, lengths)


def features_of(
    teacher: Teacher, outputs: Outputs | Knowledge, examples: int
) -> tuple[dict[str, Float[Tensor, "b ..."]], dict[str, Int[Tensor, " b"]]]:
    """Hidden features and their token counts, on the CPU, with zeros beyond the tokens.

    Raises:
        TeacherError: if a layer that answers per token is not (b, t, d) or (b, h, t, t).
    """
    hidden = {name: value.detach().float().cpu() for name, value in outputs.hidden.items()}
    lengths = {name: counts.detach().long().cpu() for name, counts in outputs.lengths.items()}
    for layer, counts in lengths.items():
        value = hidden[layer]
        square = value.ndim == 4 and value.shape[-1] == value.shape[-2]
        tokens = value.shape[-1] if square else value.shape[1] if value.ndim == 3 else None
        between = tokens is not None and bool(((counts >= 0) & (counts <= tokens)).all())
        if not between or counts.shape != (examples,):
            raise TeacherError(
                f"teacher '{teacher.name}' gave layer '{layer}' as {tuple(value.shape)} with the "
                f"token counts {counts.tolist()[:5]} ({tuple(counts.shape)}). Per token a layer is "
                f"({examples}, tokens, features), or attention maps ({examples}, heads, tokens, "
                f"tokens), with one count for each of {examples} examples."
            )
        hidden[layer] = zero_padding(value, counts)
    return hidden, lengths


def check_scored(
    teacher: Teacher, transfer_set: TransferSet, rows: Int[Tensor, " b"], logits: Tensor
) -> None:
    """Refuse an answer that is not one score per example and class.

    Raises:
        TeacherError: with both shapes.
    """
    classes = len(transfer_set.classes)
    if logits.shape != (len(rows), classes):
        raise TeacherError(
            f"teacher '{teacher.name}' scored {tuple(logits.shape)} (examples, classes) where "
            f"{transfer_set.name} has {(len(rows), classes)}. Give it a teacher of its "
            f"{classes} classes."
        )


def class_permutation(teacher: Teacher, transfer_set: TransferSet) -> Int[Tensor, " c"] | None:
    """Where each class of the transfer set is in the teacher's answer; None if in the same place.

    Raises:
        TeacherError: if the teacher's classes are others.
    """
    if teacher.classes is None or tuple(teacher.classes) == tuple(transfer_set.classes):
        return None
    from limbeck.teachers.class_order import in_order_of

    permutation = in_order_of(teacher.classes, transfer_set.classes)
    return None if permutation is None else torch.as_tensor(permutation, dtype=torch.int64)


def check_finite(
    teacher: Teacher,
    transfer_set: TransferSet,
    rows: Int[Tensor, " b"],
    values: Mapping[str, Float[Tensor, "b ..."]],
) -> None:
    """Refuse NaN and infinite answers: a student would learn to answer NaN.

    Raises:
        TeacherError: naming the first example.
    """
    for name, value in values.items():
        if math.isfinite(value.sum()):
            continue
        finite = value.isfinite().flatten(1).all(dim=1)
        if not bool(finite.all()):  # else only the sum overflowed
            first = transfer_set.ids[int(rows[int(finite.long().argmin())])]
            raise TeacherError(
                f"teacher '{teacher.name}' gave {name} that are NaN or infinite for "
                f"{int((~finite).sum())} of {len(rows)} examples (first: id '{first}'). They must "
                "be finite: look at this example's inputs and at the teacher's weights."
            )
