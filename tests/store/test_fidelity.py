"""Counts that add up, and percentiles of them."""

import numpy as np
import pytest
import torch

from limbeck.store.fidelity import Measures, fidelity, measured, percentile, summed


def test_percentiles_are_within_an_eighth_of_an_octave_of_numpys():
    """A fidelity that is reported too small would hide what encoding costs."""
    generator = torch.Generator().manual_seed(0)
    exact = (3 * torch.randn(1, 4000, 20, generator=generator)).double().log_softmax(-1)
    near = (exact + 0.01 * torch.randn(exact.shape, generator=generator)).log_softmax(-1)
    p, q = exact[0].exp().numpy(), near[0].numpy()
    reference = (p * (exact[0].numpy() - q)).sum(axis=1)
    measures = measured(exact, near)
    for share in (0.5, 0.99):
        expected = np.quantile(reference, share)
        assert expected * 0.99 <= percentile(measures.kl, share) <= expected * 2 ** (1 / 8) * 1.01


def test_counts_over_parts_equal_counts_over_all():
    """A store that was interrupted must report what an uninterrupted one does."""
    generator = torch.Generator().manual_seed(1)
    exact = torch.randn(2, 100, 5, generator=generator).double().log_softmax(-1)
    near = (exact.half().double()).log_softmax(-1)
    parts = [measured(exact[:, a:b], near[:, a:b]) for a, b in ((0, 30), (30, 70), (70, 100))]
    assert summed(parts) == summed([measured(exact, near)])


def test_shares_are_of_targets_and_agreement_of_members():
    """Dividing by the wrong count makes an ensemble look confident."""
    total = Measures({"0": 4}, agreed=3, targets=2, confident=1, mass=(1.5,))
    result = fidelity(total)
    assert (result.argmax_agreement, result.confident, result.mass_kept) == (0.75, 0.5, (0.75,))
    assert result.kl_p50 == pytest.approx(1.0)


def test_members_without_targets_add_to_those_with():
    """The members before the last count no targets; adding them must not lose the mass kept."""
    both = summed([Measures({"1": 1}), Measures({"1": 2}, 1, 2, 0, (1.0, 2.0)), Measures({"0": 1})])
    assert both == Measures({"0": 1, "1": 3}, 1, 2, 0, (1.0, 2.0))
