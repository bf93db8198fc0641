"""What a model reads of a batch of texts: its tokens, or the texts through its own tokenizer.

A row of token ids is padded on the right. Nothing that a model answers hangs on the padding: the
same text gets the same answer alone and beside a long one.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.types import Batch

__all__ = ["inputs_for", "lengths_by_layer", "lengths_of", "real"]


def inputs_for(tokenization: Tokenization | None, batch: Batch, *, whose: str) -> Tensor:
    """The batch's inputs as a model of this tokenization reads them.

    They are the batch's own where it was tokenised in the same way, or where the model takes them
    as they come (None).

    Raises:
        LimbeckError: if the model reads texts and the batch has none.
    """
    made_by = batch.tokenization
    if tokenization is None or made_by is tokenization:
        return batch.inputs
    if made_by is not None and made_by.fingerprint == tokenization.fingerprint:
        return batch.inputs
    if batch.texts is None:
        raise LimbeckError(
            f"{whose} reads texts, and the batch has inputs of shape "
            f"{tuple(batch.inputs.shape)} without any. Give it a transfer set of texts."
        )
    return tokenization(batch.texts).to(batch.inputs.device)


def lengths_by_layer(
    hidden: Mapping[str, Tensor], tokens: Tensor, tokenization: Tokenization | None
) -> dict[str, Int[Tensor, " b"]]:
    """Of the layers that answer for each token, how many tokens each example has.

    Those are the ones of shape (b, t, d), or (b, h, t, t), t being the tokens of the batch.
    """
    if tokenization is None or not hidden:
        return {}
    t = tokens.shape[1]
    layers = [
        name
        for name, value in hidden.items()
        if (value.ndim == 3 and value.shape[1] == t)
        or (value.ndim == 4 and tuple(value.shape[2:]) == (t, t))
    ]
    counts = lengths_of(tokens, tokenization.padding) if layers else tokens
    return dict.fromkeys(layers, counts)


def lengths_of(tokens: Int[Tensor, "b t"], padding: int) -> Int[Tensor, " b"]:
    """How many tokens each text has: up to the last that is no padding, at least 1."""
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return torch.where(tokens != padding, places, 1).amax(dim=1)


def real(tokens: Int[Tensor, "b t"], padding: int) -> Bool[Tensor, "b t"]:
    """Which tokens are of the text, and not of the padding after it."""
    places = torch.arange(tokens.shape[1], device=tokens.device)
    return places < lengths_of(tokens, padding).unsqueeze(1)
