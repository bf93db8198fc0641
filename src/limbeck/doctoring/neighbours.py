"""How near the rows of one part are to those of another, in bounded memory.

Numbers are compared by Euclidean distance, wide inputs after a random projection, which keeps
distances to within a tenth: Johnson & Lindenstrauss, 1984. Texts are compared by the share of their
three-word shingles that they have in common (Jaccard): Broder, "On the resemblance and containment
of documents", 1997.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck import seeding
from limbeck.transfer_sets import TransferSet

__all__ = ["exact_keys", "nearest_distances", "nearest_texts", "vectors"]

CHUNK = 2048
WIDEST = 512
"""Wider inputs are projected to so many columns."""

WORD = re.compile(r"\w+")


def exact_keys(examples: TransferSet, rows: Int[Tensor, " r"]) -> list[bytes]:
    """A hash of each example's input; of texts of their words in lower case."""
    keys = []
    for part in rows.split(CHUNK):
        batch = examples.batch(part)
        payloads = (
            [" ".join(words(text)).encode() for text in batch.texts]
            if batch.texts is not None
            else [example.tobytes() for example in batch.inputs.contiguous().numpy()]
        )
        keys += [blake2b(each, digest_size=16).digest() for each in payloads]
    return keys


def nearest_distances(
    queries: Float[Tensor, "q d"], examples: TransferSet, rows: Int[Tensor, " r"]
) -> tuple[Float[Tensor, " q"], Int[Tensor, " q"]]:
    """Each query's distance to the nearest of these examples, and which row that is."""
    distances = torch.full((len(queries),), torch.inf)
    found = torch.zeros(len(queries), dtype=torch.int64)
    for part in rows.split(CHUNK):
        away, place = torch.cdist(queries, vectors(examples, part)).min(dim=1)
        nearer = away < distances
        distances = torch.where(nearer, away, distances)
        found = torch.where(nearer, part[place], found)
    return distances, found


def vectors(examples: TransferSet, rows: Int[Tensor, " r"]) -> Float[Tensor, "r d"]:
    """The inputs as vectors of at most 512 numbers."""
    parts = []
    for part in rows.split(CHUNK):
        flat = examples.batch(part).inputs.float().flatten(1)
        if flat.shape[1] > WIDEST:
            source = seeding.generator("projection", flat.shape[1])
            flat = flat @ torch.randn(flat.shape[1], WIDEST, generator=source) / WIDEST**0.5
        parts.append(flat)
    return torch.cat(parts)


def nearest_texts(
    queries: Sequence[str], examples: TransferSet, rows: Int[Tensor, " r"]
) -> tuple[Float[Tensor, " q"], Int[Tensor, " q"]]:
    """Each query's largest share of common shingles with one of these texts, and which row."""
    asked = shingles(queries)
    likeness = torch.zeros(len(queries), dtype=torch.float64)
    found = torch.zeros(len(queries), dtype=torch.int64)
    for part in rows.split(CHUNK):
        texts = examples.batch(part).texts
        assert texts is not None
        known = shingles(texts)
        common = (asked @ known.T).toarray()
        either = asked.sum(axis=1) + known.sum(axis=1).T - common
        share = torch.from_numpy(np.asarray(common / np.maximum(either, 1)))
        best, place = share.max(dim=1)
        found = torch.where(best > likeness, part[place], found)
        likeness = torch.maximum(best, likeness)
    return likeness, found


def shingles(texts: Sequence[str]) -> Any:
    """Which hashed three-word shingles each text has, as a sparse matrix of 0 and 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        ngram_range=(3, 3), binary=True, norm=None, alternate_sign=False, analyzer="word",
        token_pattern=WORD.pattern,
    )  # fmt: skip
    return hashing.transform(list(texts))


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return WORD.findall(text.lower())
