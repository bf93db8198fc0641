"""A convolutional network over words as a student: the strongest match of each pattern decides.

Convolutions of a few widths slide over the embedded tokens, each of their channels keeps its
maximum over the text, and two layers read the maxima. Kim, "Convolutional neural networks for
sentence classification", EMNLP 2014, https://arxiv.org/abs/1408.5882, section 2, there without the
first of the two layers. Initial weights are torch's own.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.students.max_over_time import Patterns
from limbeck.students.mlp import checked_widths
from limbeck.students.reading import real
from limbeck.students.student import Student
from limbeck.students.text_parts import TextModule, check_text_arguments, filled, leaky
from limbeck.students.word_vectors import with_word_vectors
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["text_cnn"]


def text_cnn(
    vocabulary: int,
    classes: int,
    channels: int = 128,
    *,
    embedding: int = 128,
    kernels: Sequence[int] = (3, 4, 5),
    dropout: float = 0.5,
    padding: int = 0,
    faithful: bool = False,
    max_length: int = 128,
    embedding_from: str | Path | None = None,
    tokenization: Tokenization | None = None,
) -> Student:
    """Convolutions over tokens, their maxima over the text, a hidden layer, an output layer.

    Its layers' module paths are "embedding", "convolutions.0", ... (the maxima, before the leaky
    ReLU), "layer1" (after the leaky ReLU, before the dropout) and "output".

    Args:
        vocabulary: How many token ids there are, >= 1.
        classes: How many classes, >= 2.
        channels: Patterns of each width, >= 1.
        embedding: Numbers that describe a token, >= 1.
        kernels: How many tokens the patterns are wide, >= 1, at least one.
        dropout: Share of the units before the output layer dropped in training, in [0, 1).
        padding: The id of the padding token.
        faithful: Whether to read the padding like any other token, as in code that pads every text
            to `max_length`; otherwise padding is never read.
        max_length: Of a faithful one, the length that every text is padded or cut to.
        embedding_from: A transformer whose word vectors the embedding begins as (`word_vectors`):
            the folder of a pretrained model or of a saved student, or a hub id; None: it is drawn.
        tokenization: How the texts are tokenised; needed with `embedding_from`.

    Raises:
        ValueError: if a number is out of its range.
        LimbeckError: if there are no such word vectors, or too few for these tokens.

    Example:
        >>> student = text_cnn(30_522, 2, 64)
    """
    widths = checked_widths("kernels", kernels)
    if not widths:
        raise ValueError("kernels is empty; give one number per width, such as [3, 4, 5].")
    check_text_arguments(
        {"channels": channels, "embedding": embedding, "max_length": max_length},
        classes=classes,
        dropout=dropout,
        padding=padding,
        vocabulary=vocabulary,
    )
    arguments: dict[str, Any] = {
        "vocabulary": vocabulary,
        "classes": classes,
        "channels": channels,
        "embedding": embedding,
        "kernels": list(widths),
        "dropout": dropout,
        "padding": padding,
        "faithful": faithful,
        "max_length": max_length,
    }
    build = functools.partial(TextCnn, **{**arguments, "kernels": widths})
    student = Student(build, architecture={"text_cnn": arguments})
    return with_word_vectors(student, embedding_from, tokenization)


class TextCnn(TextModule):
    """The module; its arguments are those of `text_cnn`."""

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        channels: int,
        embedding: int,
        kernels: tuple[int, ...],
        dropout: float,
        padding: int,
        faithful: bool,
        max_length: int,
    ) -> None:
        super().__init__()
        self.vocabulary, self.padding = vocabulary, padding
        self.faithful, self.max_length = faithful, max_length
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.convolutions = nn.ModuleList(Patterns(embedding, channels, width) for width in kernels)
        self.relu = nn.LeakyReLU(0.2)
        units = channels * len(kernels)
        self.layer1 = leaky(units, units)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(units, classes)

    def forward(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """The logits."""
        if self.faithful:
            tokens = filled(tokens, self.max_length, self.padding)
            mask = torch.ones_like(tokens, dtype=torch.bool)
        else:
            mask = real(tokens, self.padding)
        embedded = self.embedding(tokens) * mask.unsqueeze(-1)
        maxima = [layer(embedded, mask) for layer in self.convolutions]
        units = self.relu(torch.cat(maxima, dim=1))  # it rises, so that it may follow the maximum
        logits: Tensor = self.output(self.dropout(self.layer1(units)))
        return logits

    def extra_repr(self) -> str:
        """What decides how tokens are read."""
        length = self.max_length if self.faithful else None
        return f"padding={self.padding}, faithful={self.faithful}, length={length}"
