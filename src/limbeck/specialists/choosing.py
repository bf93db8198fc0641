"""Which correction of the specialists' dustbins to take: the one that is right most often.

Bayes' rule and the paper's words are for images of all classes. Those that call a specialist in are
mostly of its own classes, so that none of the corrections is best everywhere; see `Specialist`.
"""

from collections.abc import Sequence

from limbeck.evaluation import evaluate
from limbeck.specialists.specialist import Correction, Specialist
from limbeck.specialists.with_specialists import WithSpecialists
from limbeck.teachers import Teacher
from limbeck.transfer_sets import TransferSet

__all__ = ["best_corrected"]

CORRECTIONS: tuple[Correction, ...] = ("bayes", "literal", "none")


def best_corrected(
    generalist: Teacher,
    specialists: Sequence[Specialist],
    validation: TransferSet,
    *,
    most_probable: int = 1,
) -> WithSpecialists:
    """Generalist and specialists, corrected as is best on validation examples.

    Of equally good corrections the first of "bayes", "literal" and "none" is taken; the answer's
    `correction` says which.

    Args:
        generalist: A teacher of all classes, or an ensemble of such.
        specialists: At least one, all of the same classes.
        validation: Labelled examples, not the test part.
        most_probable: How many of the generalist's most probable classes call specialists in,
            >= 1.

    Raises:
        ValueError: if there is no specialist, or `most_probable` is out of its range.
        TeacherError: if the specialists or the generalist know other classes than the examples.
        DataError: if the validation part is empty or has no labels.
    """
    wholes = [
        WithSpecialists(generalist, specialists, most_probable=most_probable, correction=kind)
        for kind in CORRECTIONS
    ]
    right = [evaluate(each, validation, latency=False).accuracy.estimate for each in wholes]
    return wholes[right.index(max(right))]
