"""Counter-based randomness of (run, example, view): the only source of it.

Every random number is a pure function of its key, never of what was drawn before: the same example
in the same view gets the same augmentation in any process, batch and order, and a resumed run
draws what an uninterrupted one would have drawn.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["generator", "permutation", "seed_of", "seeded", "sorted_permutation", "uniforms"]

WINDOW = 50
"""Among how many batches examples are sorted by length."""


def seed_of(*key: int | str) -> int:
    """A 63-bit seed from a key such as (seed, "order", epoch)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator that starts where this key says."""
    return torch.Generator().manual_seed(seed_of(*key))


def permutation(count: int, *key: int | str) -> Int[Tensor, " n"]:
    """The numbers 0 to count - 1 in the order that this key says."""
    return torch.randperm(count, generator=generator(*key))


def sorted_permutation(lengths: Int[Tensor, " n"], size: int, *key: int | str) -> Int[Tensor, " n"]:
    """The numbers of examples in the order that this key says, those of a batch about as long.

    The examples are shuffled, each window of so many batches is sorted by length and cut into
    batches, and the batches are shuffled. What is left over after the last whole batch comes last.
    """
    order = permutation(len(lengths), *key)
    whole = len(order) - len(order) % size
    windows = order[:whole].split(WINDOW * size)
    rows = [rows[lengths[rows].argsort(stable=True)] for rows in windows]
    batches = torch.cat(rows or [order[:0]]).view(-1, size)
    batches = batches[permutation(len(batches), *key, "batches")]
    return torch.cat([batches.flatten(), order[whole:]])


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Torch's global randomness (initial weights, dropout) comes from the key in this block."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(*key))
        yield


def uniforms(rows: Int[Tensor, " b"], draws: int, *key: int | str) -> Float[Tensor, "b draws"]:
    """Uniform numbers in [0, 1) for each row, float64, from the key and the row alone.

    The finaliser of SplitMix64 over a counter: Steele, Lea & Flood, "Fast splittable pseudorandom
    number generators", OOPSLA 2014.
    """
    counter = rows.numpy().astype(np.uint64)[:, None] * np.uint64(2**32) + np.arange(
        draws, dtype=np.uint64
    )
    state = (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(seed_of(*key))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    state ^= state >> np.uint64(31)
    return torch.from_numpy((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)
