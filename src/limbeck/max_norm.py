"""Limited weight vectors: what comes into a unit of a linear layer is never longer than this.

Hinton, Srivastava, Krizhevsky, Sutskever & Salakhutdinov, "Improving neural networks by preventing
co-adaptation of feature detectors", 2012, https://arxiv.org/abs/1207.0580.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["constrain", "shorten"]


def constrain(module: nn.Module, max_norm: float) -> None:
    """Shorten the trained weight vectors into the linear layers' units to this length at most."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear) and layer.weight.requires_grad:
            shorten(layer.weight, max_norm)


@torch.no_grad()
def shorten(weight: Float[Tensor, "*s units inputs"], max_norm: float) -> None:
    """Shorten each unit's weight vector, in place, to this length at most."""
    length = weight.norm(dim=-1, keepdim=True)
    weight.mul_((max_norm / length.clamp(min=1e-12)).clamp(max=1.0))
