"""Where knowledge comes from while a student trains: a store, or a living teacher."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from jaxtyping import Int
from torch import Tensor

from limbeck.types import Knowledge

__all__ = ["KnowledgeSource"]


class KnowledgeSource(ABC):
    """Answers for every example and view of one transfer set.

    Attributes:
        classes: Class names, in the transfer set's order.
        views: How many views of each example it knows; 1 where there is no augmentation, None
            where a living teacher answers about any number of them.
        hidden_shapes: Shape of each hidden feature without the batch axis, by the name that
            `Knowledge.hidden` uses; -1 for the tokens of a layer that answers per token.
        temperatures: The only temperatures that a top-k store can soften at; None means any.
        ahead: For how many batches it is best read at once, >= 1; 1 where answers may change from
            one update to the next.
    """

    classes: tuple[str, ...]
    views: int | None
    hidden_shapes: Mapping[str, tuple[int, ...]]
    temperatures: tuple[float, ...] | None = None
    ahead: int = 1

    @abstractmethod
    def __len__(self) -> int:
        """How many examples it knows."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What teachers, examples, views and the way of combining hash to."""

    @property
    def provides(self) -> frozenset[str]:
        """What objectives can ask of it: "logits", and "hidden" where features were kept."""
        return frozenset({"logits", "hidden"} if self.hidden_shapes else {"logits"})

    @abstractmethod
    def read(self, rows: Int[Tensor, " b"], view: int = 0) -> Knowledge:
        """The knowledge about these examples in this view, float32, on the CPU."""
