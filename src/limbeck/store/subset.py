"""Knowledge about some rows of a transfer set, read from what is known about all of them."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import StoreError, StoreMismatch
from limbeck.fingerprint import digest
from limbeck.store.matching import shown
from limbeck.store.reader import KnowledgeStore
from limbeck.store.source import KnowledgeSource
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Knowledge

__all__ = ["KnowledgeSubset"]


class KnowledgeSubset(KnowledgeSource):
    """What a store, or a living teacher, says about a selection of its examples.

    Nothing is annotated or copied: rows are looked up where they are in the whole.

    Args:
        source: What is known about the whole transfer set.
        transfer_set: The whole transfer set; a store is checked against it.
        rows: Which examples, in the order of the selection, each at most once.
        name: What reports call the selection; "" keeps the transfer set's name.

    Raises:
        StoreMismatch: if the source is about other examples.
        DataError: if no row is given, or one twice.

    Attributes:
        source: What is known about the whole.
        rows: Where in the whole each example is.
        transfer_set: The selected examples, for which this is the knowledge.

    Example:
        >>> part = KnowledgeSubset(store, data.train, torch.arange(100))
        >>> run = distill(student, part, part.transfer_set, SoftTargets(4.0))
    """

    def __init__(
        self,
        source: KnowledgeSource,
        transfer_set: TransferSet,
        rows: Int[Tensor, " s"],
        name: str = "",
    ) -> None:
        if isinstance(source, (KnowledgeStore, KnowledgeSubset)):
            source.check(transfer_set)
        elif len(source) != len(transfer_set):
            raise StoreMismatch(
                f"the knowledge is about {len(source)} examples and {transfer_set.name} has "
                f"{len(transfer_set)}. Give the transfer set that it is about."
            )
        self.source = source
        self.rows = rows.clone()
        self.transfer_set = transfer_set.select(rows, name)
        self.classes = source.classes
        self.views = source.views
        self.temperatures = source.temperatures

    @classmethod
    def about(
        cls, source: KnowledgeSource, transfer_set: TransferSet, part: TransferSet
    ) -> "KnowledgeSubset":
        """What is known about a part of a transfer set, such as `split` gives, found by its ids.

        Args:
            source: What is known about the whole transfer set.
            transfer_set: The whole transfer set.
            part: Some of its examples, in any order.

        Raises:
            StoreMismatch: if the part has an example that the whole has not, or the source is about
                other examples.

        Example:
            >>> few, _ = split(data.train, 0.03)
            >>> known = KnowledgeSubset.about(store, data.train, few)
        """
        places = {name: row for row, name in enumerate(transfer_set.ids)}
        if strangers := [name for name in part.ids if name not in places]:
            raise StoreMismatch(
                f"{len(strangers)} of {len(part)} examples of {part.name} are not in "
                f"{transfer_set.name} (first: id '{strangers[0]}'). Give a part of the transfer "
                "set that the knowledge is about."
            )
        rows = torch.tensor([places[name] for name in part.ids], dtype=torch.int64)
        found = cls(source, transfer_set, rows, part.name)
        found.check(part)
        return found

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def hidden_shapes(self) -> Mapping[str, tuple[int, ...]]:  # type: ignore[override]
        """Those of the whole."""
        return self.source.hidden_shapes

    @property
    def ahead(self) -> int:  # type: ignore[override]
        """That of the whole."""
        return self.source.ahead

    @property
    def fingerprint(self) -> str:
        """What the whole's knowledge and the rows hash to."""
        return digest("subset", self.source.fingerprint, self.rows)

    def check(self, transfer_set: TransferSet) -> None:
        """Refuse examples that are not the selected ones, in their order.

        Raises:
            StoreMismatch: saying what differs: classes, how many, which examples or their views.
        """
        own = self.transfer_set
        if transfer_set is own or transfer_set.fingerprint == own.fingerprint:
            return
        if tuple(transfer_set.classes) != tuple(own.classes):
            raise StoreMismatch(
                f"this knowledge is about the classes {shown(tuple(own.classes))} and "
                f"{transfer_set.name} has {shown(tuple(transfer_set.classes))}. Use the subset's "
                "own transfer_set."
            )
        if len(transfer_set) != len(own):
            raise StoreMismatch(
                f"this knowledge is about {len(own)} selected examples and {transfer_set.name} has "
                f"{len(transfer_set)}. Use the subset's own transfer_set."
            )
        differs = np.flatnonzero(own.checks() != transfer_set.checks())
        found = (
            f"{differs.size} of {len(own)} differ (first: id '{transfer_set.ids[int(differs[0])]}')"
            if differs.size
            else "its preprocessing or its views are others"
        )
        raise StoreMismatch(
            f"this knowledge is about other examples than {transfer_set.name} has: {found}. "
            "Training would pair them with another example's soft targets. Use the subset's own "
            "transfer_set."
        )

    def read(self, rows: Int[Tensor, " b"], view: int = 0) -> Knowledge:
        """The knowledge about these examples of the selection, float32, on the CPU.

        Raises:
            StoreError: if a row is not in the selection, or the view is not in the store.
        """
        if bool(((rows < 0) | (rows >= len(self))).any()):
            outside = rows[(rows < 0) | (rows >= len(self))][0]
            raise StoreError(
                f"example {int(outside)} is not in this selection of {len(self)}. Use the subset's "
                "own transfer_set."
            )
        return self.source.read(self.rows[rows], view)
