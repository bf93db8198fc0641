"""What every objective promises, checked for every class that limbeck.objectives exports."""

import inspect
from dataclasses import replace

import pytest
import torch
import yaml
from jaxtyping import TypeCheckError
from torch import Tensor
from torch.nn import functional

import limbeck.objectives as package
from limbeck.errors import LimbeckError
from limbeck.objectives import HardLabels, Objective, WeightedSum
from limbeck.types import UNLABELLED, Knowledge, Outputs, TopK

EXAMPLES, CLASSES, MAPS = 6, 5, (3, 4, 4)

KINDS = [
    kind
    for kind in (getattr(package, name) for name in package.__all__)
    if issubclass(kind, Objective) and kind not in (Objective, WeightedSum)
]
every_objective = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def made(kind: type[Objective], dtype: torch.dtype = torch.float64) -> Objective:
    """The objective with its defaults, bound to maps of equal shape on both sides."""
    parameters = inspect.signature(kind).parameters.values()
    layers = {each.name: "layer" for each in parameters if each.name.endswith("_layer")}
    objective = kind(**layers)
    objective.bind({"layer": MAPS}, {"layer": MAPS})
    return objective.to(dtype)


def random(*shape: int, seed: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def a_student(seed: int = 1, examples: int = EXAMPLES) -> Outputs:
    logits = random(examples, CLASSES, seed=seed)
    return Outputs(logits, {"layer": random(examples, *MAPS, seed=seed + 100)})


def a_teacher(seed: int = 2) -> Knowledge:
    outputs = a_student(seed)
    return Knowledge(outputs.logits.unsqueeze(0), outputs.hidden)


def some_labels() -> Tensor:
    return torch.arange(EXAMPLES) * 3 % CLASSES


def cast(thing: Outputs | Knowledge, dtype: torch.dtype) -> Outputs | Knowledge:
    hidden = {name: value.to(dtype) for name, value in thing.hidden.items()}
    return replace(thing, logits=thing.logits.to(dtype), hidden=hidden)


def rows(thing: Outputs | Knowledge, which: Tensor | slice) -> Outputs | Knowledge:
    """The same outputs or knowledge, of these examples only."""
    hidden = {name: value[which] for name, value in thing.hidden.items()}
    dense = isinstance(thing, Outputs)
    logits = thing.logits[which] if dense else thing.logits[:, which]
    return replace(thing, logits=logits, hidden=hidden)


def leaves(student: Outputs) -> tuple[Outputs, list[Tensor]]:
    """The student with gradients, and what they are taken of."""
    logits = student.logits.clone().requires_grad_()
    hidden = {name: value.clone().requires_grad_() for name, value in student.hidden.items()}
    return Outputs(logits, hidden), [logits, *hidden.values()]


def gradients(loss: Tensor, of: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(loss, of, allow_unused=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for tensor, gradient in zip(of, found, strict=True)
    ]


def top(logits: Tensor, kept: int, temperatures: tuple[float, ...]) -> TopK:
    """The dense logits (1, b, c) as a top-k store would keep them."""
    order = logits[0].argsort(dim=-1, descending=True)
    indices, dropped = order[:, :kept], order[:, kept:]
    return TopK(
        values=logits.gather(-1, indices.unsqueeze(0)),
        indices=indices,
        rest={T: (logits.gather(-1, dropped.unsqueeze(0)) / T).logsumexp(-1) for T in temperatures},
        classes=logits.shape[-1],
    )


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def test_the_objectives_are_found() -> None:
    """An empty list of classes would make every contract pass."""
    assert len(KINDS) >= 9


@every_objective
def test_a_class_is_abstract_or_final(kind: type[Objective]) -> None:
    """An objective that inherits from another spreads one method over two files."""
    assert kind.__bases__ == (Objective,)
    assert kind.__module__ == f"limbeck.objectives.{snake(kind.__name__)}"
    assert not inspect.isabstract(kind)


@every_objective
def test_a_perfect_student_scores_the_minimum_with_zero_gradient(kind: type[Objective]) -> None:
    """A different temperature, transposition or reduction on the two sides, which still trains."""
    teacher, labels = a_teacher(), some_labels()
    perfect = Outputs(teacher.logits[0], teacher.hidden)
    if kind is HardLabels:
        perfect = Outputs(1e4 * functional.one_hot(labels, CLASSES).double())
    student, inputs = leaves(perfect)
    loss = made(kind)(student, teacher, labels)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    for gradient in gradients(loss, inputs):
        assert gradient.abs().max() < 1e-12
    worse = made(kind)(a_student(), teacher, labels)
    assert worse > 1e-4


@every_objective
def test_the_gradient_is_that_of_the_loss(kind: type[Objective]) -> None:
    """A detach or an in-place change that cuts or bends the gradient."""
    objective, teacher, labels = made(kind), a_teacher(), some_labels()
    _, inputs = leaves(a_student())

    def loss(logits: Tensor, hidden: Tensor) -> Tensor:
        return objective(Outputs(logits, {"layer": hidden}), teacher, labels)

    assert torch.autograd.gradcheck(loss, inputs, atol=1e-7, rtol=1e-4)
    found = gradients(loss(*inputs), inputs)
    assert max(gradient.abs().max() for gradient in found) > 1e-6


@every_objective
@pytest.mark.parametrize(
    ("dtype", "size"), [(torch.float32, 1e4), (torch.float16, 60.0), (torch.bfloat16, 60.0)]
)
@pytest.mark.parametrize("dead", [False, True])
def test_huge_logits_and_dead_features_stay_finite(
    kind: type[Objective], dtype: torch.dtype, size: float, dead: bool
) -> None:
    """log 0, 0 * infinity and the square root's gradient at 0, which end a run in NaN."""
    teacher = cast(replace(a_teacher(), logits=size * a_teacher().logits.sign()), dtype)
    outputs = a_student()
    hidden = torch.zeros_like(outputs.hidden["layer"])
    if not dead:
        hidden = size * outputs.hidden["layer"].sign()
    outputs = Outputs(size * outputs.logits.sign(), {"layer": hidden})
    student, inputs = leaves(cast(outputs, dtype))
    loss = made(kind, torch.float32)(student, teacher, some_labels())
    assert loss.isfinite()
    for gradient in gradients(loss, inputs):
        assert gradient.isfinite().all()


@every_objective
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(kind: type[Objective], dtype: torch.dtype) -> None:
    """Half-precision softmax or sums, whose errors are as large as the loss's differences."""
    student, teacher = cast(a_student(), dtype), cast(a_teacher(), dtype)
    objective, labels = made(kind, torch.float32), some_labels()
    half = objective(student, teacher, labels)
    same_numbers = objective(cast(student, torch.float32), cast(teacher, torch.float32), labels)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, same_numbers, rtol=1e-6, atol=0)


@every_objective
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 5e-2)],
)
def test_all_precisions_agree(kind: type[Objective], dtype: torch.dtype, tolerance: float) -> None:
    """A loss that means something else in half precision."""
    labels = some_labels()
    exact = made(kind)(a_student(), a_teacher(), labels)
    rounded = made(kind, torch.float32)(cast(a_student(), dtype), cast(a_teacher(), dtype), labels)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(rounded.double(), exact, rtol=tolerance, atol=0)


@every_objective
def test_autocast_changes_nothing(kind: type[Objective]) -> None:
    """Matrix products that autocast silently runs in bfloat16 inside the loss."""
    objective, labels = made(kind, torch.float32), some_labels()
    student, teacher = cast(a_student(), torch.float32), cast(a_teacher(), torch.float32)
    plain = objective(student, teacher, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = objective(student, teacher, labels)
    assert torch.equal(inside, plain)


@every_objective
def test_the_order_of_the_examples_does_not_matter(kind: type[Objective]) -> None:
    """A loss that pairs an example with its neighbour's soft targets."""
    objective, order = made(kind), torch.tensor([3, 0, 5, 1, 4, 2])
    before = objective(a_student(), a_teacher(), some_labels())
    after = objective(rows(a_student(), order), rows(a_teacher(), order), some_labels()[order])
    torch.testing.assert_close(after, before, rtol=1e-12, atol=0)


@every_objective
def test_the_order_of_the_classes_does_not_matter(kind: type[Objective]) -> None:
    """A softmax over the wrong axis, or a class that is treated apart."""
    objective, order = made(kind), torch.tensor([4, 2, 0, 3, 1])
    student, teacher = a_student(), a_teacher()
    before = objective(student, teacher, some_labels())
    after = objective(
        replace(student, logits=student.logits[:, order]),
        replace(teacher, logits=teacher.logits[:, :, order]),
        order.argsort()[some_labels()],
    )
    torch.testing.assert_close(after, before, rtol=1e-12, atol=0)


@every_objective
def test_a_batch_is_the_mean_of_its_examples_unless_declared_otherwise(
    kind: type[Objective],
) -> None:
    """A loss divided by the number of classes, or one that depends on the batch size."""
    objective, labels = made(kind), some_labels()
    batch = objective(a_student(), a_teacher(), labels)
    singles = torch.stack(
        [
            objective(rows(a_student(), one), rows(a_teacher(), one), labels[one])
            for one in (slice(i, i + 1) for i in range(EXAMPLES))
        ]
    )
    if kind.relational:
        assert not torch.isclose(singles.mean(), batch, rtol=1e-3)
    else:
        torch.testing.assert_close(singles.mean(), batch, rtol=1e-12, atol=0)


@every_objective
def test_accumulated_parts_weighed_by_their_count_are_the_whole_batch(
    kind: type[Objective],
) -> None:
    """Accumulating gradients over unequal parts, some rows unlabelled, trains on another loss."""
    labels = some_labels().index_fill(0, torch.tensor([1, 4, 5]), UNLABELLED)
    objective, teacher = made(kind), a_teacher()
    student, inputs = leaves(a_student())
    whole = objective(student, teacher, labels)
    parts = [slice(0, 2), slice(2, EXAMPLES)]
    counts = torch.stack([objective.count(labels[part]) for part in parts])
    assert counts.sum() == objective.count(labels)
    accumulated = sum(
        objective(rows(student, part), rows(teacher, part), labels[part]) * count / counts.sum()
        for part, count in zip(parts, counts, strict=True)
    )
    if kind.relational:
        assert not torch.isclose(accumulated, whole, rtol=1e-3)
        return
    torch.testing.assert_close(accumulated, whole, rtol=1e-12, atol=0)
    pairs = zip(gradients(accumulated, inputs), gradients(whole, inputs), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)


MISTAKES = {
    "one row of soft targets for six examples": (
        lambda s, t, y: (s, replace(t, logits=t.logits[:, :1]), y),
        r"the teacher scored \(1, 5\) \(examples, classes\) and the student \(6, 5\)",
        "logits",
    ),
    "a student with other classes": (
        lambda s, t, y: (replace(s, logits=s.logits[:, :4]), t, y),
        r"the teacher scored \(6, 5\) .* and the student \(6, 4\). Give the student the teacher's",
        "logits",
    ),
    "one class column": (
        lambda s, t, y: (s, replace(t, logits=t.logits[:, :, :1]), y),
        r"the teacher scored \(6, 1\) .* and the student \(6, 5\)",
        "logits",
    ),
    "knowledge without its axis of teachers": (
        lambda s, t, y: (s, replace(t, logits=t.logits[0]), y),
        r"the teacher scored \(5,\)",
        "logits",
    ),
    "top-k knowledge of other classes": (
        lambda s, t, y: (
            replace(s, logits=s.logits[:, :4]),
            replace(t, logits=top(t.logits, 2, (1.0, 4.0))),
            y,
        ),
        r"the teacher scored \(6, 5\) .* and the student \(6, 4\)",
        "logits",
    ),
    "logits per place": (
        lambda s, t, y: (replace(s, logits=s.logits.unsqueeze(1)), t, y),
        r"student's logits are \(6, 1, 5\); \(examples, classes\) is needed",
        "logits labels",
    ),
    "too few labels": (
        lambda s, t, y: (s, t, y[:1]),
        r"the labels are \(1,\) for 6 examples",
        "labels",
    ),
    "one-hot labels": (
        lambda s, t, y: (s, t, functional.one_hot(y, CLASSES)),
        r"the labels are \(6, 5\) for 6 examples; .* Give class numbers, not one-hot",
        "labels",
    ),
    "a label beyond the classes": (
        lambda s, t, y: (s, t, y.index_fill(0, torch.tensor(2), CLASSES)),
        r"the labels hold \[5\]; with 5 classes they are 0 to 4, or -1",
        "labels",
    ),
    "another library's mark for a missing label": (
        lambda s, t, y: (s, t, y.index_fill(0, torch.tensor(2), -100)),
        r"the labels hold \[-100\]; with 5 classes they are 0 to 4, or -1",
        "labels",
    ),
    "one teacher row of hidden features": (
        lambda s, t, y: (s, replace(t, hidden={"layer": t.hidden["layer"][:1]}), y),
        r"the teacher's 'layer' is \(1, 3, 4, 4\) and the student's 'layer' \(6, 3, 4, 4\)",
        "hidden",
    ),
    "hidden features without an axis of examples": (
        lambda s, t, y: (replace(s, hidden={"layer": torch.zeros(6)}), t, y),
        r"'layer' \(6,\); \(examples, features ...\) with the same examples is needed",
        "hidden",
    ),
    "a layer that the student does not give": (
        lambda s, t, y: (replace(s, hidden={"layer1": torch.zeros(6, 2)}), t, y),
        "the student gives no hidden layer 'layer'. Did you mean 'layer1'?",
        "hidden",
    ),
    "a layer that the teacher does not give": (
        lambda s, t, y: (s, replace(t, hidden={"a": torch.zeros(6, 2)}), y),
        "the teacher gives no hidden layer 'layer'. Known: a.",
        "hidden",
    ),
    "a student without hidden layers": (
        lambda s, t, y: (replace(s, hidden={}), t, y),
        r"the student gives no hidden layers; .* Make the student with hidden=\('layer',\)",
        "hidden",
    ),
    "a store without hidden layers": (
        lambda s, t, y: (s, replace(t, hidden={}), y),
        r"the teacher gives no hidden layers; .* Annotate with a teacher made with hidden=",
        "hidden",
    ),
}


THOSE_WHO_NOTICE = [
    pytest.param(kind, mistake, id=f"{kind.__name__}: {mistake}")
    for kind in KINDS
    for mistake, (_, _, needs) in MISTAKES.items()
    if not kind.needs.isdisjoint(needs.split())
]


@pytest.mark.parametrize(("kind", "mistake"), THOSE_WHO_NOTICE)
def test_what_does_not_fit_raises(kind: type[Objective], mistake: str) -> None:
    """(1, 10) against (8, 10), which PyTorch broadcasts to a plausible loss."""
    wrong, message, _ = MISTAKES[mistake]
    if type_hook_is_on():
        with pytest.raises((LimbeckError, TypeCheckError)):
            made(kind)(*wrong(a_student(), a_teacher(), some_labels()))
        return
    with pytest.raises(LimbeckError, match=message):
        made(kind)(*wrong(a_student(), a_teacher(), some_labels()))


def type_hook_is_on() -> bool:
    """Under --jaxtyping-packages=limbeck the hook may be the first to notice."""
    try:
        Outputs(torch.zeros(1))
    except TypeCheckError:
        return True
    return False


@every_objective
def test_no_teacher_raises_unless_labels_are_enough(kind: type[Objective]) -> None:
    """A distillation term that silently is 0 because there is no knowledge."""
    if kind.needs == {"labels"}:
        with_teacher = made(kind)(a_student(), a_teacher(), some_labels())
        assert torch.equal(made(kind)(a_student(), None, some_labels()), with_teacher)
        return
    with pytest.raises(
        LimbeckError, match=f"{kind.__name__} learns from a teacher's .* HardLabels"
    ):
        made(kind)(a_student(), None, some_labels())


@every_objective
@pytest.mark.parametrize("kept", [None, 3])
def test_nothing_given_is_changed_and_the_teacher_gets_no_gradient(
    kind: type[Objective], kept: int | None
) -> None:
    """A teacher's graph that is kept, or stored knowledge that drifts from step to step."""
    source = a_teacher()
    if kept is not None:
        if not accepts_top_k(kind):
            return
        source = replace(source, logits=top(source.logits, kept, made(kind).temperatures))
    tensors = [*source.hidden.values()]
    if isinstance(source.logits, TopK):
        tensors += [source.logits.values, *source.logits.rest.values()]
    else:
        tensors.append(source.logits)
    student, inputs = leaves(a_student())
    labels = some_labels()
    watched = [*tensors, *inputs, labels]
    copies = [tensor.detach().clone() for tensor in watched]
    for tensor in tensors:
        tensor.requires_grad_()
    made(kind)(student, source, labels).backward()
    for tensor, copy in zip(watched, copies, strict=True):
        assert torch.equal(tensor, copy)
        assert tensor._version == 0
    assert all(tensor.grad is None for tensor in tensors)


def accepts_top_k(kind: type[Objective]) -> bool:
    try:
        knowledge = replace(a_teacher(), logits=top(a_teacher().logits, 3, (1.0, 4.0)))
        made(kind)(a_student(), knowledge, some_labels())
    except LimbeckError:
        return False
    return True


@every_objective
def test_a_recipe_gives_the_same_object(kind: type[Objective]) -> None:
    """A parameter that has another name in a recipe, or is lost on the way."""
    objective = made(kind)
    written = yaml.safe_dump({snake(kind.__name__): objective.settings()})
    ((name, settings),) = yaml.safe_load(written).items()
    again = getattr(package, camel(name))(**settings)
    assert again == objective
    assert repr(again) == repr(objective)
    assert list(settings) == sorted(inspect.signature(kind).parameters) or not settings


@every_objective
def test_a_changed_setting_makes_another_object(kind: type[Objective]) -> None:
    """An equality that ignores settings would call two different recipes the same."""
    objective = made(kind)
    for name, value in objective.settings().items():
        more = {str: "2", tuple: (0.5,)}.get(type(value), 0.5)
        other = value + more
        assert kind(**{**objective.settings(), name: other}) != objective


@every_objective
def test_top_k_never_exceeds_dense_and_rises_with_k(kind: type[Objective]) -> None:
    """Dropped mass that is renormalised away, so that top-k claims more than it knows."""
    objective, dense = made(kind), a_teacher()
    losses = []
    for kept in range(1, CLASSES):
        logits = top(dense.logits, kept, objective.temperatures or (1.0,))
        knowledge = replace(dense, logits=logits)
        if not accepts_top_k(kind):
            with pytest.raises(LimbeckError, match=f"keeps {kept} of 5. Annotate again without"):
                objective(a_student(), knowledge, some_labels())
            continue
        losses.append(objective(a_student(), knowledge, some_labels()).item())
    losses.append(objective(a_student(), dense, some_labels()).item())
    assert losses == sorted(losses)


@every_objective
def test_no_labels_at_all_cost_nothing_and_give_zero_gradient(kind: type[Objective]) -> None:
    """0 / 0 in a batch that happens to have no label ends the run in NaN."""
    if "labels" not in kind.needs:
        unlabelled = made(kind)(a_student(), a_teacher(), torch.full((EXAMPLES,), UNLABELLED))
        assert torch.equal(unlabelled, made(kind)(a_student(), a_teacher(), some_labels()))
        return
    student, inputs = leaves(a_student())
    labels = torch.full((EXAMPLES,), UNLABELLED)
    loss = made(kind)(student, a_teacher(), labels)
    assert loss == 0
    assert made(kind).count(labels) == 0
    for gradient in gradients(loss, inputs):
        assert not gradient.any()


@every_objective
def test_unlabelled_rows_do_not_count_where_labels_are_learned(kind: type[Objective]) -> None:
    """Unlabelled rows that are taken for class 0, or that shrink the mean."""
    if "labels" not in kind.needs:
        assert made(kind).count(torch.full((EXAMPLES,), UNLABELLED)) == EXAMPLES
        return
    labelled = torch.tensor([0, 2, 3])
    labels = torch.full((EXAMPLES,), UNLABELLED).index_copy(0, labelled, some_labels()[labelled])
    among_others = made(kind)(a_student(), a_teacher(), labels)
    alone = made(kind)(
        rows(a_student(), labelled), rows(a_teacher(), labelled), some_labels()[labelled]
    )
    assert made(kind).count(labels) == 3
    torch.testing.assert_close(among_others, alone, rtol=1e-12, atol=0)


@every_objective
def test_it_says_what_it_reads(kind: type[Objective]) -> None:
    """A layer or temperature that a run cannot check before its first batch."""
    objective = made(kind)
    assert kind.needs <= {"logits", "hidden", "labels"}
    assert bool(objective.teacher_layers) == ("hidden" in kind.needs)
    assert objective.teacher_layers == objective.student_layers
    settings = objective.settings()
    assert objective.temperatures == tuple(
        value for name, value in settings.items() if name == "temperature"
    )
