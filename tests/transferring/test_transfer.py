"""Copied layers are the base's to the bit, stay so where frozen, and the others are new."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from limbeck import seeding, students
from limbeck.errors import LimbeckError
from limbeck.evaluation import score
from limbeck.fingerprint import module_digest
from limbeck.fitting import Fitting
from limbeck.loop import train
from limbeck.objectives import HardLabels
from limbeck.optimization import SGD, AdamW
from limbeck.students import Student
from limbeck.together.training import Plan, train_together
from limbeck.training import Run, Training, distill
from limbeck.transfer_sets import TransferSet, digits
from limbeck.transfer_sets.with_classes import with_classes
from limbeck.transferring import layers_of, transfer

TRAINING = Training(
    epochs=2, batch_size=64, optimizer=SGD(0.05, momentum=0.9, weight_decay=0.01), clip=1.0
)


def task(*names: str) -> TransferSet:
    return with_classes(digits().train, names)


def trained(data: TransferSet, *, batch_norm: bool = False, seed: int = 0) -> Run:
    student = students.cnn(
        (1, 8, 8), [4, 8], len(data.classes), hidden=8, batch_norm=batch_norm, dropout=0.1
    )
    return distill(student, None, data, HardLabels(), TRAINING, seed=seed, device="cpu")


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_without_copied_layers_a_run_is_the_from_scratch_run_bit_for_bit() -> None:
    """The reference of every comparison: n = 0 must be the base itself."""
    data = task("0", "1", "2", "3")
    scratch = trained(data, seed=3)
    other = trained(task("5", "6"), seed=1)
    none = transfer(other, 0, classes=4)
    run = distill(none, None, data, HardLabels(), TRAINING, seed=3, device="cpu")
    assert module_digest(run.student.module) == module_digest(scratch.student.module)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("optimizer", [SGD(0.05, weight_decay=0.1), AdamW(0.01, weight_decay=0.1)])
def test_frozen_layers_are_bit_identical_after_training(
    batch_norm: bool, average: float | None, optimizer: SGD | AdamW
) -> None:
    """Weight decay, momentum, max-norm, averaging or batch statistics would change them silently.

    The validation part puts the module into evaluation mode and back after each epoch.
    """
    base = trained(task("0", "1", "2"), batch_norm=batch_norm)
    before = state_of(base.student.module)
    data = task("5", "6", "7", "8")
    training = dataclasses.replace(
        TRAINING, optimizer=optimizer, average=average, max_norm=0.01, patience=5
    )
    student = transfer(base, 3, classes=4)
    run = distill(
        student, None, data, HardLabels(), training, seed=1, validation=data, device="cpu"
    )
    after, fresh = state_of(run.student.module), state_of(student.fresh(1).module)
    for name, value in after.items():
        if name.startswith("output"):
            assert not torch.equal(value, fresh[name]), name
        elif value.is_floating_point():  # torch averages batch norm's counter too, and rounds it
            assert torch.equal(value, before[name]), name
    assert all(torch.equal(v, before[k]) for k, v in base.student.module.state_dict().items())


def test_fine_tuned_layers_start_as_copies_and_are_trained() -> None:
    """A lost copy would be training from scratch under another name."""
    base = trained(task("0", "1", "2"))
    student = transfer(base, 2, freeze=False)
    before = state_of(base.student.module)
    start = state_of(student.fresh(7).module)
    run = distill(student, None, task("4", "5", "6"), HardLabels(), TRAINING, seed=7, device="cpu")
    for name, value in state_of(run.student.module).items():
        assert torch.equal(start[name], before[name]) == name.startswith("block") or (
            "bias" in name  # new biases start at 0
        )
        assert not torch.equal(value, start[name])


def test_other_layers_are_new_for_each_seed_and_those_of_the_student_from_scratch() -> None:
    """Layers that start alike with every seed make an interval over seeds too narrow."""
    data = task("0", "1", "2")
    base = trained(data)
    student = transfer(base, 1)
    scratch = base.job.student.fresh(5).module.state_dict()
    one, other = (student.fresh(seed).module.state_dict() for seed in (5, 6))
    assert torch.equal(one["layer1.linear.weight"], scratch["layer1.linear.weight"])
    assert not torch.equal(one["layer1.linear.weight"], other["layer1.linear.weight"])
    assert torch.equal(one["block1.convolution.weight"], other["block1.convolution.weight"])


def test_with_all_layers_copied_the_accuracy_at_step_0_is_the_bases() -> None:
    """A buffer or bias that is not copied shows here first."""
    data = task("0", "1", "2", "3", "4")
    base = trained(data, batch_norm=True)
    copy = transfer(base, len(layers_of(base.student)), freeze=False).fresh(9)
    assert torch.equal(score(copy, data), score(base.student, data))


def test_a_transfer_of_a_transfer_takes_only_what_it_says() -> None:
    """The layers above the second cut must be new, not those of the first base."""
    first = trained(task("0", "1", "2"))
    second = distill(
        transfer(first, 3, freeze=False),
        None,
        task("3", "4", "5"),
        HardLabels(),
        TRAINING,
        seed=1,
        device="cpu",
    )
    third = transfer(second, 1).fresh(4).module.state_dict()
    scratch = first.job.student.fresh(4).module.state_dict()
    assert torch.equal(
        third["block1.convolution.weight"],
        second.student.module.state_dict()["block1.convolution.weight"],
    )
    assert torch.equal(third["block2.convolution.weight"], scratch["block2.convolution.weight"])


def test_training_the_base_on_does_not_change_what_was_copied() -> None:
    """A copy that shares memory with the base would move with it."""
    base = trained(task("0", "1"))
    student = transfer(base, 1)
    before = state_of(student.fresh(0).module)
    with torch.no_grad():
        base.student.module.block1.convolution.weight.zero_()
    after = student.fresh(0).module.state_dict()
    assert torch.equal(after["block1.convolution.weight"], before["block1.convolution.weight"])


def test_checkpoints_tell_frozen_from_fine_tuned() -> None:
    """Both start from the same weights; one would be read back as the other."""
    data = task("0", "1", "2")
    base = trained(data)
    jobs = [
        dataclasses.replace(base.job, student=transfer(base, 2, freeze=freeze))
        for freeze in (True, False)
    ]
    frozen, tuned = (Fitting(job, 1).identity for job in jobs)
    assert frozen != tuned
    assert frozen == Fitting(jobs[0], 1).identity


def test_a_frozen_run_goes_on_from_its_checkpoint(tmp_path, monkeypatch) -> None:
    """The optimizer's state is numbered by the parameters that are trained."""
    data = task("0", "1", "2")
    base = trained(data, batch_norm=True)
    student = transfer(base, 2)

    def run(folder: object, progress: object = None) -> Run:
        return distill(
            student, None, data, HardLabels(), TRAINING, seed=2, checkpoint=folder,
            device="cpu", progress=progress,
        )  # fmt: skip

    def kill(what: str, done: int, total: int) -> None:
        if done == total - 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("limbeck.fitting.CHECKPOINT_SECONDS", 0.0)
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", kill)
    resumed = run(tmp_path / "cut")
    assert module_digest(resumed.student.module) == module_digest(whole.student.module)


def test_frozen_layers_get_no_gradient_and_no_place_in_the_optimizer() -> None:
    """A gradient that is computed and thrown away costs most of the time."""
    data = task("0", "1", "2")
    base = trained(data)
    fitting = Fitting(dataclasses.replace(base.job, student=transfer(base, 3)), 1)
    held = {id(p) for group in fitting.optimizer.param_groups for p in group["params"]}
    for name, parameter in fitting.student.module.named_parameters():
        assert parameter.requires_grad == name.startswith("output")
        assert (id(parameter) in held) == name.startswith("output")


def test_frozen_and_fine_tuned_students_trained_together_are_those_trained_alone() -> None:
    """One stack for both would freeze or train the layers of both, without a word."""
    data = task("0", "1", "2", "3")
    student = students.mlp(64, [8, 8], 4)
    base = distill(student, None, data, HardLabels(), TRAINING, device="cpu")
    tight = dataclasses.replace(base.job, training=dataclasses.replace(TRAINING, max_norm=0.1))
    jobs = [
        dataclasses.replace(tight, student=transfer(base, 1, freeze=freeze))
        for freeze in (True, False)
    ]
    for first, second in (jobs, jobs[::-1]):
        runs = [(first, 1), (first, 2), (second, 1), (second, 2)]
        together = train_together(runs, plan=Plan(stacked=True))
        for outcome, (alone, seed) in zip(together, runs, strict=True):
            assert not isinstance(outcome, LimbeckError)
            expected = Run(*train(alone, seed), seed, alone).student.module.state_dict()
            for name, value in outcome[0].module.state_dict().items():
                torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
                if alone.student.frozen and name.startswith("layer1"):
                    assert torch.equal(value, base.student.module.state_dict()[name])


def test_layers_are_the_blocks_that_hold_weights() -> None:
    """Flattening and dropout in between must not count."""
    cnn = students.cnn((1, 8, 8), [4, 8], 3, hidden=8, dropout=0.1)
    assert layers_of(cnn) == ("block1", "block2", "layer1", "output")
    mlp = students.mlp(64, [8, 8], 3, dropout=0.1, input_dropout=0.1)
    assert layers_of(mlp) == ("layer1", "layer2", "output")


class Net(nn.Module):
    """A module whose layers run in another order than they are registered."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.head = nn.Linear(8, classes)
        self.body = nn.Linear(64, 8)

    def forward(self, inputs: Tensor) -> Tensor:
        answer: Tensor = self.head(self.body(inputs.flatten(1)).relu())
        return answer


def test_layers_of_any_module_can_be_named() -> None:
    """Pretrained models from elsewhere are the usual base."""
    with seeding.seeded(1, "net"):
        base = Student(Net())
    student = transfer(base, ["body"], into=Student(lambda: Net(5)))
    fresh = student.fresh(0)
    assert student.frozen == ("body",)
    assert torch.equal(fresh.module.body.weight, base.module.body.weight)
    assert fresh.module.head.weight.shape == (5, 8)
    assert not fresh.module.body.weight.requires_grad


def test_a_saved_base_can_be_loaded_and_transferred(tmp_path) -> None:
    """A base is often trained in another session."""
    base = trained(task("0", "1", "2"))
    base.save(tmp_path / "base")
    loaded = students.load(tmp_path / "base")
    ours, expected = transfer(loaded, 2).fresh(3), transfer(base, 2).fresh(3)
    assert module_digest(ours.module) == module_digest(expected.module)


def test_a_transferred_student_can_be_saved_and_loaded(tmp_path) -> None:
    """Its layers keep their paths, so that nothing else needs to know."""
    data = task("0", "1", "2", "3")
    student = transfer(trained(task("5", "6")), 2, classes=4)
    run = distill(student, None, data, HardLabels(), TRAINING, seed=1, device="cpu")
    run.save(tmp_path / "student")
    assert torch.equal(score(students.load(tmp_path / "student"), data), score(run.student, data))


def test_an_order_that_is_not_known_is_not_guessed() -> None:
    """The first registered layer need not be the first that runs."""
    with pytest.raises(LimbeckError, match="is a Net, which does not say in which order"):
        transfer(Student(Net), 1)


def test_an_unknown_layer_names_the_closest() -> None:
    """A typo must not give a student without copies."""
    with pytest.raises(LimbeckError, match="the base has no layer 'bodi'. Closest: 'body'"):
        transfer(Student(Net), ["bodi"])


def test_a_layer_without_weights_is_refused() -> None:
    """Nothing would be copied, without a word."""
    with pytest.raises(LimbeckError, match="'flatten' holds no weights"):
        transfer(students.mlp(4, [3], 2), ["flatten"])


@pytest.mark.parametrize("layers", [-1, 4])
def test_more_layers_than_there_are_cannot_be_copied(layers: int) -> None:
    """A negative number would count from the end."""
    with pytest.raises(LimbeckError, match=f"layers is {layers}, and the base has 3: layer1"):
        transfer(students.mlp(4, [3, 3], 2), layers)


def test_freezing_every_layer_is_refused() -> None:
    """The first backward pass would fail with torch's own words."""
    with pytest.raises(LimbeckError, match="nothing to train. Freeze fewer layers"):
        transfer(students.mlp(4, [3], 2), 2)


def test_a_layer_of_another_shape_is_refused() -> None:
    """An output layer for other classes cannot be copied."""
    with pytest.raises(LimbeckError, match=r"'output' has 'weight' of shape \(2, 3\) in the base"):
        transfer(students.mlp(4, [3], 2), 2, classes=5, freeze=False)


def test_a_layer_with_other_contents_is_refused() -> None:
    """A block with batch normalisation has other weights than one without."""
    base, into = (students.cnn((1, 8, 8), [4], 3, batch_norm=norm) for norm in (True, False))
    with pytest.raises(LimbeckError, match=r"'block1' holds convolution.weight, norm.weight"):
        transfer(base, 1, into=into)


def test_new_layers_that_limbeck_cannot_build_are_asked_for() -> None:
    """Copies of the base's upper layers in their place would not be new."""
    with pytest.raises(LimbeckError, match="is a Net that limbeck cannot build new layers for"):
        transfer(Student(Net()), ["body"])
    with pytest.raises(LimbeckError, match="is a Net that limbeck cannot give it 5 classes for"):
        transfer(Student(Net), ["body"], classes=5)


def test_a_student_to_copy_into_must_be_built_for_each_seed() -> None:
    """A given module's upper layers are the same with every seed."""
    with pytest.raises(LimbeckError, match="was made from a module, so that its other layers"):
        transfer(Student(Net), ["body"], into=Student(Net()))


def test_classes_are_said_once() -> None:
    """Two numbers of classes may differ."""
    with pytest.raises(LimbeckError, match="classes=5 and into= are both given"):
        transfer(Student(Net), ["body"], classes=5, into=Student(Net))
