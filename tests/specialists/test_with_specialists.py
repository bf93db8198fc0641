"""WithSpecialists: the right ones are asked, and what comes out can be distilled."""

from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError

import limbeck as lb
from limbeck.errors import TeacherError
from limbeck.evaluation import score
from limbeck.specialists import (
    Opinion,
    Specialist,
    WithSpecialists,
    combined,
    train_specialist,
)
from limbeck.transfer_sets import Arrays

TRAINING = lb.Training(epochs=6, batch_size=30, optimizer=lb.AdamW(1e-2))


@pytest.fixture(scope="module")
def specialists(generalist: lb.Student, train: Arrays) -> list[Specialist]:
    pairs = [(0, 1), (4, 5), (5, 6)]
    return [train_specialist(generalist, train, pair, TRAINING) for pair in pairs]


@pytest.fixture(scope="module")
def teacher(generalist: lb.Student) -> lb.TorchModule:
    return lb.TorchModule.from_student(generalist, name="generalist")


def test_each_image_asks_the_specialists_of_its_most_probable_class(
    teacher: lb.TorchModule, specialists: list[Specialist], held_out: Arrays
) -> None:
    """Prevents specialists that are asked about everything, or about nothing."""
    batch = held_out.batch(torch.arange(60))
    found = WithSpecialists(teacher, specialists).outputs(batch).logits.softmax(dim=1)
    general = teacher.outputs(batch).logits.double().softmax(dim=1)
    for row in range(60):
        one = batch.part(torch.tensor([row]))
        likely = int(general[row].argmax())
        opinions = [
            Opinion(torch.tensor([0]), each.special, each.log_probs(one).exp())
            for each in specialists
            if likely in each.special
        ]
        expected = combined(general[row : row + 1], opinions) if opinions else general[[row]]
        torch.testing.assert_close(found[[row]], expected.float(), atol=1e-5, rtol=1e-4)


def test_more_probable_classes_ask_more_specialists(
    teacher: lb.TorchModule, specialists: list[Specialist], held_out: Arrays
) -> None:
    """Prevents a setting that changes nothing."""
    batch = held_out.batch(torch.arange(100))
    one = WithSpecialists(teacher, specialists).outputs(batch).logits
    three = WithSpecialists(teacher, specialists, most_probable=3).outputs(batch).logits
    general = teacher.outputs(batch).logits.log_softmax(dim=1)
    changed = [int(((each - general).abs().amax(dim=1) > 1e-4).sum()) for each in (one, three)]
    assert changed[0] < changed[1] <= 100


def test_specialists_tell_apart_what_the_generalist_cannot(held_out: Arrays) -> None:
    """Prevents a whole that is no better than its generalist, whatever the specialists say."""
    blind, knowing = lb.TorchModule(Blind()), lb.TorchModule(Knowing())
    whole = WithSpecialists(blind, [Specialist(knowing, (4, 5), tuple("abcdefgh"), prior=0.25)])
    asked = torch.isin(held_out.labels, torch.tensor([4, 5]))
    right = [
        float((score(model, held_out).argmax(1) == held_out.labels)[asked].double().mean())
        for model in (blind, whole)
    ]
    assert right[0] == pytest.approx(0.5, abs=0.02)
    assert right[1] > 0.7


class Blind(torch.nn.Module):
    """Knows the pairs and nothing within them."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return 4 * inputs[:, :4].repeat_interleave(2, dim=1)


class Knowing(torch.nn.Module):
    """Scores class 4, class 5 and all others by where their centres are."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        near = -((inputs[:, 4:5] - torch.tensor([0.0, 0.8])) ** 2) / (2 * 0.6**2)
        mine = inputs[:, 2:3] - 2.0
        return torch.cat([near + 4 * mine, -4 * mine], dim=1)


def test_the_whole_is_annotated_and_distilled_like_any_teacher(
    teacher: lb.TorchModule, specialists: list[Specialist], train: Arrays, tmp_path: Path
) -> None:
    """Prevents an answer that a store or an objective refuses."""
    whole = WithSpecialists(teacher, specialists)
    store = lb.annotate(whole, train, tmp_path / "store", dtype="float32")
    said = store.read(torch.arange(20)).log_probs(1.0)
    expected = whole.outputs(train.batch(torch.arange(20))).logits.log_softmax(dim=1)
    torch.testing.assert_close(said, expected, atol=1e-4, rtol=1e-4)
    run = lb.distill(lb.students.mlp(6, [4], 8), store, train, lb.SoftTargets(2.0), epochs=1)
    assert run.history.loss


def test_a_generalist_in_another_order_is_brought_into_the_specialists(
    teacher: lb.TorchModule, specialists: list[Specialist], held_out: Arrays
) -> None:
    """Prevents the most probable class from calling in specialists for another."""
    module = torch.nn.Sequential(teacher.module, Reversed())
    turned = lb.TorchModule(module, classes=list("hgfedcba"))
    batch = held_out.batch(torch.arange(40))
    expected = WithSpecialists(teacher, specialists).outputs(batch).logits
    torch.testing.assert_close(WithSpecialists(turned, specialists).outputs(batch).logits, expected)


class Reversed(torch.nn.Module):
    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.flip(1)


def test_specialists_with_all_classes_take_part(
    generalist: lb.Student,
    teacher: lb.TorchModule,
    train: Arrays,
    held_out: Arrays,
    store: lb.KnowledgeStore,
) -> None:
    """Prevents a dustbin being read from a specialist that has none."""
    full = train_specialist(generalist, train, [4, 5], TRAINING, knowledge=store)
    batch = held_out.batch(torch.arange(40))
    found = WithSpecialists(teacher, [full]).outputs(batch).logits.softmax(dim=1)
    general = teacher.outputs(batch).logits.softmax(dim=1)
    own = full.log_probs(batch).exp().float()
    asked = torch.isin(general.argmax(dim=1), torch.tensor([4, 5])).unsqueeze(1)
    torch.testing.assert_close(found, torch.where(asked, (general + own) / 2, general))


def test_the_fingerprint_changes_with_specialists_and_settings(
    teacher: lb.TorchModule, specialists: list[Specialist]
) -> None:
    """Prevents a finished store of fewer specialists from being reused."""
    kinds = [
        WithSpecialists(teacher, specialists),
        WithSpecialists(teacher, specialists[:2]),
        WithSpecialists(teacher, specialists, most_probable=2),
        WithSpecialists(teacher, specialists, correction="literal"),
    ]
    assert len({each.fingerprint for each in kinds}) == 4


def test_settings_that_do_not_fit_are_refused(
    teacher: lb.TorchModule, specialists: list[Specialist]
) -> None:
    """Prevents a generalist under another name, and a misspelt correction that counts as none."""
    with pytest.raises(ValueError, match="there are no specialists"):
        WithSpecialists(teacher, [])
    with pytest.raises(ValueError, match="most_probable is 0; it must be from 1 to 8"):
        WithSpecialists(teacher, specialists, most_probable=0)
    refused = (ValueError, TypeCheckError)  # the latter where the type hook is on
    with pytest.raises(refused, match="'bayse'"):
        WithSpecialists(teacher, specialists, correction="bayse")  # type: ignore[arg-type]


def test_specialists_of_different_classes_are_refused(
    teacher: lb.TorchModule, specialists: list[Specialist]
) -> None:
    """Prevents class numbers of one data set from being read as those of another."""
    other = Specialist(teacher, (0, 1), tuple("hgfedcba"), prior=0.25)
    with pytest.raises(TeacherError, match="the specialists know different classes"):
        WithSpecialists(teacher, [specialists[0], other])


def test_a_generalist_of_fewer_classes_is_refused(
    specialists: list[Specialist], held_out: Arrays
) -> None:
    """Prevents an index error from within the solver."""
    small = lb.TorchModule(torch.nn.Linear(6, 5), name="small")
    with pytest.raises(TeacherError, match=r"generalist 'small' scored \(4, 5\) and \(4, 8\)"):
        WithSpecialists(small, specialists).outputs(held_out.batch(torch.arange(4)))
