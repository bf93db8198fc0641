"""Are the inputs as the teacher expects them?

A net that learned from standardised images answers to raw ones without complaint, only worse. So
each teacher that comes from elsewhere is asked again about the same rows in other scales; if one of
them surely makes it better, its inputs are not normalised as it expects.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from jaxtyping import Bool
from torch import Tensor

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.doctoring.teacher_quality import gained, mean_of_rows
from limbeck.errors import TeacherError
from limbeck.recipe.plans import Fitted, Trained
from limbeck.teachers import Teacher
from limbeck.teachers.class_order import in_order_of
from limbeck.transfer_sets import TransferSet

__all__ = ["normalisation"]

BETTER = 0.05
"""What another scale must surely gain in accuracy; the best of five gains less by chance."""

ROWS = 300
"""On how many rows: a gain of five points shows, and a large teacher is asked six times."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Scaling = Callable[[Tensor], Tensor]


def normalisation(case: Case) -> list[Finding]:
    """Teachers from elsewhere whose inputs are in another scale than they learned from."""
    if case.teacher is None or case.judged is None or case.judged.tokenization is not None:
        return []
    examples = case.judged.select(torch.arange(min(ROWS, len(case.judged))))
    scalings = other_scalings(case.transfer_set)
    found = []
    for seat, member in zip(case.experiment.teaching().seats, case.teacher.members, strict=True):
        if not isinstance(seat.plan, (Trained, Fitted)):  # those learned from these very inputs
            found += of_member(member, examples, scalings)
        member.release()
    return found


def of_member(
    member: Teacher, examples: TransferSet, scalings: Mapping[str, Scaling]
) -> list[Finding]:
    """The scaling that makes one teacher surely better, if there is one."""
    plain = right(member, examples, lambda inputs: inputs)
    gains = {}
    for name, scaling in scalings.items():
        try:
            gains[name] = mean_of_rows(gained(right(member, examples, scaling), plain))
        except TeacherError:  # some scales make a net overflow; those are not what it expects
            continue
    best = max(gains, key=lambda name: gains[name].low, default=None)
    if best is None or gains[best].low < BETTER:
        return []
    accuracy = float(plain.double().mean())
    return [
        Finding(
            "input",
            f"teacher '{member.name}' is right on {accuracy:.0%} of {len(examples)} rows as they "
            f"are, and on {accuracy + gains[best].estimate:.0%} if they are {best}. Give it the "
            "inputs it learned from: mean and std of the teacher, or scale of the data.",
            wasted=True,
        )
    ]


def right(member: Teacher, examples: TransferSet, scaling: Scaling) -> Bool[Tensor, " n"]:
    """Where a teacher is right about inputs in another scale."""
    order = in_order_of(member.classes, examples.classes)
    found = []
    for rows in torch.arange(len(examples)).split(64):
        batch = examples.batch(rows)
        logits = member.outputs(replace(batch, inputs=scaling(batch.inputs))).logits.cpu()
        said = (logits if order is None else logits[:, order]).argmax(dim=1)
        found.append(said == batch.labels)
    return torch.cat(found)


def other_scalings(transfer_set: TransferSet) -> dict[str, Scaling]:
    """Scales that models are trained with, by what they are called."""
    inputs = transfer_set.batch(torch.arange(min(1000, len(transfer_set)))).inputs
    # images by channel, tables by column
    axes = (0, *range(2, inputs.ndim))
    mean = inputs.mean(dim=axes, keepdim=True)
    std = inputs.std(dim=axes, keepdim=True).clamp(min=1e-6)
    scalings: dict[str, Scaling] = {
        "multiplied by 255": lambda x: 255 * x,
        "divided by 255": lambda x: x / 255,
        "brought from [0, 1] to [-1, 1]": lambda x: 2 * x - 1,
        "standardised (mean 0, deviation 1)": lambda x: (x - mean) / std,
    }
    if inputs.ndim == 4 and inputs.shape[1] == 3:
        middle, spread = (
            torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        scalings["normalised with ImageNet's mean and deviation"] = lambda x: (x - middle) / spread
    return scalings
