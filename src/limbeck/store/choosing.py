"""Which tokens of per-token features are stored, and how wide: what was asked for of a layer.

All tokens, the first n, or the first alone ([CLS]), whose value is then a plain feature (d,). All d
columns, or w of them after a random projection,

    h Q,  Q of shape (d, w) with orthonormal columns:  E |h Q|^2 = (w / d) |h|^2

which keeps angles and relative distances up to about 1 / sqrt(w): Johnson & Lindenstrauss,
"Extensions of Lipschitz mappings into a Hilbert space", 1984. Q is Q of the QR decomposition, R's
diagonal positive, of a (d, w) matrix of standard normal numbers; entry (i, j) of it is
sqrt(-2 log(1 - u)) cos(2 pi v) of `seeding.uniforms(i, 2 w, seed, "projection")`, u being number j
and v number w + j. So the seed in the manifest is enough to have Q again.
"""

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limbeck import seeding
from limbeck.errors import StoreError, TeacherError
from limbeck.store.format import Subject
from limbeck.types import Outputs

__all__ = ["chosen_tokens", "projection"]


def chosen_tokens(outputs: Outputs, subject: Subject) -> Outputs:
    """An answer with the tokens and the width that the request asks for.

    Raises:
        StoreError: if a layer cannot be cut or projected like that.
        TeacherError: if the first token is asked for of an example that has none.
    """
    hidden, lengths = dict(outputs.hidden), dict(outputs.lengths)
    first = subject.hidden_tokens
    for layer, counts in outputs.lengths.items():
        value = outputs.hidden[layer]
        if value.ndim == 4 and (first or subject.hidden_width):
            raise StoreError(
                f"layer '{layer}' gives attention maps, which are kept whole, and hidden_tokens or "
                "hidden_width was asked for. Annotate them into a store of their own."
            )
        if subject.hidden_width is not None:
            value = projected(value, layer, subject.hidden_width, subject.projection_seed or 0)
        if first == 1:
            if not bool(counts.all()):
                raise TeacherError(f"layer '{layer}' has no first token for some example.")
            value = value[:, 0]
            del lengths[layer]
        elif first is not None:
            value, lengths[layer] = value[:, :first], counts.clamp(max=first)
        hidden[layer] = value
    return Outputs(outputs.logits, hidden, lengths)


def projected(
    value: Float[Tensor, "b t d"], layer: str, width: int, seed: int
) -> Float[Tensor, "b t w"]:
    d = value.shape[-1]
    if width >= d:
        raise StoreError(
            f"hidden_width is {width} and layer '{layer}' is {d} wide; a projection makes it "
            f"narrower. Use 1 to {d - 1}, or leave hidden_width out to keep all of it."
        )
    return value @ projection(d, width, seed)


@cache
def projection(d: int, width: int, seed: int) -> Float[Tensor, "d w"]:
    """The random matrix Q of orthonormal columns of this seed, float32.

    Args:
        d: Width of the features, > `width`.
        width: Columns to keep, >= 1.
        seed: As in the manifest.
    """
    u, v = seeding.uniforms(torch.arange(d), 2 * width, seed, "projection").split(width, dim=1)
    normal = (-2 * torch.log1p(-u)).sqrt() * torch.cos(2 * math.pi * v)
    q, r = np.linalg.qr(normal.numpy())
    return torch.from_numpy(q * np.sign(np.diag(r))).float()
