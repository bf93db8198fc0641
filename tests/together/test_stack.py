"""A stacked model gives every student the numbers of a training of its own."""

import time
from dataclasses import replace

import pytest
import torch
from torch import nn

import limbeck as lb
from limbeck import fitting
from limbeck.errors import LimbeckError
from limbeck.job import Job
from limbeck.loop import train
from limbeck.store import KnowledgeSubset
from limbeck.students import Student
from limbeck.together import Plan, reason_against, train_together
from limbeck.together.model import StackedModel
from limbeck.training import job_of
from limbeck.transfer_sets import Arrays

CLASSES = ("a", "b", "c", "d")
STACKED = Plan(stacked=True)


def examples(count: int = 120, unlabelled: int = 0) -> Arrays:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 6, generator=generator)
    labels = (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long()
    labels[:unlabelled] = -1
    return Arrays(inputs, labels, classes=CLASSES, name="corners")


@pytest.fixture(scope="module")
def ensemble() -> lb.Ensemble:
    nets = [lb.students.mlp(6, [12], 4).fresh(seed).module for seed in range(3)]
    return lb.Ensemble([lb.TorchModule(n, name=f"net{i}") for i, n in enumerate(nets)])


@pytest.fixture(scope="module")
def store(ensemble, tmp_path_factory) -> lb.KnowledgeStore:
    return lb.annotate(ensemble, examples(), tmp_path_factory.mktemp("s") / "s", dtype="float32")


def job(
    store: lb.KnowledgeStore | None,
    temperature: float = 2.0,
    weight: float = 0.7,
    *,
    learning_rate: float = 0.01,
    data: Arrays | None = None,
    student: Student | None = None,
    **training: object,
) -> Job:
    optimizer = training.pop("optimizer", lb.AdamW(learning_rate=learning_rate, weight_decay=0.01))
    return job_of(
        student or lb.students.mlp(6, [8, 8], 4),
        store,
        examples() if data is None else data,
        weight * lb.SoftTargets(temperature=temperature) + (1 - weight) * lb.HardLabels(),
        lb.Training(**{"epochs": 10, "batch_size": 24, "optimizer": optimizer, **training}),  # type: ignore[arg-type]
    )


def largest_difference(one: Student, other: Student) -> float:
    inputs = examples().batch(torch.arange(120)).inputs
    with torch.no_grad():
        return float((one.module(inputs) - other.module(inputs)).abs().max())


VARIANTS = {
    "adamw": {},
    "sgd": {"optimizer": lb.SGD(learning_rate=0.05)},
    "clipped": {"clip": 0.1},
    "averaged": {"average": 0.9},
    "limited": {"max_norm": 1.0},
    "one cycle": {"schedule": lb.OneCycle()},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_fifty_updates_give_the_logits_of_separate_trainings(store, settings) -> None:
    """A student that is given its neighbour's temperature, order, gradient or norm."""
    data = examples()
    runs = [
        (replace(job(store, t, w, data=data, **settings)), seed)
        for t in (1.0, 5.0)
        for w in (0.3, 0.9)
        for seed in (0, 1, 2)
    ]
    for (one_job, seed), outcome in zip(runs, train_together(runs, plan=STACKED), strict=True):
        assert not isinstance(outcome, LimbeckError)
        alone, history = train(one_job, seed)
        assert history.steps[-1] == 50
        assert largest_difference(outcome[0], alone) < 1e-5
        assert outcome[1].loss == pytest.approx(history.loss, abs=1e-5)


def test_learning_rates_differ_within_a_stack(store) -> None:
    """All students trained at the rate of the first."""
    data = examples()
    runs = [
        (job(store, learning_rate=rate, data=data), seed)
        for rate in (0.001, 0.01, 0.03)
        for seed in (0, 1)
    ]
    for one, outcome in zip(runs, train_together(runs, plan=STACKED), strict=True):
        assert largest_difference(outcome[0], train(*one)[0]) < 1e-5  # type: ignore[index]


def test_partly_labelled_rows_count_for_each_student_alone(ensemble, tmp_path) -> None:
    """A mean over the labelled rows of all students together."""
    data = examples(unlabelled=80)
    store = lb.annotate(ensemble, data, tmp_path / "s", dtype="float32")
    runs = [(job(store, data=data), seed) for seed in range(4)]
    for one, outcome in zip(runs, train_together(runs, plan=STACKED), strict=True):
        assert largest_difference(outcome[0], train(*one)[0]) < 1e-5  # type: ignore[index]


@pytest.mark.parametrize("combine", ["arithmetic", "geometric"])
def test_every_kind_of_knowledge_is_given_to_the_right_student(ensemble, tmp_path, combine) -> None:
    """Members, top-k values and rests that belong to another student's rows."""
    data = examples()
    mixed = lb.Ensemble(ensemble.members, combine=combine)
    for name, settings in (("dense", {}), ("top", {"top_k": 2})):
        store = lb.annotate(mixed, data, tmp_path / name, dtype="float32", **settings)
        runs = [(job(store, data=data), seed) for seed in range(3)]
        for one, outcome in zip(runs, train_together(runs, plan=STACKED), strict=True):
            assert largest_difference(outcome[0], train(*one)[0]) < 1e-5  # type: ignore[index]


def test_convolutions_are_stacked_too() -> None:
    """A stack that only works for perceptrons."""
    data = lb.transfer_sets.digits().train.select(torch.arange(96))
    student = lb.students.cnn((1, 8, 8), [4, 8], 10, batch_norm=False)
    one = job_of(student, None, data, lb.HardLabels(), lb.Training(epochs=5, batch_size=32))
    outcomes = train_together([(one, seed) for seed in range(3)], plan=STACKED)
    inputs = data.batch(torch.arange(96)).inputs
    for seed, outcome in enumerate(outcomes):
        assert not isinstance(outcome, LimbeckError)
        difference = outcome[0].module(inputs) - train(one, seed)[0].module(inputs)
        assert difference.abs().max() < 1e-5


def test_the_first_layer_is_found_only_where_it_reads_the_inputs() -> None:
    """A product computed beforehand for a layer that reads something else."""
    inputs = torch.randn(4, 1, 2, 3)
    for module, entry in (
        (nn.Sequential(nn.Flatten(), nn.Linear(6, 3)), "1"),
        (nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(6, 3)), ""),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), nn.Linear(6, 3)), ""),
    ):
        assert StackedModel([module, module], inputs).entry == entry


def test_a_student_that_diverges_is_named_and_disturbs_nobody(store) -> None:
    """NaN in one slice that ends the other students' training."""
    data = examples()
    wild = job(store, learning_rate=1e30, data=data, optimizer=lb.SGD(learning_rate=1e30))
    tame = job(store, data=data, optimizer=lb.SGD(learning_rate=0.05))
    runs = [(tame, 0), (wild, 1), (tame, 2)]
    outcomes = train_together(runs, plan=STACKED)
    assert isinstance(outcomes[1], LimbeckError)
    assert "SGD(learning_rate=1e+30" in str(outcomes[1])
    for i in (0, 2):
        assert largest_difference(outcomes[i][0], train(*runs[i])[0]) < 1e-5  # type: ignore[index]


def test_early_stopping_keeps_each_student_s_own_best_epoch(store) -> None:
    """The best weights of one student kept for all."""
    data = examples()
    one = replace(job(store, data=data, patience=2), validation=examples(60))
    runs = [(one, seed) for seed in range(3)]
    for each, outcome in zip(runs, train_together(runs, plan=STACKED), strict=True):
        alone, history = train(*each)
        assert outcome[1].best_epoch == history.best_epoch  # type: ignore[index]
        assert largest_difference(outcome[0], alone) < 1e-5  # type: ignore[index]


def test_an_interrupted_stack_goes_on_to_the_same_weights(store, tmp_path, monkeypatch) -> None:
    """Hours of a sweep lost to Ctrl-C, or resumed to other students."""
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("limbeck.together.stack.CHECKPOINT_SECONDS", 0.0)
    data = examples()
    runs = [
        (replace(job(store, t, data=data, average=0.9), checkpoint=tmp_path), seed)
        for t in (1.0, 4.0)
        for seed in (0, 1)
    ]

    def stop(_: str, done: int, __: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_together(runs, plan=STACKED, progress=stop)
    assert len(list(tmp_path.glob("stack-*"))) == 1
    made: list[int] = []
    resumed = train_together(runs, plan=STACKED, progress=lambda _, done, __: made.append(done))
    assert made[0] > 100
    assert not list(tmp_path.glob("stack-*"))
    whole = train_together([(replace(j, checkpoint=None), seed) for j, seed in runs], plan=STACKED)
    for one, other in zip(resumed, whole, strict=True):
        assert largest_difference(one[0], other[0]) == 0.0  # type: ignore[index]


def test_time_is_shared_among_the_students(store) -> None:
    """Fifty students that each claim the whole sweep's time."""
    data = examples()
    begun = time.monotonic()
    outcomes = train_together([(job(store, data=data), seed) for seed in range(4)], plan=STACKED)
    passed = time.monotonic() - begun
    seconds = [outcome[1].seconds for outcome in outcomes]  # type: ignore[index]
    assert min(seconds) > 0
    assert sum(seconds) <= passed


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(6, 4, batch_first=True)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs.unsqueeze(1))[0][:, 0]


@pytest.mark.parametrize(
    ("student", "settings", "reason"),
    [
        (lb.students.mlp(6, [8], 4, dropout=0.5), {}, "dropout"),
        (Student(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))), {}, "running statistics"),
        (Student(Recurrent), {}, "recurrent"),
        (lb.students.mlp(6, [8], 4), {"precision": "bfloat16"}, "bfloat16"),
        (lb.students.mlp(6, [8], 4), {"accumulate": 2}, "accumulated"),
    ],
)
def test_what_cannot_be_stacked_says_why(store, student, settings, reason) -> None:
    """Students that share masks or statistics without a word."""
    one = job(store, student=student, **settings)
    assert reason in reason_against(one)
    with pytest.raises(LimbeckError, match=f"cannot be stacked: .*{reason}.* Leave out the plan"):
        train_together([(one, 0), (one, 1)], plan=STACKED)


def test_hidden_layers_and_living_teachers_are_not_stacked(store, ensemble) -> None:
    """Hooks that keep another student's activations."""
    one = job(store)
    hints = lb.Hints(teacher_layer="layer1", student_layer="layer1")
    assert "hidden" in reason_against(replace(one, objective=hints))
    live = lb.LiveTeacher(ensemble, examples())
    assert "alive" in reason_against(replace(one, knowledge=live))


def test_students_of_the_same_selected_rows_are_stacked(store) -> None:
    """A store read by selected rows taken for a living teacher."""
    part = KnowledgeSubset(store, examples(), torch.arange(10, 90))
    one = job(part, data=part.transfer_set)
    assert reason_against(one) == ""
    for seed, outcome in enumerate(train_together([(one, 0), (one, 1)], plan=STACKED)):
        assert largest_difference(outcome[0], train(one, seed)[0]) < 1e-5  # type: ignore[index]
