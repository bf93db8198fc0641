"""Would more examples in the transfer set help? The learning curve of a short probe.

Students are trained on parts of the rows that the teacher was asked about, and the power law of
their disagreement with it is carried on to the whole transfer set and to twice as many rows.
"""

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.learning_curves import learning_curve

__all__ = ["transfer_size"]

GAIN = 0.03
"""What twice as many rows must bring, and surely something; healthy recipes were at 0.02."""

HELD_OUT = 0.4

SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0)
SEEDS = 3
LESS = 4
"""Each of the curve's twelve students sees so many times fewer examples than a probe alone."""

FEWEST = 20
"""Of fewer rows no curve can be drawn, and there are surely too few."""


def transfer_size(case: Case) -> list[Finding]:
    """A transfer set of which twice the size would bring much."""
    rows = len(case.transfer_set)
    if rows < FEWEST:
        return [
            Finding(
                "transfer set",
                f"the transfer set has {rows} rows, too few for a learning curve. Add examples; "
                "they need no labels.",
                wasted=True,
            )
        ]
    if case.knowledge is None or len(case.knowledge) < FEWEST:
        return []
    examples = case.knowledge.transfer_set
    curve = learning_curve(
        case.student,
        case.knowledge,
        examples,
        case.objective,
        case.training(round((1 - HELD_OUT) * len(examples)), most=case.affordable // LESS),
        sizes=SIZES,
        seeds=SEEDS,
        held_out=HELD_OUT,
        progress=case.experiment.progress,
    )
    now, gain = curve.fits.at(float(rows)), curve.fits.gain(float(rows), 2.0 * rows)
    if gain.estimate < GAIN or gain.low <= 0:
        return []
    return [
        Finding(
            "transfer set",
            f"with {rows:,} rows the student disagrees with its teacher on about "
            f"{now.estimate:.0%} of new ones, and twice as many would lower that by "
            f"{100 * gain.estimate:.0f} points (95% interval {100 * gain.low:.0f} to "
            f"{100 * gain.high:.0f}). Add examples; they need no labels.",
            wasted=False,
        )
    ]
