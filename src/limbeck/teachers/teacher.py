"""Teachers: anything that scores a batch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.types import Batch, Knowledge, Outputs

__all__ = ["Precision", "Teacher", "dtype_of"]

Precision = Literal["float32", "bfloat16"]


class Teacher(ABC):
    """Scores batches: in evaluation mode, without gradients, the same answer every time.

    Attributes:
        name: What reports and store fields call it: letters, digits, "_" and "-".
        classes: The names of its classes in its own order, or None if it does not know them. Where
            known, answers are brought into the transfer set's order, or refused.
        hidden: The layers whose activations `outputs` returns.
        tokenization: How it reads texts, where it has a tokenizer of its own; None: it reads the
            tokens of the transfer set, or no texts.
    """

    name: str
    classes: tuple[str, ...] | None = None
    hidden: tuple[str, ...] = ()
    tokenization: Tokenization | None = None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """What weights, configuration and preprocessing hash to."""

    @abstractmethod
    def outputs(self, batch: Batch) -> Outputs:
        """Its logits and hidden features for a batch, float32, on the CPU or its own device."""

    def knowledge(self, batch: Batch) -> Knowledge:
        """Its answer in the form that objectives read."""
        outputs = self.outputs(batch)
        return Knowledge(outputs.logits.unsqueeze(0), outputs.hidden, lengths=outputs.lengths)

    @property
    def members(self) -> tuple["Teacher", ...]:
        """The teachers it consists of: itself, or an ensemble's members."""
        return (self,)

    def release(self) -> None:  # noqa: B027
        """Give the memory of the weights back; they are loaded again when next needed."""

    @staticmethod
    def load(
        path: str | Path,
        *,
        name: str | None = None,
        classes: Sequence[str] | None = None,
        hidden: Sequence[str] = (),
        precision: Precision = "float32",
    ) -> "Teacher":
        """A teacher from a folder of a saved student or a transformers model, or from a file.

        Files are .onnx files, and XGBoost's .json or .ubj.

        Pickles (.pkl, .joblib, .pt) are never read.

        Args:
            path: The file or folder.
            name: What reports and stores call it; None: the file's name.
            classes: Names of its classes in the order of its columns; None: those in the file, if
                any.
            hidden: Of a folder, the layers to read; empty: those that a student was saved with.
            precision: Of a folder, that of weights and activations; its answers are float32. In
                bfloat16 a transformer answers about twice as fast where the processor multiplies
                in it, and many times slower where it does not.

        Raises:
            TeacherError: if there is no such file, or it is not one of these.
            ValueError: if the name, the classes or the precision are not as above.
        """
        from limbeck.teachers.loading import load

        return load(path, name=name, classes=classes, hidden=hidden, precision=precision)


def dtype_of(precision: str) -> torch.dtype:
    """What weights and activations of this precision are; a ValueError unless it is one."""
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if precision not in known:
        raise ValueError(f"precision is {precision!r}; it is 'float32' or 'bfloat16'.")
    return known[precision]
