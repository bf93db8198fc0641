"""A living teacher in the place of a store, for methods whose teacher changes while training."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.fingerprint import digest
from limbeck.store.answers import check_finite, check_scored, class_permutation, features_of
from limbeck.store.ragged import row_shape
from limbeck.store.source import KnowledgeSource
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Knowledge

__all__ = ["LiveTeacher"]


class LiveTeacher(KnowledgeSource):
    """Ask the teacher at every step. A store is faster wherever the teacher stays the same.

    Args:
        teacher: Who answers; all members of an ensemble are in memory at once.
        transfer_set: About whose examples.

    Raises:
        TeacherError: if the teacher's classes are not the transfer set's.
    """

    def __init__(self, teacher: Teacher, transfer_set: TransferSet) -> None:
        self.teacher = teacher
        self.transfer_set = transfer_set
        self.classes = tuple(transfer_set.classes)
        self.views = transfer_set.views
        self.permutation = class_permutation(teacher, transfer_set)

    def __len__(self) -> int:
        return len(self.transfer_set)

    @property
    def fingerprint(self) -> str:
        """What the teacher and the transfer set hash to now."""
        return digest("live", self.teacher.fingerprint, self.transfer_set.fingerprint)

    @cached_property
    def hidden_shapes(self) -> Mapping[str, tuple[int, ...]]:  # type: ignore[override]
        """Shape of each hidden feature, from the answer about one example; -1 for its tokens."""
        said = self.read(torch.tensor([0]))
        return {
            name: row_shape(value) if name in said.lengths else tuple(value.shape[1:])
            for name, value in said.hidden.items()
        }

    def read(self, rows: Int[Tensor, " b"], view: int = 0) -> Knowledge:
        """What the teacher says about these examples in this view, float32, on the CPU.

        Raises:
            TeacherError: if it scores another number of classes or answers NaN.
        """
        with torch.no_grad():
            knowledge = self.teacher.knowledge(self.transfer_set.batch(rows, view))
        assert isinstance(knowledge.logits, Tensor)
        logits = knowledge.logits.detach().float().cpu()
        check_scored(self.teacher, self.transfer_set, rows, logits[0])
        if self.permutation is not None:
            logits = logits[..., self.permutation]
        hidden, lengths = features_of(self.teacher, knowledge, len(rows))
        spoken = {"logits": logits.transpose(0, 1), **hidden}
        check_finite(self.teacher, self.transfer_set, rows, spoken)
        return replace(knowledge, logits=logits, hidden=hidden, lengths=lengths)
