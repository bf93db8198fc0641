"""What every teacher's name and answer must look like, whatever library it comes from."""

import re
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import TeacherError

__all__ = [
    "PROBABILITY_FLOOR",
    "check_not_probabilities",
    "checked_classes",
    "checked_logits",
    "checked_name",
    "first_line",
    "log_of",
    "name_from",
]

PROBABILITY_FLOOR = 1e-7
"""Below this, a probability counts as this: about the last digit of a float32 probability.

A random forest says exactly 0 for classes that no tree voted for; their logarithm would be infinite
and would veto the class in a geometric mean for ever.
"""


def checked_name(name: str) -> str:
    """The name; a ValueError unless it can name a field in a store."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(
            f"a teacher's name is {name!r}; it takes letters, digits, '_' and '-'. Choose another."
        )
    return name


def name_from(text: str) -> str:
    """A teacher's name from a file's name: what a name cannot hold becomes "_"."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_") or "teacher"


def checked_classes(classes: Iterable[str] | None) -> tuple[str, ...] | None:
    """The class names as a tuple; a ValueError if one is there twice."""
    if classes is None:
        return None
    if isinstance(classes, str):
        raise ValueError(f"classes is the text {classes!r}; it is a list of names.")
    names = tuple(str(name) for name in classes)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"the class name '{twice[0]}' is there twice. Give each class its own.")
    return names


def checked_logits(
    logits: Tensor, examples: int, classes: tuple[str, ...] | None, name: str
) -> Float[Tensor, "b c"]:
    """The logits as float32 (examples, classes), or a TeacherError that says what they are."""
    shape = tuple(logits.shape)
    if shape in ((examples,), (examples, 1)):
        raise TeacherError(
            f"teacher '{name}' gave one number per example (shape {shape}); one column per class "
            "is needed. For a binary teacher return two: "
            "torch.stack([torch.zeros_like(z), z], dim=1), z being the logit of the second class."
        )
    if len(shape) != 2 or shape[0] != examples:
        raise TeacherError(
            f"teacher '{name}' gave logits of shape {shape} for {examples} examples; "
            f"({examples}, classes) is needed. Let it return one row of class scores per example."
        )
    if classes is not None and shape[1] != len(classes):
        raise TeacherError(
            f"teacher '{name}' scored {shape[1]} classes and was given {len(classes)} class "
            "names. Give it one name per column, in the order of its columns."
        )
    return logits.float()


def check_not_probabilities(logits: Float[Tensor, "b c"], name: str, remedy: str) -> None:
    """Raise a TeacherError if logits are probabilities, of which a softmax is nearly uniform."""
    if len(logits) < 2 or abs(float(logits[0].sum()) - 1) >= 1e-3:
        return
    inside = bool((logits >= 0).all()) and bool((logits <= 1).all())
    if inside and bool(((logits.sum(dim=1) - 1).abs() < 1e-3).all()):
        raise TeacherError(
            f"teacher '{name}' answers with probabilities (each row sums to 1), and logits are "
            "needed: the softmax of probabilities is nearly uniform and would teach next to "
            f"nothing. {remedy}"
        )


def log_of(probabilities: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
    """Log-probabilities, those below `PROBABILITY_FLOOR` raised to it; NaN stays NaN."""
    return torch.log(probabilities.double().clamp(min=PROBABILITY_FLOOR)).float()


def first_line(error: BaseException) -> str:
    """The first line of another library's error, without its full stop, to quote in a sentence."""
    lines = str(error).strip().splitlines()
    return (lines[0].strip().rstrip(".") if lines else "") or type(error).__name__
