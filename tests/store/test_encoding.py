"""Centring, clipping and top-k against references in float64, written as loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.store import encoding


def softmax(values: list[float]) -> list[float]:
    largest = max(values)
    terms = [math.exp(v - largest) for v in values]
    total = math.fsum(terms)
    return [term / total for term in terms]


def kl(p: list[float], q: list[float]) -> float:
    return math.fsum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(("dtype", "limit"), [("float16", 2e-4), ("float32", 1e-10)])
def test_encoded_logits_of_1000_classes_soften_to_the_same_probabilities(dtype, limit, temperature):
    """Rounding that costs a student anything at any temperature would go unnoticed in training."""
    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 4, (20, 1000))).float()
    stored = encoding.rounded(logits, dtype)
    for exact, back in zip(logits.double().tolist(), stored.double().tolist(), strict=True):
        p = softmax([z / temperature for z in exact])
        q = softmax([z / temperature for z in back])
        assert kl(p, q) < limit


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=2, max_size=12))
def test_any_finite_logits_are_stored_finite_with_a_largest_of_zero(row):
    """Overflow to infinity in float16 would make a student's loss NaN at the first such example."""
    stored = encoding.rounded(torch.tensor([row]), "float16")
    assert stored.isfinite().all()
    assert stored.max() == 0
    assert stored.min() >= encoding.FLOOR
    assert stored[0, int(np.argmax(row))] == 0


def test_the_floor_is_exact_in_float16():
    """A floor that rounds would differ between dtypes."""
    assert torch.tensor(encoding.FLOOR).half().double() == encoding.FLOOR


def test_the_rest_is_the_logsumexp_of_the_dropped_classes():
    """A rest that counts a kept class twice gives a loss that is plausible and wrong."""
    logits = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(1))
    indices = torch.tensor([[0, 3], [8, 1], [2, 4], [5, 7], [6, 0]])
    top = encoding.top_k(logits, indices, (1.0, 2.5))
    for member in range(2):
        for row in range(5):
            kept = indices[row].tolist()
            dropped = [z for c, z in enumerate(logits[member, row].tolist()) if c not in kept]
            for t in (1.0, 2.5):
                expected = math.log(math.fsum(math.exp(z / t) for z in dropped))
                assert top.rest[t][member, row].item() == pytest.approx(expected, abs=1e-5)
            assert top.values[member, row].tolist() == logits[member, row, kept].tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 11), st.sampled_from([1.0, 2.0, 4.0]))
def test_top_k_never_exceeds_dense_and_rises_with_k(seed, k, temperature):
    """A top-k loss above the dense one is no lower bound: it would teach what nobody said."""
    generator = torch.Generator().manual_seed(seed)
    teacher = encoding.rounded(5 * torch.randn(1, 4, 12, generator=generator), "float16").double()
    student = 5 * torch.randn(4, 12, generator=generator).double()
    dense = (student / temperature).log_softmax(-1)
    whole = encoding.kl_divergence((teacher[0] / temperature).log_softmax(-1), dense)
    previous = torch.zeros(4)
    for kept in range(1, k + 1):
        indices = encoding.kept_classes(teacher[0], kept)
        told = encoding.top_k(teacher, indices, (temperature,)).log_probs(temperature)[0]
        others = torch.ones(4, 12).scatter(1, indices, 0).bool()
        lumped = dense.masked_fill(~others, -torch.inf).logsumexp(-1, keepdim=True)
        loss = encoding.kl_divergence(told, torch.cat([dense.gather(1, indices), lumped], -1))
        assert (loss <= whole + 1e-6).all()
        assert (loss >= previous - 1e-6).all()
        previous = loss


def test_indices_are_two_bytes_up_to_65536_classes():
    """Signed or short indices wrap around: class 50000 became -15536 elsewhere."""
    assert np.iinfo(encoding.index_type(65536)).max == 65535
    assert encoding.index_type(65537) is np.uint32
