"""The loop against loops written by hand, and everything it refuses."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from limbeck import seeding, students
from limbeck.errors import LimbeckError
from limbeck.loop import batches
from limbeck.objectives import HardLabels, Hints, RelationalDistances, SoftTargets
from limbeck.optimization import SGD, AdamW, Constant, Cosine, OneCycle
from limbeck.store import KnowledgeSource
from limbeck.training import Training, distill, job_of
from limbeck.transfer_sets import Arrays, Shift, Views
from limbeck.types import UNLABELLED, Knowledge

CLASSES = ("red", "green", "blue")


class Remembered(KnowledgeSource):
    """Knowledge in memory, as a store would return it."""

    fingerprint = "remembered"

    def __init__(self, logits, hidden=None):
        self.logits = logits
        self.hidden = hidden or {}
        self.classes = CLASSES
        self.views = 1
        self.hidden_shapes = {k: tuple(v.shape[1:]) for k, v in self.hidden.items()}
        self.temperatures = None

    def __len__(self):
        return self.logits.shape[1]

    def read(self, rows, view=0):
        hidden = {k: v[rows] for k, v in self.hidden.items()}
        return Knowledge(self.logits[:, rows], hidden)


def blobs(count=90, *, unlabelled=0, seed=0):
    """Three Gaussian blobs; some labels missing."""
    numbers = np.random.default_rng(seed)
    labels = numbers.integers(0, 3, count)
    inputs = numbers.normal(size=(count, 5)) + 1.5 * np.eye(3, 5)[labels]
    labels[:unlabelled] = UNLABELLED
    return Arrays(
        torch.tensor(inputs, dtype=torch.float32),
        torch.tensor(labels),
        classes=CLASSES,
        name="blobs",
    )


def knowledge_of(data, hidden=None):
    logits = torch.tensor(np.random.default_rng(5).normal(size=(1, len(data), 3)) * 2)
    return Remembered(logits.float(), hidden)


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.student.module.parameters()])


def by_hand(data, knowledge, module, steps, size, seed, weight=0.9, temperature=4.0):
    """The same training as plain torch, in float64."""
    module = module.double()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    per_pass = math.ceil(len(data) / size)
    for step in range(steps):
        order = seeding.permutation(len(data), seed, "order", step // per_pass)
        rows = order[(step % per_pass) * size : (step % per_pass + 1) * size]
        batch = data.batch(rows)
        logits = module(batch.inputs.double())
        soft = functional.kl_div(
            (logits / temperature).log_softmax(-1),
            (knowledge.logits[0, rows].double() / temperature).softmax(-1),
            reduction="batchmean",
        )
        known = batch.labels >= 0
        hard = functional.cross_entropy(logits[known], batch.labels[known])
        loss = weight * temperature**2 * soft + (1 - weight) * hard
        optimizer.param_groups[0]["lr"] = 0.1 * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.parametrize("unlabelled", [0, 40])
def test_the_loop_equals_a_loop_written_by_hand(unlabelled):
    """Prevents a wrong order, a wrong schedule, a lost term or a step too many."""
    data = blobs(unlabelled=unlabelled)
    knowledge = knowledge_of(data)
    student = students.mlp(5, [8], 3)
    objective = 0.9 * SoftTargets(temperature=4.0) + 0.1 * HardLabels()
    training = Training(epochs=3, batch_size=20, optimizer=SGD(0.1), schedule=Cosine())
    run = distill(student, knowledge, data, objective, training, seed=3)
    expected = by_hand(data, knowledge, student.fresh(3).module, 15, 20, seed=3)
    torch.testing.assert_close(weights(run).double(), expected, rtol=1e-4, atol=1e-5)


def test_rows_are_taken_as_they_stand_where_nothing_is_shuffled():
    """An order from the seed all the same, or one that differs from pass to pass."""
    data = blobs()
    student = students.mlp(5, [8], 3)
    training = Training(epochs=2, batch_size=20, shuffle=False)
    job = job_of(student, None, data, HardLabels(), training)
    rows = [batch.rows.tolist() for batch in batches(job, seed=3)]
    whole = list(range(len(data)))
    assert [row for batch in rows for row in batch] == whole * 2


def test_passes_make_up_the_updates_as_nearly_as_whole_passes_can():
    """A last batch that is not full left uncounted: on few examples it is half of all updates."""
    training = Training(epochs=7, batch_size=20)
    for examples in (1, 19, 20, 21, 130):
        run = distill(
            students.mlp(5, [], 3),
            None,
            blobs(examples),
            HardLabels(),
            training.for_updates(12, examples),
        )
        batches = -(-examples // 20)
        assert abs(run.job.updates - 12) <= batches / 2
    assert training.for_updates(1, 1000).epochs == 1
    assert training.for_updates(12, 20).batch_size == 20


@pytest.mark.parametrize("unlabelled", [0, 40])
def test_accumulated_parts_equal_the_whole_batch(unlabelled):
    """Prevents a loss that changes with the memory there is: uneven parts, missing labels."""
    data = blobs(unlabelled=unlabelled)
    objective = 0.5 * SoftTargets(temperature=2.0) + 0.5 * HardLabels()
    runs = [
        distill(
            students.mlp(5, [8], 3),
            knowledge_of(data),
            data,
            objective,
            Training(epochs=2, batch_size=25, optimizer=SGD(0.1), accumulate=parts),
        )
        for parts in (1, 4)
    ]
    torch.testing.assert_close(weights(runs[0]), weights(runs[1]), rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    """Prevents hidden state between runs."""
    data = blobs()
    student = students.mlp(5, [8], 3, dropout=0.3)
    first, again, other = (
        distill(student, None, data, HardLabels(), epochs=2, seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_training_leaves_the_callers_randomness_alone():
    """Prevents a library call from changing the user's own random numbers."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    distill(students.mlp(5, [8], 3), None, blobs(), HardLabels(), epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_the_twin_starts_from_the_same_weights_and_sees_the_same_order():
    """Prevents a baseline of a smaller budget or of another draw."""
    data = blobs()
    seen = []

    class Spy(Arrays):
        def batch(self, rows, view=0):
            seen.append(rows.tolist())
            return super().batch(rows, view)

    spied = Spy(data.inputs, data.labels, classes=CLASSES, name="spied")
    student = students.mlp(5, [8], 3)
    run = distill(student, knowledge_of(data), spied, SoftTargets(), epochs=3, seed=4)
    distilled, seen[:] = list(seen), []
    twin = run.twins([4])[0]
    assert seen == distilled
    assert twin.history.steps == run.history.steps
    reference = distill(student, None, data, HardLabels(), epochs=3, seed=4)
    assert torch.equal(weights(twin), weights(reference))


def test_the_twin_of_a_partly_labelled_run_gets_as_many_full_updates():
    """Prevents a baseline that is starved because most rows of its batches have no label."""
    data = blobs(90, unlabelled=60)
    run = distill(
        students.mlp(5, [8], 3), knowledge_of(data), data, SoftTargets(),
        Training(epochs=4, batch_size=10),
    )  # fmt: skip
    twin = run.twins([0])[0]
    assert twin.history.steps[-1] == run.history.steps[-1] == 36
    assert len(twin.transfer_set) == 30
    assert len(twin.history.loss) == len(run.history.loss)


def test_repeating_with_another_seed_equals_distilling_with_it():
    """Prevents `compare` from repeating something else."""
    data = blobs()
    arguments = (students.mlp(5, [8], 3), knowledge_of(data), data, SoftTargets())
    run = distill(*arguments, epochs=2, seed=0)
    assert torch.equal(weights(run.repeats([7])[0]), weights(distill(*arguments, epochs=2, seed=7)))


def test_early_stopping_keeps_the_best_epoch_on_validation():
    """Prevents keeping the last weights after having waited for better ones."""
    data, validation = blobs(60), blobs(60, seed=9)
    training = Training(epochs=60, batch_size=10, optimizer=SGD(0.5), patience=3)
    run = distill(students.mlp(5, [32], 3), None, data, HardLabels(), training,
                  validation=validation)  # fmt: skip
    accuracies = run.history.validation_accuracy
    assert len(accuracies) < 60
    assert run.history.best_epoch == 1 + int(np.argmax(accuracies))
    logits = run.student.outputs(validation.batch(torch.arange(60))).logits
    correct = (logits.argmax(-1) == validation.labels).float().mean()
    assert float(correct) == pytest.approx(max(accuracies))


def test_averaged_weights_are_the_exponential_average_of_the_path():
    """Prevents returning the last weights where averaged ones were asked for."""
    data = blobs(40)
    path = []

    class Watched(nn.Linear):
        def forward(self, inputs):
            path.append(self.weight.detach().clone())
            return super().forward(inputs)

    student = students.Student(Watched(5, 3))
    training = Training(
        epochs=3, batch_size=10, optimizer=SGD(0.1), schedule=Constant(), average=0.8
    )
    last = distill(student, None, data, HardLabels(), Training(
        epochs=3, batch_size=10, optimizer=SGD(0.1), schedule=Constant()))  # fmt: skip
    path.clear()
    run = distill(student, None, data, HardLabels(), training)
    steps = path[2:] if torch.equal(path[0], path[1]) else path[1:]
    steps = [*steps, last.student.module.weight]
    expected = steps[0].double()
    for weight in steps[1:]:
        expected = 0.8 * expected + 0.2 * weight.detach().double()
    torch.testing.assert_close(run.student.module.weight.double(), expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_is_clipped_to_its_norm():
    """Prevents clipping each weight instead of all together, or not at all."""
    data = blobs(30)
    training = Training(
        epochs=1, batch_size=30, optimizer=SGD(1.0, momentum=0.0), schedule=Constant(), clip=0.01
    )
    student = students.mlp(5, [8], 3)
    before = torch.cat([p.detach().flatten() for p in student.fresh(0).module.parameters()])
    run = distill(student, None, data, HardLabels(), training)
    assert float((weights(run) - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_max_norm_bounds_the_weights_into_every_unit():
    """Prevents constraining columns instead of rows, or only the first layer."""
    training = Training(epochs=5, batch_size=10, optimizer=SGD(0.5), max_norm=0.7)
    run = distill(students.mlp(5, [8], 3), None, blobs(), HardLabels(), training)
    for layer in run.student.module.modules():
        if isinstance(layer, nn.Linear):
            assert float(layer.weight.detach().norm(dim=1).max()) <= 0.7 + 1e-5


def test_bfloat16_trains_to_nearly_the_same_student():
    """Prevents a loss that overflows or stalls at half precision."""
    data = blobs(300)
    runs = [
        distill(students.mlp(5, [16], 3), None, data, HardLabels(),
                Training(epochs=10, precision=precision))
        for precision in ("float32", "bfloat16")
    ]  # fmt: skip
    assert runs[1].history.loss[-1] == pytest.approx(runs[0].history.loss[-1], rel=0.05)


@pytest.mark.parametrize("able", [True, False])
def test_auto_trains_in_bfloat16_where_the_processor_multiplies_in_it(
    able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents imitated bfloat16, which is slower than float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able}, raising=False)
    same = "bfloat16" if able else "float32"
    runs = [
        distill(students.mlp(5, [16], 3), None, blobs(60), HardLabels(),
                Training(epochs=2, precision=precision))
        for precision in ("auto", same)
    ]  # fmt: skip
    assert torch.equal(weights(runs[0]), weights(runs[1]))


@pytest.mark.slow
def test_a_compiled_student_trains_to_the_same_weights():
    """Prevents torch.compile from changing what is trained, or from staying in the result."""
    data = blobs(60)
    runs = [
        distill(students.mlp(5, [16], 3), None, data, HardLabels(),
                Training(epochs=2, compile=compiled))
        for compiled in (False, True)
    ]  # fmt: skip
    torch.testing.assert_close(weights(runs[0]), weights(runs[1]), rtol=1e-4, atol=1e-5)


def test_the_inner_loop_never_waits_for_a_number():
    """Prevents an `.item()` per step, which stalls an accelerator."""

    class Waits(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += func is torch.ops.aten._local_scalar_dense.default
            return func(*args, **(kwargs or {}))

    counts = []
    for size in (40, 4):
        with Waits() as waits:
            distill(students.mlp(5, [8], 3), None, blobs(80), HardLabels(),
                    Training(epochs=1, batch_size=size))  # fmt: skip
        counts.append(waits.count)
    assert counts[0] == counts[1]


def test_fresh_views_are_drawn_each_epoch():
    """Prevents training for ever on the first augmentation."""
    images = Arrays(
        torch.rand(20, 1, 8, 8), torch.zeros(20, dtype=torch.int64), classes=CLASSES, name="images"
    )
    viewed = Views(Shift(pixels=2), count=None).of(images)
    views = []
    original = viewed.batch

    def spy(rows, view=0):
        views.append(view)
        return original(rows, view)

    viewed.batch = spy
    distill(students.mlp(64, [4], 3), None, viewed, HardLabels(), Training(3, batch_size=10))
    assert views[-6:] == [0, 0, 1, 1, 2, 2] or set(views) >= {0, 1, 2}


def test_the_projection_of_hints_trains_and_is_not_saved():
    """Prevents a projection that stays at its initial weights, or ships with the student."""
    data = blobs()
    features = torch.randn(90, 6, generator=torch.Generator().manual_seed(0))
    knowledge = knowledge_of(data, {"body": features})
    objective = HardLabels() + Hints(teacher_layer="body", student_layer="layer1")
    run = distill(students.mlp(5, [8], 3), knowledge, data, objective, epochs=30)
    assert run.history.loss[-1] < run.history.loss[0]
    names = run.student.module.state_dict()
    assert not [name for name in names if "projection" in name or "hints" in name]


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Constant(), [1, 1, 1, 1]),
        (Constant(warm_up=0.5), [1 / 3, 2 / 3, 1, 1]),
        (Cosine(), [1, 0.8535534, 0.5, 0.1464466]),
        (OneCycle(warm_up=0.5), [1 / 3, 2 / 3, 1, 0.5]),
    ],
)
def test_schedules_follow_their_curve(schedule, factors):
    """Prevents an off-by-one in the warm-up and a rate that never falls."""
    assert [schedule.factor(step, 4) for step in range(4)] == pytest.approx(factors)


def test_optimizers_decay_matrices_and_leave_biases():
    """Prevents weight decay on biases and normalisation."""
    groups = AdamW(weight_decay=0.1).build([students.mlp(5, [8], 3).module]).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(2, 0.1), (2, 0.0)]


def test_saved_runs_are_read_as_students(tmp_path):
    """Prevents a student that cannot be loaded again."""
    run = distill(students.mlp(5, [8], 3), None, blobs(), HardLabels(), epochs=1)
    run.save(tmp_path / "student")
    loaded = students.load(tmp_path / "student")
    assert torch.equal(weights(run), torch.cat([p.flatten() for p in loaded.module.parameters()]))
    assert loaded.classes == CLASSES


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: Training(epochs=0), "epochs is 0; it must be 1 or more"),
        (lambda: Training(clip=-1.0), "clip is -1.0; it must be positive"),
        (lambda: Training(average=1.5), "average is 1.5; it is a decay between 0 and 1"),
        (lambda: Training(precision="float8"), "precision is 'float8'"),
        (lambda: SGD(learning_rate=0.0), "learning_rate is 0.0; it must be positive"),
        (lambda: Cosine(warm_up=1.0), "warm_up is 1.0; it is a part of the run"),
    ],
)
def test_settings_out_of_range_are_refused(build, match):
    """Prevents training with a number that means nothing."""
    with pytest.raises(ValueError, match=match):
        build()


def test_soft_targets_without_knowledge_are_refused():
    """Prevents a crash in the first batch."""
    with pytest.raises(LimbeckError, match="needs a teacher's logits, and no knowledge was given"):
        distill(students.mlp(5, [8], 3), None, blobs(), SoftTargets())


def test_a_missing_teacher_layer_is_named_with_the_nearest():
    """Prevents a KeyError from deep inside."""
    data = blobs()
    knowledge = knowledge_of(data, {"body": torch.zeros(90, 6)})
    with pytest.raises(LimbeckError, match="no teacher layer 'bodi'. Did you mean 'body'"):
        distill(students.mlp(5, [8], 3), knowledge, data, Hints("bodi", "layer1"))


def test_a_missing_student_layer_is_named_with_the_nearest():
    """Prevents a KeyError from deep inside."""
    data = blobs()
    knowledge = knowledge_of(data, {"body": torch.zeros(90, 6)})
    with pytest.raises(LimbeckError, match="no layer 'layer11'.*'layer1'"):
        distill(students.mlp(5, [8], 3), knowledge, data, Hints("body", "layer11"))


def test_a_student_with_other_classes_is_refused():
    """Prevents logits that broadcast to a plausible loss."""
    with pytest.raises(LimbeckError, match=r"scored \(4, 4\).*needs \(4, 3\)"):
        distill(students.mlp(5, [8], 4), None, blobs(), HardLabels())


def test_a_student_of_another_input_shape_is_refused():
    """Prevents a torch traceback about matrix sizes."""
    with pytest.raises(LimbeckError, match=r"cannot take an input of shape \(5,\)"):
        distill(students.mlp(7, [8], 3), None, blobs(), HardLabels())


def test_labels_out_of_range_are_named():
    """Prevents an index error on the CPU and a silent wrong read on a GPU."""
    data = blobs()
    data.labels[7] = 3
    with pytest.raises(LimbeckError, match="has label 3; the 3 classes are numbered 0 to 2"):
        distill(students.mlp(5, [8], 3), None, data, HardLabels())


def test_hard_labels_on_unlabelled_data_are_refused():
    """Prevents a run that learns nothing."""
    with pytest.raises(LimbeckError, match="labels alone and no example has one"):
        distill(students.mlp(5, [8], 3), None, blobs(30, unlabelled=30), HardLabels())


def test_patience_needs_a_validation_part():
    """Prevents early stopping by the test set or by nothing."""
    with pytest.raises(LimbeckError, match="patience stops training by the validation accuracy"):
        distill(students.mlp(5, [8], 3), None, blobs(), HardLabels(), Training(patience=2))


def test_an_unlabelled_validation_part_is_refused():
    """Prevents a division by zero."""
    with pytest.raises(LimbeckError, match="no example of the validation part has a label"):
        distill(students.mlp(5, [8], 3), None, blobs(), HardLabels(),
                validation=blobs(20, unlabelled=20))  # fmt: skip


def test_a_diverging_loss_is_named():
    """Prevents hours of NaN."""
    training = Training(epochs=40, optimizer=SGD(learning_rate=1e18), schedule=Constant())
    with pytest.raises(LimbeckError, match=r"the loss became (nan|inf) in epoch \d+ with SGD"):
        distill(students.mlp(5, [8, 8, 8], 3), None, blobs(), HardLabels(), training)


def test_relational_objectives_train_too():
    """Prevents an objective that only works in its own tests."""
    data = blobs()
    knowledge = knowledge_of(data, {"body": torch.randn(90, 6)})
    objective = HardLabels() + RelationalDistances(teacher_layer="body", student_layer="layer1")
    run = distill(students.mlp(5, [8], 3), knowledge, data, objective, epochs=3)
    assert run.history.loss[-1] < run.history.loss[0]
