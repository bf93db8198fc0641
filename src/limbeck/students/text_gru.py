"""A recurrent network as a student of texts: a GRU reads the tokens, two layers its last state.

Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
translation", EMNLP 2014, https://arxiv.org/abs/1406.1078, section 2.3. Initial weights are torch's
own.
"""

import functools
from pathlib import Path
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.students.reading import lengths_of
from limbeck.students.student import Student
from limbeck.students.text_parts import TextModule, check_text_arguments, filled, leaky
from limbeck.students.word_vectors import with_word_vectors
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["text_gru"]


def text_gru(
    vocabulary: int,
    classes: int,
    hidden: int = 128,
    *,
    embedding: int = 128,
    dropout: float = 0.5,
    padding: int = 0,
    faithful: bool = False,
    max_length: int = 128,
    embedding_from: str | Path | None = None,
    tokenization: Tokenization | None = None,
) -> Student:
    """A GRU over tokens, a hidden layer, an output layer; leaky ReLUs between them.

    Its layers' module paths are "embedding", "gru" (the state after every token), "layer1" (after
    the leaky ReLU, before the dropout) and "output".

    Args:
        vocabulary: How many token ids there are, >= 1.
        classes: How many classes, >= 2.
        hidden: Units of the GRU's state and of the hidden layer, >= 1.
        embedding: Numbers that describe a token, >= 1.
        dropout: Share of the units before the output layer dropped in training, in [0, 1).
        padding: The id of the padding token.
        faithful: Whether to read the padding like any other token, as in code that pads every text
            to `max_length`; otherwise the state after the text's last token counts.
        max_length: Of a faithful one, the length that every text is padded or cut to.
        embedding_from: A transformer whose word vectors the embedding begins as (`word_vectors`):
            the folder of a pretrained model or of a saved student, or a hub id; None: it is drawn.
        tokenization: How the texts are tokenised; needed with `embedding_from`.

    Raises:
        ValueError: if a number is out of its range.
        LimbeckError: if there are no such word vectors, or too few for these tokens.

    Example:
        >>> student = text_gru(30_522, 2, 64)
    """
    check_text_arguments(
        {"hidden": hidden, "embedding": embedding, "max_length": max_length},
        classes=classes,
        dropout=dropout,
        padding=padding,
        vocabulary=vocabulary,
    )
    arguments: dict[str, Any] = {
        "vocabulary": vocabulary,
        "classes": classes,
        "hidden": hidden,
        "embedding": embedding,
        "dropout": dropout,
        "padding": padding,
        "faithful": faithful,
        "max_length": max_length,
    }
    student = Student(functools.partial(TextGru, **arguments), architecture={"text_gru": arguments})
    return with_word_vectors(student, embedding_from, tokenization)


class TextGru(TextModule):
    """The module; its arguments are those of `text_gru`."""

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        hidden: int,
        embedding: int,
        dropout: float,
        padding: int,
        faithful: bool,
        max_length: int,
    ) -> None:
        super().__init__()
        self.vocabulary, self.padding = vocabulary, padding
        self.faithful, self.max_length = faithful, max_length
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.gru = nn.GRU(embedding, hidden, batch_first=True)
        self.relu = nn.LeakyReLU(0.2)
        self.layer1 = leaky(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, classes)

    def forward(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """The logits."""
        if self.faithful:
            tokens = filled(tokens, self.max_length, self.padding)
            state = self.gru(self.embedding(tokens))[0][:, -1]
        else:
            states, _ = self.gru(self.embedding(tokens))
            last = (lengths_of(tokens, self.padding) - 1).view(-1, 1, 1)
            state = states.gather(1, last.expand(-1, 1, states.shape[2])).squeeze(1)
        logits: Tensor = self.output(self.dropout(self.layer1(self.relu(state))))
        return logits

    def extra_repr(self) -> str:
        """What decides how tokens are read."""
        length = self.max_length if self.faithful else None
        return f"padding={self.padding}, faithful={self.faithful}, length={length}"
