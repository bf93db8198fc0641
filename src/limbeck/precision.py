"""Which precision a device multiplies fast in."""

import torch

__all__ = ["multiplies_in_bfloat16"]

INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
"""Names of a processor's instructions that multiply in bfloat16; the last is ARM's."""


def multiplies_in_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for it, rather than imitating them in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        return any(has.get(name, False) for name in INSTRUCTIONS)
    return False
