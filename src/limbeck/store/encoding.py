"""How logits become columns: centred, clipped, rounded; or the top k and the rest.

A softmax does not change when a constant is added to its logits, so the row maximum is subtracted:
the largest logit becomes 0 and float16 spends its precision where probability is. Clipping at
-60000 (exact in float16) keeps every stored number finite; such a class has no probability at any
sensible temperature.

Of the classes that a top-k store drops it keeps their total, rest = logsumexp(z / T), at each
temperature T. It is computed from the rounded logits: merging classes never increases a
Kullback-Leibler divergence (the log-sum inequality), so the loss from a top-k store is at most the
loss from the dense store of the same dtype.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.store.format import FloatType
from limbeck.types import TopK

__all__ = [
    "FLOOR",
    "centred",
    "index_type",
    "kept_classes",
    "kl_divergence",
    "rounded",
    "top_k",
    "typed",
]

FLOOR = -60000.0


def centred(logits: Float[Tensor, "*m c"]) -> Float[Tensor, "*m c"]:
    """Logits minus their row maximum, clipped at -60000."""
    return (logits - logits.amax(dim=-1, keepdim=True)).clamp(min=FLOOR)


def rounded(logits: Float[Tensor, "*m c"], dtype: FloatType) -> Float[Tensor, "*m c"]:
    """Centred logits in the type in which they are stored."""
    return typed(centred(logits), dtype)


def typed(values: Tensor, dtype: FloatType) -> Tensor:
    """Values in the type of this name."""
    return values.to(torch.float16 if dtype == "float16" else torch.float32)


def kept_classes(log_probs: Float[Tensor, "b c"], k: int) -> Int[Tensor, "b k"]:
    """The k most probable classes of each example, most probable first."""
    return log_probs.topk(k, dim=-1).indices


def index_type(classes: int) -> type[np.unsignedinteger]:
    """The smallest type of an Arrow column that numbers this many classes."""
    return np.uint16 if classes <= 2**16 else np.uint32


def top_k(
    stored: Float[Tensor, "m b c"], indices: Int[Tensor, "b k"], temperatures: Sequence[float]
) -> TopK:
    """The kept classes of rounded logits, and at each temperature the log-sum-exp of the rest.

    Values keep the type of the logits, the rest is float32.
    """
    members, _, classes = stored.shape
    indices = indices.long()
    chosen = indices.expand(members, *indices.shape)
    dropped = stored.double().scatter(-1, chosen, -torch.inf)
    rest = {float(t): (dropped / t).logsumexp(dim=-1).float() for t in temperatures}
    return TopK(stored.gather(-1, chosen), indices, rest, classes)


def kl_divergence(
    teacher: Float[Tensor, "*m c"], stored: Float[Tensor, "*m c"]
) -> Float[Tensor, "*m"]:
    """KL(teacher || stored) in nats, of log-probabilities; in float64, as it is near 0."""
    teacher, stored = teacher.double(), stored.double()
    return (teacher.exp() * (teacher - stored)).sum(dim=-1).clamp(min=0.0)
