"""Checkpoints: one safetensors file with all that a run needs to go on as if never interrupted.

The file holds weights, buffers, optimizer state, averaged weights, the best weights so far and the
random state; its header holds the counters and the history as JSON. It is written to a temporary
name, synced and renamed, so that a kill leaves either the old one or the new one.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from limbeck.errors import LimbeckError

__all__ = ["flatten_optimizer", "load_checkpoint", "save_checkpoint", "unflatten_optimizer"]


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write a checkpoint in one step.

    Raises:
        LimbeckError: if the disk is full or the folder cannot be written.
    """
    temporary = path.with_suffix(f".{os.getpid()}.partial")
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    payload = save(copies, metadata={"values": json.dumps(values)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise LimbeckError(
            f"a checkpoint of {len(payload):,} bytes could not be written to {path.parent}: "
            f"{error.strerror}. Free some space or choose another output, then run it again: "
            "it goes on from the last checkpoint."
        ) from error


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """A checkpoint's tensors and values; None where there is none.

    Raises:
        LimbeckError: if the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["values"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise LimbeckError(
            f"the checkpoint {path} is damaged ({error}). Delete it to train this run again."
        ) from error


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as named tensors."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if value is not None
    }


def unflatten_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put named tensors back into an optimizer of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})
