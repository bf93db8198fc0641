"""Training specialists: they start as the generalist, and know their classes better in the end."""

import numpy as np
import pytest
import torch
from torch import nn

import limbeck as lb
from limbeck.errors import LimbeckError, StoreMismatch
from limbeck.specialists import conditional_accuracy, specialised, train_specialist
from limbeck.transfer_sets import Arrays

TRAINING = lb.Training(epochs=6, batch_size=30, optimizer=lb.AdamW(1e-2))


def test_a_specialist_starts_with_the_generalists_rows(generalist: lb.Student) -> None:
    """Prevents an output layer that starts from chance, or rows of other classes."""
    student = specialised(generalist, [6, 2], 8)
    inputs = torch.randn(10, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole, own = generalist.module(inputs).numpy(), student.module(inputs).numpy()
    others = [0, 1, 3, 4, 5, 7]
    np.testing.assert_allclose(own[:, :2], whole[:, [2, 6]], rtol=1e-5)
    lowest = whole[:, others].mean(axis=1) + np.log(6)
    np.testing.assert_allclose(own[:, 2], lowest, rtol=1e-4, atol=1e-5)
    assert (lowest <= np.log(np.exp(whole[:, others]).sum(axis=1)) + 1e-5).all()


def test_the_generalist_stays_as_it_is(generalist: lb.Student, train: Arrays) -> None:
    """Prevents specialists that train the layers they were copied from."""
    before = {name: value.clone() for name, value in generalist.module.state_dict().items()}
    train_specialist(generalist, train, [0, 1], TRAINING)
    after = generalist.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_dustbin_specialist_tells_its_classes_and_the_rest_apart(
    generalist: lb.Student, train: Arrays, held_out: Arrays
) -> None:
    """Prevents a specialist that is no better than chance, or calls everything its own."""
    specialist = train_specialist(generalist, train, [4, 5], TRAINING, name="pair")
    assert specialist.teacher.name == "pair"
    assert specialist.own_classes == ("e", "f", "dustbin")
    assert (specialist.prior, specialist.share) == (0.25, 0.5)
    said = specialist.log_probs(held_out.batch(torch.arange(800)))
    own = torch.tensor([2, 2, 2, 2, 0, 1, 2, 2])[held_out.labels]
    assert float((said.argmax(dim=1) == own).double().mean()) > 0.85


def test_with_knowledge_it_keeps_what_the_generalist_knows_of_the_others(
    generalist: lb.Student, train: Arrays, held_out: Arrays, store: lb.KnowledgeStore
) -> None:
    """Prevents a specialist with all classes that forgets those it rarely meets."""
    specialist = train_specialist(generalist, train, [4, 5], TRAINING, knowledge=store)
    assert specialist.all_classes
    assert specialist.own_classes == train.classes
    said = specialist.log_probs(held_out.batch(torch.arange(800)))
    general = lb.TorchModule.from_student(generalist).outputs(held_out.batch(torch.arange(800)))
    others = [0, 1, 2, 3, 6, 7]
    kept = conditional_accuracy(said, held_out.labels, others)
    assert kept > conditional_accuracy(general.logits, held_out.labels, others) - 0.03


def test_knowledge_about_other_examples_is_refused(
    generalist: lb.Student, held_out: Arrays, store: lb.KnowledgeStore
) -> None:
    """Prevents soft targets of another example."""
    with pytest.raises(StoreMismatch):
        train_specialist(generalist, held_out, [4, 5], TRAINING, knowledge=store)


def test_a_layer_that_is_no_output_layer_is_refused(generalist: lb.Student) -> None:
    """Prevents rows of a hidden layer from being taken for those of classes."""
    with pytest.raises(LimbeckError, match="a linear layer with 8 units. Name it"):
        specialised(generalist, [0, 1], 8, output="layer1")
    with pytest.raises(LimbeckError, match="the generalist has no layer 'outputs'"):
        specialised(generalist, [0, 1], 8, output="outputs")


def test_an_output_layer_deep_in_the_module_and_without_a_bias_is_replaced() -> None:
    """Prevents specialists from working with limbeck's own networks only."""
    module = nn.Sequential(nn.Flatten(), nn.Sequential(nn.ReLU(), nn.Linear(3, 5, bias=False)))
    student = specialised(lb.Student(module), [1], 5, output="1.1")
    assert student.module(torch.rand(2, 3)).shape == (2, 2)
