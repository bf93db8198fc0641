"""A specialist's answer: its dustbin put right, its columns in their own order."""

import math

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

import limbeck as lb
from limbeck.errors import TeacherError
from limbeck.specialists import Specialist
from limbeck.specialists.specialist import prior_correction

CLASSES = ("a", "b", "c", "d")
INPUTS = torch.tensor([[0.5, -1.0], [2.0, 0.25], [-3.0, 1.0]])
BATCH = lb.Batch(torch.arange(3), INPUTS, torch.zeros(3, dtype=torch.int64))


def linear(units: int, classes: tuple[str, ...] | None = None) -> lb.TorchModule:
    layer = nn.Linear(2, units)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(2.0 * units).reshape(units, 2).sin())
        layer.bias.copy_(torch.arange(float(units)).cos())
    return lb.TorchModule(layer, classes=classes)


def test_the_corrections_have_their_published_values() -> None:
    """Prevents a dustbin that is lowered, or raised by the wrong factor."""
    assert prior_correction(0.02, 0.5, "bayes") == pytest.approx(3.8918, abs=5e-5)
    assert prior_correction(0.02, 0.5, "literal") == pytest.approx(math.log(25))
    assert prior_correction(0.02, 0.5, "none") == 0.0
    gap = prior_correction(0.02, 0.5, "bayes") - prior_correction(0.02, 0.5, "literal")
    assert gap == pytest.approx(math.log(2 * (1 - 0.02)))
    assert prior_correction(0.3, 0.3, "bayes") == pytest.approx(0.0)


def test_the_bayes_correction_turns_the_sampled_posterior_into_the_true_one() -> None:
    """Prevents a correction that is only nearly right."""
    likelihood = np.array([0.2, 0.05, 0.6])  # of an image, given class a, class b, the rest
    true = np.array([0.03, 0.01, 0.96])
    prior, share = 0.04, 0.5
    sampled = np.array([0.75 * share, 0.25 * share, 1 - share])
    shown = sampled * likelihood / (sampled * likelihood).sum()
    expected = true * likelihood / (true * likelihood).sum()
    raised = shown * np.exp([0, 0, prior_correction(prior, share, "bayes")])
    np.testing.assert_allclose(raised / raised.sum(), expected)


def test_a_dustbin_specialist_raises_its_last_column() -> None:
    """Prevents a correction on a class that the specialist knows."""
    teacher = linear(3)
    said = Specialist(teacher, (1, 3), CLASSES, prior=0.1).log_probs(BATCH).numpy()
    logits = teacher.outputs(BATCH).logits.double().numpy()
    for row in range(3):
        raised = [logits[row, 0], logits[row, 1], logits[row, 2] + math.log(9)]
        total = math.log(sum(math.exp(z) for z in raised))
        np.testing.assert_allclose(said[row], np.array(raised) - total)


def test_a_specialist_with_all_classes_raises_every_other_class() -> None:
    """Prevents a specialist with all classes that overrates its own by the sampling."""
    teacher = linear(4)
    specialist = Specialist(teacher, (1, 3), CLASSES, prior=0.1, all_classes=True)
    said = specialist.log_probs(BATCH).numpy()
    logits = teacher.outputs(BATCH).logits.double().numpy()
    for row in range(3):
        raised = logits[row] + math.log(9) * np.array([1, 0, 1, 0])
        np.testing.assert_allclose(said[row], raised - np.log(np.exp(raised).sum()))


def test_columns_are_brought_into_the_specialists_order() -> None:
    """Prevents the dustbin of one order from counting as a class of the other."""
    names = ("dustbin", "d", "b")
    ordered = Specialist(linear(3, names), (1, 3), CLASSES, prior=0.5).log_probs(BATCH)
    plain = Specialist(linear(3), (1, 3), CLASSES, prior=0.5).log_probs(BATCH)
    torch.testing.assert_close(ordered, plain[:, [2, 1, 0]])


def test_the_fingerprint_changes_with_what_changes_the_answer() -> None:
    """Prevents a store by other specialists that passes for this one's."""
    teacher = linear(3)
    kinds = [
        Specialist(teacher, (1, 3), CLASSES, prior=0.1),
        Specialist(teacher, (1, 3), CLASSES, prior=0.2),
        Specialist(teacher, (1, 2), CLASSES, prior=0.1),
        Specialist(teacher, (1, 3), CLASSES, prior=0.1, share=0.6),
        Specialist(lb.TorchModule(nn.Linear(2, 3)), (1, 3), CLASSES, prior=0.1),
    ]
    assert len({each.fingerprint for each in kinds}) == len(kinds)
    assert kinds[0].fingerprint == Specialist(teacher, (1, 3), CLASSES, prior=0.1).fingerprint


def test_another_number_of_columns_is_refused() -> None:
    """Prevents a generalist that is taken for a specialist."""
    with pytest.raises(TeacherError, match=r"scored \(3, 4\) and \(3, 3\) .* its 2 classes and"):
        Specialist(linear(4), (1, 3), CLASSES, prior=0.1).log_probs(BATCH)


@pytest.mark.parametrize(
    ("special", "prior", "share", "message"),
    [
        ((3, 1), 0.1, 0.5, "are not ascending"),
        ((1, 9), 0.1, 0.5, "some but not all of the numbers 0 to 3"),
        ((1, 3), 0.0, 0.5, "prior is 0.0; it is a share"),
        ((1, 3), 0.1, 1.0, "share is 1.0; it is a share"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    special: tuple[int, ...], prior: float, share: float, message: str
) -> None:
    """Prevents columns in an order that nobody stated, and infinite corrections."""
    with pytest.raises(ValueError, match=message):
        Specialist(linear(3), special, CLASSES, prior, share)


def test_an_unknown_correction_is_refused() -> None:
    """Prevents a misspelt correction that counts as none."""
    refused = (ValueError, TypeCheckError)  # the latter where the type hook is on
    with pytest.raises(refused, match=r"'bayse'(; it is 'bayes', 'literal' or 'none')?"):
        prior_correction(0.1, 0.5, "bayse")  # type: ignore[arg-type]
