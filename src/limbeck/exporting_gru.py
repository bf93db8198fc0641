"""A GRU as one node of an ONNX graph, of any length.

Torch's exporter writes the loop over the tokens out, or fixes its length to the example's. ONNX has
an operator for it: https://onnx.ai/onnx/operators/onnx__GRU.html, with gates in the order update,
reset, new where torch has reset, update, new, and `linear_before_reset` for torch's equations.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["OnnxGru", "with_onnx_grus"]


class OnnxGru(nn.Module):
    """In the place of an nn.GRU while it is exported; run in torch it answers with zeros.

    Args:
        gru: Of one layer in one direction, the batch first.
    """

    weight: Tensor
    recurrent: Tensor
    bias: Tensor

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.hidden_size = gru.hidden_size
        weights = {name: reordered(weight) for name, weight in gru.named_parameters()}
        bias = torch.cat([weights["bias_ih_l0"], weights["bias_hh_l0"]])
        self.register_buffer("weight", weights["weight_ih_l0"].unsqueeze(0))
        self.register_buffer("recurrent", weights["weight_hh_l0"].unsqueeze(0))
        self.register_buffer("bias", bias.unsqueeze(0))

    def forward(
        self, inputs: Float[Tensor, "b t d"]
    ) -> tuple[Float[Tensor, "b t h"], Float[Tensor, "1 b h"]]:
        """The state after every token, and the last state."""
        b, t = inputs.shape[:2]
        states, last = torch.onnx.ops.symbolic_multi_out(
            "GRU",
            (inputs.transpose(0, 1), self.weight, self.recurrent, self.bias),
            {"hidden_size": self.hidden_size, "linear_before_reset": 1},
            dtypes=(inputs.dtype, inputs.dtype),
            shapes=((t, 1, b, self.hidden_size), (1, b, self.hidden_size)),
        )
        return states.squeeze(1).transpose(0, 1), last


def with_onnx_grus(module: nn.Module) -> nn.Module:
    """The module, in place, with every plain nn.GRU in it as one that ONNX knows."""
    for path, layer in list(module.named_modules()):
        if type(layer) is nn.GRU and plain(layer):
            parent, _, name = path.rpartition(".")
            setattr(module.get_submodule(parent), name, OnnxGru(layer))
    return module


def plain(gru: nn.GRU) -> bool:
    """Whether it has one layer in one direction, biases, and the batch first."""
    return gru.num_layers == 1 and not gru.bidirectional and gru.bias and gru.batch_first


def reordered(weight: Tensor) -> Tensor:
    """The rows of the three gates in ONNX's order."""
    reset, update, new = weight.detach().chunk(3)
    return torch.cat([update, reset, new])
