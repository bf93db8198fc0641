import pytest
import torch
from torch import Tensor, nn

import limbeck as lb
from limbeck.errors import LimbeckError
from limbeck.students.shifted import Shifted, output_layer, shifted
from limbeck.types import Batch

SHIFT = torch.tensor([0.0, 1.5, -2.0], dtype=torch.float64)
NAMES = ("a", "b", "c")


class Scaled(nn.Module):
    """Its last layer is no output layer: its answer is scaled afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return 10.0 * self.body(inputs)


@pytest.mark.parametrize(
    "module", [Scaled(), nn.Sequential(nn.Linear(4, 3, bias=False)), nn.Sequential(nn.Linear(4, 3))]
)
def test_every_module_is_shifted_by_exactly_the_amounts(module):
    """Prevents an amount that a later layer scales, or that has no bias to go to."""
    inputs = torch.linspace(-1, 1, 8).reshape(2, 4)
    student = lb.Student(module)
    found = shifted(student, SHIFT, NAMES)
    torch.testing.assert_close(found.module(inputs), module(inputs) + SHIFT.float())
    assert found.classes == NAMES
    assert not found.module.training


def test_hidden_layers_are_found_within_the_wrapper():
    """Prevents a corrected student whose hidden layers have other paths than it says."""
    student = lb.Student(Scaled(), hidden=("body",))
    found = shifted(student, SHIFT, NAMES)
    batch = Batch(torch.arange(2), torch.ones(2, 4), torch.zeros(2, dtype=torch.int64))
    assert isinstance(found.module, Shifted)
    assert set(found.outputs(batch).hidden) == {"model.body"}


def test_shipped_architectures_keep_their_form():
    """Prevents a corrected student that limbeck cannot build again."""
    for student in (lb.students.mlp(4, [5], 3), lb.students.cnn((1, 8, 8), [2], 3)):
        found = shifted(student, SHIFT, NAMES)
        assert found.architecture == student.architecture
        torch.testing.assert_close(found.module.output.bias, SHIFT.float())
        torch.testing.assert_close(student.module.output.bias, torch.zeros(3))


def test_a_sequence_that_does_more_is_not_taken_for_a_plain_one():
    """Prevents a bias in a layer after which a subclass goes on."""

    class Doubled(nn.Sequential):
        def forward(self, inputs: Tensor) -> Tensor:
            return 2 * super().forward(inputs)

    assert output_layer(Doubled(nn.Linear(4, 3))) is None


def test_another_number_of_classes_is_refused():
    """Prevents a shift of classes that the student does not have."""
    student = lb.Student(nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(LimbeckError, match="output layer has 2 classes and 3 are named"):
        shifted(student, SHIFT, NAMES)
