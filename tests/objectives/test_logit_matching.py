"""LogitMatching against values worked out elsewhere, and loops."""

import numpy as np
import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.objectives import LogitMatching
from limbeck.objectives.logit_matching import squared_difference
from limbeck.types import Knowledge, Outputs, TopK

STUDENT = torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]], dtype=torch.float64)
TEACHER = torch.tensor([[2.0, 1.0, 0.0], [1.0, -1.0, 0.5]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def test_the_raw_difference_gives_the_known_answer() -> None:
    """A sum over the classes in place of the mean."""
    raw = squared_difference(TEACHER, STUDENT).mean()
    assert raw.item() == pytest.approx(1.95833333, abs=1e-7)


def test_the_centred_difference_is_twice_the_known_limit_of_soft_targets() -> None:
    """Centring over the batch in place of the classes."""
    loss = LogitMatching()(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    assert loss.item() == pytest.approx(2 * 0.72222222, abs=1e-7)


def test_it_agrees_with_loops_and_ignores_a_constant_per_row() -> None:
    """Stored logits are shifted by their maximum; an uncentred loss would chase that shift."""
    generator = np.random.default_rng(3)
    student, teacher = generator.normal(size=(2, 8, 5)) * 3
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        for k in range(5):
            total += ((s[k] - sum(s) / 5) - (t[k] - sum(t) / 5)) ** 2
    stored = torch.from_numpy(teacher - teacher.max(axis=1, keepdims=True))
    loss = LogitMatching()(
        Outputs(torch.from_numpy(student)), Knowledge(stored.unsqueeze(0)), torch.zeros(8).long()
    )
    assert loss.item() == pytest.approx(total / 40, rel=1e-12)


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
def test_of_an_ensemble_it_matches_the_combined_log_probabilities(combine: str) -> None:
    """Only the first member matched."""
    generator = np.random.default_rng(4)
    members = generator.normal(size=(2, 4, 3)) * 2
    probs = np.exp(members) / np.exp(members).sum(-1, keepdims=True)
    mix = np.log(probs).mean(0) if combine == "geometric" else np.log(probs.mean(0))
    student = generator.normal(size=(4, 3))
    gap = (mix - mix.mean(1, keepdims=True)) - (student - student.mean(1, keepdims=True))
    knowledge = Knowledge(torch.from_numpy(members), combine=combine)  # type: ignore[arg-type]
    loss = LogitMatching()(Outputs(torch.from_numpy(student)), knowledge, torch.zeros(4).long())
    assert loss.item() == pytest.approx((gap**2).mean(), rel=1e-10)


def test_top_k_knowledge_raises() -> None:
    """Dropped logits taken for 0."""
    knowledge = Knowledge(
        TopK(TEACHER[None, :, :2], torch.tensor([[0, 1]] * 2), {1.0: torch.zeros(1, 2)}, classes=3)
    )
    with pytest.raises(
        LimbeckError, match=r"LogitMatching needs .* every class, .* keeps 2 of 3\. Annotate again"
    ):
        LogitMatching()(Outputs(STUDENT), knowledge, LABELS)


def test_with_deviations_it_is_the_regression_on_normalised_logits() -> None:
    """The deviation multiplied instead of divided, or applied to one side only."""
    deviations = [0.5, 2.0, 4.0]
    total = 0.0
    for s, t in zip(STUDENT.tolist(), TEACHER.tolist(), strict=True):
        for k in range(3):
            total += (
                (t[k] - sum(t) / 3) / deviations[k] - (s[k] - sum(s) / 3) / deviations[k]
            ) ** 2
    objective = LogitMatching(deviations)
    loss = objective(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
    assert loss.item() == pytest.approx(total / 6, rel=1e-12)
    assert objective.settings() == {"deviations": (0.5, 2.0, 4.0)}


def test_deviations_that_do_not_fit_are_refused() -> None:
    """One number for all classes would be broadcast."""
    with pytest.raises(ValueError, match="deviations is 0.0; it must be above 0"):
        LogitMatching((1.0, 0.0))
    with pytest.raises(LimbeckError, match="has 1 deviations and the student scored 3 classes"):
        LogitMatching((1.0,))(Outputs(STUDENT), Knowledge(TEACHER.unsqueeze(0)), LABELS)
