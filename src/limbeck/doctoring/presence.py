"""Which teachers can be had without a long wait.

A teacher that is loaded, or that trains within seconds, is made in the run folder, where the run
will find it. Any other teacher is not waited for.
"""

import math
from typing import TYPE_CHECKING

from limbeck.recipe.plans import Trained
from limbeck.teachers import Teacher
from limbeck.teaching import Seat, Teaching, build_student

if TYPE_CHECKING:
    from limbeck.experiment import Experiment

__all__ = ["TRAINED_WITHIN", "made_teacher"]

TRAINED_WITHIN = 1e10
"""Weights times examples seen, over all members: a minute's training of dense layers."""

FITTED_WITHIN = 1e6
"""Numbers in the rows that an estimator is fitted to; forests and boosting take seconds."""


def made_teacher(experiment: "Experiment") -> Teacher | None:
    """The recipe's teacher, if it has one that is there or is made within about a minute."""
    if experiment.recipe.teacher is None:
        return None
    teaching = experiment.teaching()
    missing = [seat for seat in teaching.seats if not teaching.is_made(seat)]
    if sum(work(teaching, seat) for seat in missing) > 1.0:
        experiment.say(
            f"{len(missing)} of {len(teaching.seats)} teachers are not trained yet, which takes "
            "longer than an examination; their answers are examined once they are: limbeck annotate"
        )
        return None
    return experiment.teacher()


def work(teaching: Teaching, seat: Seat) -> float:
    """How much of what is affordable it takes to make this teacher; above 1 is too much."""
    rows = len(teaching.labelled)
    if isinstance(seat.plan, Trained):
        weights = build_student(seat.plan.student, teaching.labelled).parameters_count()
        return weights * rows * seat.plan.training.epochs / TRAINED_WITHIN
    return rows * math.prod(teaching.labelled.input_shape) / FITTED_WITHIN
