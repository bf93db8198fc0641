"""A small transformer encoder as a student of texts, trained from scratch.

Each block normalises before it attends and before its feed-forward layer, which lets it train
without a warm-up: Xiong et al., "On layer normalization in the transformer architecture", 2020,
https://arxiv.org/abs/2002.04745, section 3. The output layer reads the mean over the text's tokens.
Initial weights are normal with standard deviation 0.02, as BERT's; biases start at 0.
"""

import functools
import math
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from limbeck.students.reading import real
from limbeck.students.student import Student
from limbeck.students.text_parts import TextModule, check_text_arguments
from limbeck.students.word_vectors import with_word_vectors
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["text_transformer"]


def text_transformer(
    vocabulary: int,
    classes: int,
    width: int = 128,
    *,
    layers: int = 2,
    heads: int = 2,
    dropout: float = 0.1,
    padding: int = 0,
    max_length: int = 128,
    embedding_from: str | Path | None = None,
    tokenization: Tokenization | None = None,
) -> Student:
    """A transformer encoder over tokens with learned positions, their mean, an output layer.

    Its layers' module paths are "embedding", "blocks.0", "blocks.1", ... (after the block's last
    sum), "blocks.0.attention", ... (the attention maps), "norm" and "output".

    Args:
        vocabulary: How many token ids there are, >= 1.
        classes: How many classes, >= 2.
        width: Numbers that describe a token in every layer, a multiple of `heads`; the
            feed-forward layers are four times as wide.
        layers: How many blocks, >= 1.
        heads: Into how many heads each attention is split, >= 1.
        dropout: Share of the units dropped in training, after the embedding and before each sum,
            in [0, 1).
        padding: The id of the padding token.
        max_length: The most tokens of a text, >= 1.
        embedding_from: A transformer whose word vectors the embedding begins as (`word_vectors`):
            the folder of a pretrained model or of a saved student, or a hub id; None: it is drawn.
        tokenization: How the texts are tokenised; needed with `embedding_from`.

    Raises:
        ValueError: if a number is out of its range.
        LimbeckError: if there are no such word vectors, or too few for these tokens.

    Example:
        >>> student = text_transformer(30_522, 2, 64, layers=1)
    """
    check_text_arguments(
        {"width": width, "layers": layers, "heads": heads, "max_length": max_length},
        classes=classes,
        dropout=dropout,
        padding=padding,
        vocabulary=vocabulary,
    )
    if width % heads:
        raise ValueError(f"width is {width}, which {heads} heads do not divide. Give a multiple.")
    arguments: dict[str, Any] = {
        "vocabulary": vocabulary,
        "classes": classes,
        "width": width,
        "layers": layers,
        "heads": heads,
        "dropout": dropout,
        "padding": padding,
        "max_length": max_length,
    }
    build = functools.partial(TextTransformer, **arguments)
    student = Student(build, architecture={"text_transformer": arguments})
    return with_word_vectors(student, embedding_from, tokenization)


class TextTransformer(TextModule):
    """The module; its arguments are those of `text_transformer`."""

    def __init__(
        self,
        vocabulary: int,
        classes: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        padding: int,
        max_length: int,
    ) -> None:
        super().__init__()
        self.vocabulary, self.padding, self.longest = vocabulary, padding, max_length
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.empty(max_length, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, classes)
        for name, weight in self.named_parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(weight)

    def forward(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """The logits."""
        mask = real(tokens, self.padding)
        values = self.dropout(self.embedding(tokens) + self.positions[: tokens.shape[1]])
        for block in self.blocks:
            values = block(values, mask)
        share = mask.unsqueeze(-1) / mask.sum(dim=1).view(-1, 1, 1)
        logits: Tensor = self.output((self.norm(values) * share).sum(dim=1))
        return logits

    def extra_repr(self) -> str:
        """What decides how tokens are read."""
        return f"padding={self.padding}, longest={self.longest}"


class Block(nn.Module):
    """Attention and a feed-forward layer, each after a norm and added to what it read."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention = nn.Softmax(dim=-1)
        self.mixed = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, values: Float[Tensor, "b t d"], mask: Bool[Tensor, "b t"]
    ) -> Float[Tensor, "b t d"]:
        """The values after the block; what is padding is attended to by nobody."""
        heads = self.queries_keys_values(self.norm1(values)).unflatten(2, (3, self.heads, -1))
        queries, keys, given = heads.transpose(1, 3).unbind(dim=2)
        fits = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[-1])
        maps = self.attention(fits.masked_fill(~mask[:, None, None, :], float("-inf")))
        attended = maps @ given
        values = values + self.dropout(self.mixed(attended.transpose(1, 2).flatten(2)))
        wide = functional.gelu(self.wide(self.norm2(values)))
        after: Tensor = values + self.dropout(self.narrow(wide))
        return after

    def extra_repr(self) -> str:
        """What the layers do not tell."""
        return f"heads={self.heads}"
