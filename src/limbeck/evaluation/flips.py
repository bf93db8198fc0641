"""Flips: what the teacher gets right and the student does not, example by example."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor

from limbeck.errors import LimbeckError

__all__ = ["FlippedExample", "check_answers", "flipped", "flips_of"]


@dataclass(frozen=True)
class FlippedExample:
    """An example that the teacher gets right and the student, in some run, does not.

    Attributes:
        id: The example's name.
        label: Its class, which the teacher gives it.
        answer: The wrong class that most of those runs give it.
        runs: In how many runs.
    """

    id: str
    label: str
    answer: str
    runs: int


def flips_of(
    teacher: Int[Tensor, " n"], students: Int[Tensor, "s n"], labels: Int[Tensor, " n"]
) -> Bool[Tensor, "s n"]:
    """Where the teacher is right and a run of the student is not."""
    return (teacher == labels) & (students != labels)


def flipped(
    teacher: Int[Tensor, " n"],
    students: Int[Tensor, "s n"],
    labels: Int[Tensor, " n"],
    ids: Sequence[str],
    classes: Sequence[str],
) -> tuple[FlippedExample, ...]:
    """The examples that the teacher gets right and the student does not, most runs first.

    Arguments and errors are those of `bias`; `ids` names each example.
    """
    check_answers(teacher, students, labels, len(classes))
    wrong = flips_of(teacher, students, labels)
    counts = wrong.sum(dim=0)
    rows = counts.argsort(descending=True, stable=True)[: int((counts > 0).sum())]
    return tuple(
        FlippedExample(
            id=ids[row],
            label=classes[int(labels[row])],
            answer=classes[int(students[wrong[:, row], row].bincount().argmax())],
            runs=int(counts[row]),
        )
        for row in rows.tolist()
    )


def check_answers(
    teacher: Int[Tensor, " n"],
    students: Int[Tensor, "s n"],
    labels: Int[Tensor, " n"],
    classes: int,
) -> None:
    """Refuse what would be counted wrongly without a word."""
    shapes = tuple(teacher.shape), tuple(students.shape), tuple(labels.shape)
    fits = labels.ndim == 1 and shapes[0] == shapes[2] == shapes[1][1:]
    if not fits or 0 in students.shape:
        raise LimbeckError(
            f"the answers have the shapes {shapes[0]} (teacher), {shapes[1]} (students) and "
            f"{shapes[2]} (labels). Give (examples,), (runs, examples) and (examples,), at least "
            "one of each."
        )
    for name, numbers in (("teacher", teacher), ("students", students), ("labels", labels)):
        low, high = int(numbers.min()), int(numbers.max())
        if low < 0 or high >= classes:
            raise LimbeckError(
                f"the class numbers of the {name} go from {low} to {high}, and there are "
                f"{classes} classes, numbered from 0. Leave out examples without a label."
            )
