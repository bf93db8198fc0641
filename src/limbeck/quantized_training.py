"""Finishing: a student that INT8 harms learns to live with it, from what it learned from before.

Each layer with weights is given ranges: the share of the full range at which its own answers on
real rows change least, so that a few outliers do not cost all other numbers their steps. Then the
student is trained a little more with weights and inputs rounded to 255 steps in these ranges;
gradients pass through the rounding as if it were not there. Jacob et al., "Quantization and
training of neural networks for efficient integer-arithmetic-only inference", CVPR 2018,
https://arxiv.org/abs/1712.05877, section 3.

What comes out is a float student again, whose weights and inputs are cut at the ranges. Static
quantization then finds these by itself.
"""

import copy
from dataclasses import replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize

from limbeck.job import Progress
from limbeck.objectives import HardLabels, Objective, SoftTargets, WeightedSum
from limbeck.optimization import Cosine
from limbeck.students import Student
from limbeck.students.reading import lengths_of
from limbeck.training import Run, distill

__all__ = ["LEARNING_RATE_SHARE", "UPDATES", "finish"]

UPDATES = 300
"""About how many updates a finishing makes; at least one pass over the transfer set."""

LEARNING_RATE_SHARE = 0.3
"""Where the learning rate starts, as a share of the student's own; it falls to 0."""

SHARES = tuple(2.0 ** (-step / 2) for step in range(29))
"""Of the full range, what is tried: from 1 to 1/16,384, each smaller by the root of 2."""

ROWS = 128
"""On how many rows the ranges are chosen."""

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding)
Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Embedding


class RoundedWeight(nn.Module):
    """Weights in 255 steps, symmetric around 0, in a range per output channel.

    Args:
        limits: The largest weight of each channel, (channels,).
    """

    limits: Tensor

    def __init__(self, limits: Float[Tensor, " channels"]) -> None:
        super().__init__()
        self.register_buffer("limits", limits.clamp(min=1e-12))

    def forward(self, weight: Float[Tensor, "channels ..."]) -> Float[Tensor, "channels ..."]:
        """The weights on their steps."""
        zeros = torch.zeros_like(self.limits, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, self.limits / 127, zeros, 0, -127, 127
        )


class RoundedInput(nn.Module):
    """Inputs cut to a range, and rounded to 255 steps in it while the student trains.

    Args:
        low: Lower end of the range, <= 0.
        high: Upper end of the range, >= 0.
    """

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high, self.rounds = low, max(high, low + 1e-12), True

    def forward(self, inputs: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The inputs on their steps, or only cut."""
        if not self.rounds:
            return inputs.clamp(self.low, self.high)
        step = (self.high - self.low) / 255
        return torch.fake_quantize_per_tensor_affine(inputs, step, round(-self.low / step), 0, 255)

    def extra_repr(self) -> str:
        """The range."""
        return f"{self.low:g} to {self.high:g}"


def through_range(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A hook before a layer: its first argument goes through its range."""
    cut: Tensor = layer.get_submodule("input_range")(inputs[0])
    return cut, *inputs[1:]


def finish(
    run: Run, rows: Shaped[Tensor, "n ..."], progress: Progress | None = None
) -> tuple[Student, int]:
    """The student of a run, ready for INT8, and how many updates that took.

    Args:
        run: Its transfer set, knowledge, objective and way of training are used again; of the
            objective only the terms about answers, since layers that match hidden features were
            not kept.
        rows: Real inputs, on which ranges are chosen.
        progress: Told of each update.
    """
    student = copy.copy(run.student)
    student.build, student.module = None, copy.deepcopy(run.student.module).cpu().eval()
    round_layers(student.module, some_of(rows, student))
    training = replace(
        run.training,
        optimizer=replace(
            run.training.optimizer,
            learning_rate=LEARNING_RATE_SHARE * run.training.optimizer.learning_rate,
        ),
        schedule=Cosine(),
        average=None,
        patience=None,
        precision="float32",
        compile=False,
        max_norm=None,
    ).for_updates(UPDATES, len(run.transfer_set))
    finished = distill(
        student,
        run.knowledge,
        run.transfer_set,
        about_answers(run),
        training,
        seed=run.seed,
        device=run.job.device,
        progress=progress,
    )
    return as_floats(finished.student), finished.job.updates


def some_of(rows: Shaped[Tensor, "n ..."], student: Student) -> Shaped[Tensor, "m ..."]:
    """A batch of the rows, evenly spread; of texts as long as the longest of them."""
    batch = rows[torch.linspace(0, len(rows) - 1, min(ROWS, len(rows))).long()]
    if student.tokenization is None:
        return batch
    return batch[:, : int(lengths_of(batch, student.tokenization.padding).max())]


def round_layers(module: nn.Module, rows: Shaped[Tensor, "m ..."]) -> None:
    """Round the weights and inputs of every layer that static quantization rounds, in place.

    The ranges of all layers are chosen before any is rounded.
    """
    chosen = []
    with torch.no_grad():
        for layer, inputs in inputs_of_layers(module, rows):
            chosen.append((layer, best_weight(layer, inputs), best_input(layer, inputs)))
    for layer, weight, given in chosen:
        parametrize.register_parametrization(layer, "weight", weight)
        if given is not None:
            layer.add_module("input_range", given)
            layer.register_forward_pre_hook(through_range)


def inputs_of_layers(
    module: nn.Module, rows: Shaped[Tensor, "m ..."]
) -> list[tuple[Layer, Tensor]]:
    """Each layer that the rows pass through, and what it is given the first time."""
    found: dict[Layer, Tensor] = {}

    def keep(layer: Layer, inputs: tuple[Tensor, ...]) -> None:
        found.setdefault(layer, inputs[0])

    layers = [layer for layer in module.modules() if isinstance(layer, LAYERS)]
    handles = [layer.register_forward_pre_hook(keep) for layer in layers]
    module(rows)
    for handle in handles:
        handle.remove()
    return list(found.items())


def best_weight(layer: Layer, inputs: Shaped[Tensor, "m ..."]) -> RoundedWeight:
    """The rounding of the weights that changes the layer's answers least."""
    weight = layer.weight.detach()
    full = weight.abs().flatten(1).amax(dim=1)
    if isinstance(layer, nn.Embedding):
        full = full.max().expand(len(full)).clone()  # ONNX Runtime has one range for all of them
    kinds = [RoundedWeight(share * full) for share in SHARES]
    answers = layer(inputs)
    changes = []
    for kind in kinds:
        rounded = functional_call(layer, {"weight": kind(weight)}, (inputs,))
        changes.append(float((rounded - answers).square().mean()))
    return kinds[changes.index(min(changes))]


def best_input(layer: Layer, inputs: Shaped[Tensor, "m ..."]) -> RoundedInput | None:
    """The rounding of the inputs that changes the layer's answers least; None of token ids."""
    if not inputs.is_floating_point():
        return None
    low, high = min(0.0, float(inputs.min())), max(0.0, float(inputs.max()))
    kinds = [RoundedInput(share * low, share * high) for share in SHARES]
    answers = layer(inputs)
    changes = [float((layer(kind(inputs)) - answers).square().mean()) for kind in kinds]
    return kinds[changes.index(min(changes))]


def as_floats(student: Student) -> Student:
    """The student with its weights as they were rounded, and inputs that are only cut."""
    for layer in list(student.module.modules()):
        if isinstance(layer, LAYERS) and parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        if isinstance(layer, RoundedInput):
            layer.rounds = False
    return student


def about_answers(run: Run) -> Objective:
    """The terms of the run's objective that read logits and labels alone."""
    terms = tuple((w, term) for w, term in run.objective.terms if not term.student_layers)
    if terms:
        return WeightedSum(terms)
    return HardLabels() if run.knowledge is None else SoftTargets(1.0)
