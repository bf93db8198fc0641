"""Bring a teacher's classes into the transfer set's order, or refuse."""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import TeacherError

__all__ = ["in_order_of"]


def in_order_of(
    teacher_classes: Sequence[str] | None, data_classes: Sequence[str]
) -> Int[Tensor, " c"] | None:
    """The order in which to take a teacher's columns: `logits[:, order]` is in the data's order.

    Args:
        teacher_classes: The teacher's class names in its own order; None if it does not know them,
            and its columns are taken to be in the data's order.
        data_classes: The transfer set's class names in the order of the label numbers.

    Returns:
        None where the columns are in order already.

    Raises:
        TeacherError: if the classes are not the same.
    """
    if teacher_classes is None or tuple(teacher_classes) == tuple(data_classes):
        return None
    if sorted(teacher_classes) != sorted(data_classes):
        differences = [
            f"only {where}: {some([name for name in names if name not in others])}"
            for where, names, others in (
                ("the teacher's", teacher_classes, data_classes),
                ("the data's", data_classes, teacher_classes),
            )
            if any(name not in others for name in names)
        ]
        raise TeacherError(
            f"the teacher knows {len(teacher_classes)} classes and the data has "
            f"{len(data_classes)}, and they are not the same ({'; '.join(differences)}). Use a "
            "teacher of these classes, or name its classes as the data does (classes=...)."
        )
    position = {name: number for number, name in enumerate(teacher_classes)}
    return torch.tensor([position[name] for name in data_classes])


def some(names: Sequence[str], most: int = 4) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
