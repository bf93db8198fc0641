"""Pruning: against torch's own, through interruptions and averages, and in a recipe."""

import copy
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as reference

import limbeck as lb
from limbeck import fitting
from limbeck.errors import LimbeckError, RecipeError
from limbeck.evaluation import score
from limbeck.experiment import Experiment
from limbeck.job import Job, Progress
from limbeck.pruning import compacted, gone_units, pruned_at_once, share_gone, smallest
from limbeck.recipe import Recipe
from limbeck.students import Student, cnn, load, mlp, pruned, save
from limbeck.students.pruned import Prunable, prunable
from limbeck.teaching import build_student
from limbeck.together import reason_against
from limbeck.training import Run, Training, distill
from limbeck.transfer_sets import TransferSet, digits

TRAINING = Training(epochs=3, batch_size=64)


@pytest.fixture(scope="module")
def data() -> TransferSet:
    return digits(labelled=300).train.labelled()


def own_net() -> nn.Module:
    """A net that limbeck cannot build, so that zeros stay: a convolution, its norm, two layers."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 64, 12),
        nn.ReLU(),
        nn.Linear(12, 10),
    )


def trained(student: Student, data: TransferSet, training: Training = TRAINING, **more) -> Run:
    return distill(student, None, data, lb.HardLabels(), training, **more)


@pytest.mark.parametrize(("step", "share"), [(0, 0.05), (40, 0.6625), (80, 0.75), (95, 0.75)])
def test_the_share_grows_along_the_published_cubic(step: int, share: float) -> None:
    """A schedule that ends early, never ends, or begins at zero; 0.75 - 0.7 / 8 half way."""
    assert share_gone(step, 80, 0.75) == pytest.approx(share)
    assert share_gone(0, 0, 0.75) == 0.75
    assert share_gone(0, 80, 0.02) == pytest.approx(0.02)


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("layer", [nn.Linear(20, 12), nn.Conv2d(3, 12, 3)])
def test_what_goes_is_what_torch_would_prune(layer: nn.Module, structured: bool) -> None:
    """The largest in the place of the smallest, another norm, or inputs for units."""
    other = copy.deepcopy(layer)
    if structured:
        reference.ln_structured(other, "weight", amount=0.4, n=1, dim=0)
    else:
        reference.l1_unstructured(other, "weight", amount=0.4)
    expected = other.weight_mask == 0
    found = smallest(Prunable(layer, None), 0.4, structured=structured)
    assert torch.equal(found, expected.flatten(1).all(dim=1) if structured else expected)


def test_units_are_gone_with_all_they_have_and_the_last_layer_stays(data) -> None:
    """A bias that still speaks for a unit, or classes that cannot be answered any more."""
    student = trained(lb.prune(Student(own_net()), 0.75), data).student
    convolution, norm, _, _, linear, _, last = student.module
    assert [int(gone_units(layer.weight).sum()) for layer in (convolution, linear, last)] == [
        6,
        9,
        0,
    ]
    for layer, others in ((convolution, (convolution, norm)), (linear, (linear,))):
        gone = gone_units(layer.weight)
        assert all(bool((other.bias[gone] == 0).all()) for other in others)
    assert bool((norm.weight[gone_units(convolution.weight)] == 0).all())
    assert student.pruning is not None


def test_single_weights_go_in_every_layer_but_the_last(data) -> None:
    """A share over all layers together, which empties the largest."""
    student = trained(lb.prune(mlp(64, [20, 10], 10), 0.9, structured=False), data).student
    shares = [float((p == 0).double().mean()) for p in student.module.parameters() if p.ndim > 1]
    assert shares == pytest.approx([0.9, 0.9, 0.0])
    assert student.architecture["mlp"]["hidden"] == [20, 10]


@pytest.mark.parametrize("structured", [True, False])
def test_pruned_at_once_it_has_the_largest_of_its_trained_weights(data, structured) -> None:
    """A probe of a pruned student that is whole, or that begins anew."""
    whole = trained(mlp(64, [20, 12], 10), data).student
    small = pruned_at_once(lb.prune(whole, 0.75, structured=structured))
    assert small.pruning is None
    masked = copy.deepcopy(whole.module)
    for layer in [each for each in masked.modules() if isinstance(each, nn.Linear)][:-1]:
        if structured:
            reference.ln_structured(layer, "weight", amount=0.75, n=1, dim=0)
            layer.bias.data[layer.weight_mask[:, 0] == 0] = 0.0
        else:
            reference.l1_unstructured(layer, "weight", amount=0.75)
    inputs = torch.randn(5, 64)
    torch.testing.assert_close(small.module(inputs), masked(inputs))
    assert small.build is None
    assert pruned_at_once(whole) is whole


def test_what_is_gone_never_comes_back(data, monkeypatch) -> None:
    """Momentum that revives a unit, so that the share is right and the units change."""
    history = []
    original = fitting.Masks.update

    def noted(masks, step):
        original(masks, step)
        history.append([gone_units(each.layer.weight) for each in prunable(masks.module)])

    monkeypatch.setattr(fitting.Masks, "update", noted)
    trained(lb.prune(mlp(64, [40, 20], 10), 0.6), data)
    assert [int(gone.sum()) for gone in history[0]] == [2, 1]
    assert [int(gone.sum()) for gone in history[-1]] == [24, 12]
    for before, after in itertools.pairwise(history):
        assert all(bool((a >= b).all()) for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("student", "widths"),
    [
        (mlp(64, [20, 12], 10, dropout=0.2), {"hidden": [5, 3]}),
        (cnn((1, 8, 8), [8, 12], 10, hidden=16), {"channels": [2, 3], "hidden": 4}),
        (cnn((1, 8, 8), [8], 10, hidden=0, batch_norm=False), {"channels": [2], "hidden": 0}),
    ],
    ids=["mlp", "cnn", "plain cnn"],
)
def test_the_smaller_net_has_the_answers_of_the_one_with_zeros(
    student: Student, widths, data, tmp_path, monkeypatch
) -> None:
    """Inputs of the next layer that belong to other units, or statistics of other channels."""
    start = lb.prune(trained(student, data).student, 0.75)
    small = trained(start, data).student
    monkeypatch.setattr(fitting, "compacted", lambda student: student)
    masked = trained(start, data).student
    name = next(iter(student.architecture))
    assert {k: small.architecture[name][k] for k in widths} == widths
    assert small.pruning is None
    assert small.parameters_count() < masked.parameters_count() / 3
    assert not small.module.training
    torch.testing.assert_close(score(small, data), score(masked, data), rtol=0, atol=1e-5)
    again = load(save(small, tmp_path / "small"))
    assert torch.equal(score(again, data), score(small, data))


def stopping(after: int) -> Progress:
    def progress(what: str, done: int, total: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("structured", [True, False])
def test_an_interrupted_pruning_goes_on_to_the_same_bits(
    structured: bool, data, tmp_path, monkeypatch
) -> None:
    """What was gone before the interruption comes back after it, also in the average."""
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    start = lb.prune(mlp(64, [20, 10], 10), 0.8, structured=structured)
    training = replace(TRAINING, average=0.9)
    with pytest.raises(KeyboardInterrupt):
        trained(start, data, training, checkpoint=tmp_path, progress=stopping(8))
    resumed = trained(start, data, training, checkpoint=tmp_path)
    whole = trained(start, data, training)
    again = trained(start, data, training, checkpoint=tmp_path)
    for other in (whole, again):
        pairs = zip(
            resumed.student.module.parameters(), other.student.module.parameters(), strict=True
        )
        assert all(torch.equal(a, b) for a, b in pairs)
    if not structured:
        first = resumed.student.module[1].linear.weight
        assert float((first == 0).double().mean()) == pytest.approx(0.8)


def test_another_sparsity_is_another_run(data) -> None:
    """A finished checkpoint of another sparsity that is read back as this one's."""
    net = mlp(64, [20], 10)
    whole = trained(net, data).job
    students = [replace(whole, student=lb.prune(net, share)) for share in (0.5, 0.75)]
    students.append(replace(whole, student=lb.prune(net, 0.5, structured=False)))
    assert len({fitting.Fitting(job, 0).identity for job in students}) == 3


def test_a_pruned_student_is_not_stacked(data) -> None:
    """One mask for all students of a stack."""
    run = trained(mlp(64, [20], 10), data)
    assert reason_against(run.job) == ""
    job: Job = replace(run.job, student=lb.prune(run.student, 0.5))
    assert reason_against(job) == "what is pruned hangs on the weights of each student"
    seeds = replace(run, job=job).repeats([0, 1])
    assert [each.student.architecture["mlp"]["hidden"] for each in seeds] == [[10], [10]]


def test_early_stopping_and_pruning_are_refused_together(data) -> None:
    """A best epoch from before the pruning: a student that is whole."""
    training = replace(TRAINING, patience=3)
    with pytest.raises(LimbeckError, match="patience is 3 and the student is pruned until 75%"):
        trained(lb.prune(mlp(64, [20], 10), 0.5), data, training, validation=data)


def test_a_saved_pruned_student_keeps_its_zeros_when_it_is_trained_further(data, tmp_path) -> None:
    """Zeros that a second training fills."""
    first = trained(lb.prune(Student(own_net()), 0.75), data).student
    again = load(save(first, tmp_path / "pruned"), module=own_net())
    assert again.pruning == first.pruning
    second = trained(again, data, Training(epochs=1)).student
    pairs = zip(prunable(first.module), prunable(second.module), strict=True)
    assert all(
        torch.equal(gone_units(a.layer.weight), gone_units(b.layer.weight)) for a, b in pairs
    )
    assert compacted(second) is second


def test_pruning_begins_with_the_trained_weights_whatever_the_seed(data) -> None:
    """A student built anew from a seed, or a teacher that is pruned too."""
    net = trained(mlp(64, [20], 10), data).student
    before = copy.deepcopy(net.module.state_dict())
    start = lb.prune(net, 0.5)
    for seed in (0, 1):
        state = start.fresh(seed).module.state_dict()
        assert all(torch.equal(state[name], value) for name, value in before.items())
    trained(start, data)
    assert all(torch.equal(net.module.state_dict()[k], v) for k, v in before.items())


@pytest.mark.parametrize("sparsity", [0.0, 1.0, -0.5, math.nan, True])
def test_a_sparsity_out_of_range_is_refused(sparsity: float) -> None:
    """A net of nothing, or one that stays whole without a word."""
    with pytest.raises(LimbeckError, match="it is a share between 0 and 1, such as 0.75"):
        lb.prune(mlp(64, [20], 10), sparsity)


def test_a_student_without_a_layer_to_prune_is_refused() -> None:
    """Logistic regression that is called pruned."""
    with pytest.raises(LimbeckError, match="the student has no layer to prune"):
        lb.prune(mlp(64, [], 10), 0.5)
    frozen = Student(mlp(64, [20], 10).module, frozen=("layer1",))
    with pytest.raises(LimbeckError, match="the student has no layer to prune"):
        lb.prune(frozen, 0.5)


RECIPE = """
data: {digits: {labelled: 300}}
teacher:
  train:
    student: {mlp: {hidden: [24]}}
    training: {epochs: 8, batch_size: 16}
student: {pruned: {sparsity: 0.75}}
objective: {soft_targets: {temperature: 4.0}}
training: {epochs: 4, batch_size: 16}
seeds: 2
"""


def test_in_a_recipe_the_student_begins_as_the_teacher(tmp_path: Path) -> None:
    """A student built anew, a check that wants files from the future, or a twin that is whole."""
    recipe = Recipe.parse(RECIPE).override([f"output={tmp_path / 'run'}"]).check()
    steps = Experiment(recipe)
    comparison = steps.comparison()
    assert steps.run().student.architecture["mlp"]["hidden"] == [6]
    assert comparison.distilled[0].parameters == comparison.scratch[0].parameters == 64 * 6 + 76
    start, teacher = build_student(recipe.student, steps.transfer_set()), steps.teacher()
    pairs = zip(start.module.parameters(), teacher.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    said: list[str] = []
    again = Experiment(recipe, say=said.append)
    assert again.comparison() == comparison
    assert any(line.startswith("comparison: reused") for line in said)
    other = Experiment(recipe.override(["teacher.train.training.epochs=4"]))
    assert other.provenance.job(None) != steps.provenance.job(None)


def test_a_recipe_whose_teacher_is_no_network_has_nothing_to_begin_as() -> None:
    """A missing argument that the reader never heard of."""
    text = RECIPE.replace(
        "train:\n    student: {mlp: {hidden: [24]}}\n    training: {epochs: 8, batch_size: 16}",
        "estimator: {random_forest_classifier: {}}",
    )
    with pytest.raises(RecipeError, match="begins as a trained network and the recipe's teacher"):
        Recipe.parse(text)


def test_a_named_network_is_taken_instead_of_the_teacher(data, tmp_path: Path) -> None:
    """A stated folder that is ignored, or looked for too late."""
    folder = save(trained(mlp(64, [16], 10), data).student, tmp_path / "net")
    text = RECIPE.replace("sparsity: 0.75", f"sparsity: 0.5, trained: {folder}")
    recipe = Recipe.parse(text).check()
    assert not recipe.begins_as_teacher
    assert pruned(folder, 0.5).architecture["mlp"]["hidden"] == [16]
    with pytest.raises(LimbeckError, match="where it is the recipe's teacher, train it first"):
        pruned(tmp_path / "later", 0.5)
    missing = Recipe.parse(RECIPE.replace("0.75", "0.75, trained: nowhere"))
    with pytest.raises(RecipeError, match="there is nothing at 'nowhere'"):
        missing.check()
