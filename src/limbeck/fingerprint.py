"""What teachers, transfer sets and views hash to.

SHA-256 over a self-delimiting encoding, so that ("ab", "c") and ("a", "bc") differ. Floats and
dictionaries enter as canonical JSON, arrays as dtype, shape and little-endian bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["digest", "file_digest", "module_digest"]


def digest(*parts: Any) -> str:
    """64 hexadecimal digits that identify these bytes, strings, arrays, tensors or JSON values."""
    state = hashlib.sha256()
    for part in parts:
        kind, payload = encoded(part)
        state.update(f"{kind}:{len(payload)}:".encode())
        state.update(payload)
    return state.hexdigest()


def module_digest(module: nn.Module) -> str:
    """What a module's weights and buffers hash to: names, dtypes, shapes and bytes, by name."""
    state = module.state_dict()
    return digest(*(part for name in sorted(state) for part in (name, state[name])))


def file_digest(path: Path) -> str:
    """What a file's bytes hash to: SHA-256, in hexadecimal; about 1 GB/s."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            state.update(block)
    return state.hexdigest()


def encoded(part: Any) -> tuple[str, bytes | memoryview]:
    if isinstance(part, (bytes, bytearray, memoryview)):
        return "bytes", bytes(part)
    if isinstance(part, Tensor):
        tensor = part.detach().cpu().contiguous()
        if tensor.dtype.is_floating_point and tensor.element_size() == 2:
            kind = f"{tensor.dtype}{tuple(tensor.shape)}"
            return kind, tensor.view(torch.int16).numpy().tobytes()
        part = tensor.numpy()
    if isinstance(part, np.ndarray):
        array = np.ascontiguousarray(part)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        if array.dtype.kind in "biufc":
            return f"{array.dtype.str}{array.shape}", array.tobytes()
        return f"strings{array.shape}", json.dumps(array.astype(str).tolist()).encode()
    if isinstance(part, str):
        return "str", part.encode()
    if isinstance(part, Mapping):
        part = dict(part)
    return "json", json.dumps(part, sort_keys=True, separators=(",", ":"), default=str).encode()
