"""OtherClasses: what the generalist knows of the others, and nothing of the special ones."""

import math

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.specialists import OtherClasses
from limbeck.types import Knowledge, Outputs, TopK

GENERATOR = torch.Generator().manual_seed(0)
TEACHER = 3 * torch.randn(2, 5, 6, generator=GENERATOR, dtype=torch.float64)
STUDENT = 3 * torch.randn(5, 6, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.zeros(5, dtype=torch.int64)
SPECIAL, OTHERS = (1, 4), (0, 2, 3, 5)


def softened(logits: list[float], temperature: float) -> list[float]:
    exponentials = [math.exp(logits[i] / temperature) for i in OTHERS]
    return [each / sum(exponentials) for each in exponentials]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("members", [1, 2])
def test_the_loss_is_the_divergence_among_the_others(temperature: float, members: int) -> None:
    """Prevents special classes in the sum, and members that are averaged as logits."""
    knowledge = Knowledge(TEACHER[:members], combine="arithmetic")
    loss = OtherClasses(SPECIAL, temperature)(Outputs(STUDENT), knowledge, LABELS)
    total = 0.0
    for row in range(5):
        each = [softened(TEACHER[m, row].tolist(), temperature) for m in range(members)]
        p = [sum(column) / members for column in zip(*each, strict=True)]
        q = softened(STUDENT[row].tolist(), temperature)
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert float(loss) == pytest.approx(temperature**2 * total / 5)


def test_special_logits_get_no_gradient_and_a_perfect_student_none_at_all() -> None:
    """Prevents a pull on the classes that hard labels are for."""
    student = STUDENT.clone().requires_grad_()
    OtherClasses(SPECIAL)(Outputs(student), Knowledge(TEACHER[:1]), LABELS).backward()
    assert student.grad is not None
    assert student.grad[:, list(SPECIAL)].abs().max() == 0
    assert student.grad[:, list(OTHERS)].abs().min() > 0
    perfect = (TEACHER[0] + torch.tensor([0.0, 5, 0, 0, -3, 0])).requires_grad_()
    loss = OtherClasses(SPECIAL)(Outputs(perfect), Knowledge(TEACHER[:1]), LABELS)
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert perfect.grad is not None
    assert perfect.grad.abs().max() < 1e-12


def test_a_store_of_the_largest_logits_is_refused() -> None:
    """Prevents classes without a logit from counting as impossible."""
    top = TopK(torch.zeros(1, 5, 2), torch.zeros(5, 2).long(), {4.0: torch.zeros(1, 5)}, 6)
    with pytest.raises(LimbeckError, match="reads the logits of all classes"):
        OtherClasses(SPECIAL)(Outputs(STUDENT), Knowledge(top), LABELS)


def test_a_single_other_class_is_refused() -> None:
    """Prevents a term that is 0 whatever the student does."""
    with pytest.raises(LimbeckError, match="all but 1 of 6 classes are special"):
        OtherClasses(range(5))(Outputs(STUDENT), Knowledge(TEACHER[:1]), LABELS)


@pytest.mark.parametrize("special", [[-1, 2], [2, 2]])
def test_class_numbers_are_checked(special: list[int]) -> None:
    """Prevents the last class from being special under the number -1."""
    with pytest.raises(ValueError, match="give class numbers from 0, each once"):
        OtherClasses(special)
