"""What the modules of text students share: what they can read, a layer, their arguments."""

from collections import OrderedDict

import torch
from jaxtyping import Int
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students.mlp import check_count, check_dropout
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["TextModule", "check_text_arguments", "filled", "leaky"]


class TextModule(nn.Module):
    """A module that reads token ids (b, t), padded on the right.

    Attributes:
        vocabulary: How many token ids it has an embedding for.
        padding: The id of the padding token.
        longest: The most tokens of a text; None: any number.
    """

    vocabulary: int
    padding: int
    longest: int | None = None

    def check(self, tokenization: Tokenization) -> None:
        """Look that the module can read what this tokenization makes.

        Raises:
            LimbeckError: if ids or places are beyond it, or it takes another id for padding.
        """
        if tokenization.vocabulary > self.vocabulary:
            raise LimbeckError(
                f"the student has a vocabulary of {self.vocabulary:,} tokens and the tokenizer "
                f"makes {tokenization.vocabulary:,}. Give it the tokenizer's: "
                f"vocabulary={tokenization.vocabulary}."
            )
        if tokenization.padding != self.padding:
            raise LimbeckError(
                f"the student takes token {self.padding} for padding and the tokenizer pads with "
                f"{tokenization.padding}; it would read the padding as text. Give it "
                f"padding={tokenization.padding}."
            )
        if self.longest is not None and tokenization.max_length > self.longest:
            raise LimbeckError(
                f"the student reads texts of up to {self.longest} tokens and the tokenizer makes "
                f"up to {tokenization.max_length}. Give both the same max_length."
            )


def filled(tokens: Int[Tensor, "b t"], length: int, padding: int) -> Int[Tensor, "b length"]:
    """The rows padded, or cut, to one length that no other text of the batch has a say in."""
    more = tokens.new_full((1, length), padding).expand(tokens.shape[0], length)
    return torch.cat([tokens, more], dim=1)[:, :length]


def leaky(inputs: int, units: int) -> nn.Sequential:
    """A linear layer and its leaky ReLU, as the submodules `linear` and `relu`."""
    return nn.Sequential(OrderedDict(linear=nn.Linear(inputs, units), relu=nn.LeakyReLU(0.2)))


def check_text_arguments(
    counts: dict[str, int], *, classes: int, dropout: float, padding: int, vocabulary: int
) -> None:
    """Raise a ValueError unless all sizes are 1 or more and the padding is of the vocabulary."""
    for name, value in {"vocabulary": vocabulary, **counts}.items():
        check_count(name, value, least=1)
    check_count("classes", classes, least=2)
    check_dropout("dropout", dropout)
    check_count("padding", padding, least=0)
    if padding >= vocabulary:
        raise ValueError(
            f"padding is {padding}, and a vocabulary of {vocabulary} has the ids 0 to "
            f"{vocabulary - 1}. Give the id of the tokenizer's padding token."
        )
