"""Weights from .safetensors files into modules: all of them, and no others."""

from pathlib import Path

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError

__all__ = ["fill", "read_weights"]


def fill(module: nn.Module, weights: Path, *, whose: str) -> None:
    """Put a .safetensors file's weights and buffers into a module, all of them and no others.

    Raises:
        LimbeckError: if a name is missing or too much, or a shape differs.
    """
    tensors = read_weights(weights)
    check_weights(module, tensors, weights, whose)
    with torch.no_grad():
        module.load_state_dict(tensors)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a .safetensors file, or a LimbeckError."""
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise LimbeckError(f"there are no weights at {path}. Correct the path.") from error
    except (OSError, SafetensorError) as error:
        raise LimbeckError(
            f"{path} cannot be read as a .safetensors file: {error}. Write it with "
            "safetensors.torch.save_file(module.state_dict(), path)"
        ) from error
    return tensors


def check_weights(module: nn.Module, tensors: dict[str, Tensor], path: Path, whose: str) -> None:
    """Raise a LimbeckError that says what does not fit, unless the weights are this module's."""
    state = module.state_dict()
    missing = [name for name in state if name not in tensors]
    unexpected = [name for name in tensors if name not in state]
    if missing or unexpected:
        parts = [
            f"{title} {some(names)}"
            for title, names in (("missing:", missing), ("unexpected:", unexpected))
            if names
        ]
        raise LimbeckError(
            f"{path} holds the weights of another model than the {whose}: {'; '.join(parts)}. "
            "Build the model that these weights were saved from."
        )
    for name, value in state.items():
        if tuple(value.shape) != tuple(tensors[name].shape):
            raise LimbeckError(
                f"{path} has '{name}' of shape {tuple(tensors[name].shape)} and the {whose} "
                f"{tuple(value.shape)}. Build the model that these weights were saved from."
            )


def some(names: list[str], most: int = 4) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more
