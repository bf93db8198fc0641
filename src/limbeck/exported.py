"""What `export` wrote: the file and how far its answers are from the student's."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Export"]


@dataclass(frozen=True)
class Export:
    """An ONNX file, and how far its answers are from the student's.

    Attributes:
        path: The file.
        bytes: Its size on disk, in bytes.
        largest_difference: Of a logit between ONNX Runtime and torch, absolute, over all examples.
        agreement: Share of examples with the same top class in both, in [0, 1].
        examples: How many examples were compared.
        input_shape: Shape of one example; of a text, the most tokens it can have.
        classes: Class names in the order of the logits.
        tokenizer: Of a student of texts, the tokenizer.json beside the file.
    """

    path: Path
    bytes: int
    largest_difference: float
    agreement: float
    examples: int
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    tokenizer: Path | None = None

    def __str__(self) -> str:
        rows = f"{self.examples:,} real row{'' if self.examples == 1 else 's'}"
        return (
            f"{self.path} ({self.bytes / 1000:,.1f} kB): on {rows} its logits differ from torch's "
            f"by at most {self.largest_difference:.1e}; the top class is the same on "
            f"{self.agreement:.2%}."
        )

    @property
    def is_there(self) -> bool:
        """Whether the file, and its tokenizer if it has one, are still where they were written."""
        return self.path.is_file() and (self.tokenizer is None or self.tokenizer.is_file())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for a file beside it; of paths the names alone, as folders are moved."""
        tokenizer = None if self.tokenizer is None else self.tokenizer.name
        return {**asdict(self), "path": self.path.name, "tokenizer": tokenizer}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], folder: Path) -> "Export":
        """What `as_dict` gave, also after a way through JSON, of a file in this folder."""
        tokenizer = None if facts["tokenizer"] is None else folder / facts["tokenizer"]
        shape, classes = tuple(facts["input_shape"]), tuple(facts["classes"])
        changed = {"input_shape": shape, "classes": classes, "tokenizer": tokenizer}
        return cls(**{**facts, **changed, "path": folder / facts["path"]})
