"""The learning curve of a student: what a larger transfer set would bring, from stored knowledge.

Some rows of the transfer set are held out. Students are trained on nested parts of the others, each
part with several seeds, and their risk is how often they disagree with the teacher on the held-out
rows. Its power law, carried on, says what more rows would bring, before anyone collects them. The
store has all the answers: no teacher is run, and no label is needed.

That a distilled student's risk falls with the size of its transfer set, and how fast: Phuong &
Lampert 2019, https://arxiv.org/abs/2105.13093.
"""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck import seeding
from limbeck.errors import LimbeckError
from limbeck.evaluation.curve import LearningCurve, Point
from limbeck.evaluation.power_law import fitted
from limbeck.evaluation.scoring import score
from limbeck.job import Progress, Training
from limbeck.objectives import Objective
from limbeck.store import KnowledgeSource, KnowledgeSubset
from limbeck.students import Student
from limbeck.together import train_together
from limbeck.training import job_of
from limbeck.transfer_sets import TransferSet
from limbeck.types import UNLABELLED

__all__ = ["LearningCurve", "Point", "learning_curve"]

SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


def learning_curve(
    student: Student,
    knowledge: KnowledgeSource,
    transfer_set: TransferSet,
    objective: Objective,
    training: Training | None = None,
    *,
    sizes: Sequence[float] = SHARES,
    seeds: int = 5,
    held_out: float = 0.2,
    multiples: Sequence[float] = (2.0, 4.0),
    confidence: float = 0.95,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> LearningCurve:
    """Measure how a student's disagreement with its teacher falls with the number of examples.

    Every student makes as many updates as one on the largest part, so that only the data differ;
    five sizes take five times as long as one training, for each seed. A seed has its own order of
    the rows, and its parts are nested. Seeds share the rows of large parts, which makes the
    intervals somewhat too narrow there.

    Args:
        student: What to train; it is copied and stays as it is.
        knowledge: A store over the whole transfer set, or a living teacher.
        transfer_set: The examples, labelled or not.
        objective: What to minimise, such as SoftTargets(4.0).
        training: How; its epochs are those of the largest part. Without patience.
        sizes: Shares of the rows that are not held out, ascending in (0, 1]; four or more.
        seeds: How many students of each size, >= 2.
        held_out: Share of the rows to measure on, in (0, 1).
        multiples: Of the transfer set, at which the law is carried on, > 0.
        confidence: Of the intervals, in (0, 1).
        checkpoint: A folder for resumable state of every training.
        device: "cpu", "cuda", ...; None: the best there is.
        progress: Told of each training.

    Returns:
        Points, law, what the law says about more rows, and a sentence.

    Raises:
        StoreMismatch: if the knowledge is about other examples.
        LimbeckError: if sizes, seeds, shares or confidence are not as above.

    Example:
        >>> curve = learning_curve(student, store, data.train, SoftTargets(4.0))
        >>> print(curve.sentence)
    """
    training = training or Training()
    check(sizes, seeds, held_out, multiples, confidence, training)
    judged, rest, counts = parted(knowledge, transfer_set, held_out, sizes)
    updates = training.epochs * math.ceil(counts[-1] / training.batch_size)
    runs = []
    for seed, count in itertools.product(range(seeds), counts):
        mine = rest[seeding.permutation(len(rest), seed, "nested parts")]
        part = KnowledgeSubset(knowledge, transfer_set, mine[:count])
        job = job_of(
            student,
            part,
            part.transfer_set,
            objective,
            training.for_updates(updates, count),
            checkpoint=checkpoint,
            device=device,
        )
        runs.append((job, seed))
    said = []
    for outcome in train_together(runs, progress=progress):
        if isinstance(outcome, LimbeckError):
            raise outcome
        said.append(score(outcome[0], judged.transfer_set).argmax(dim=1))
    predicted = torch.stack(said).view(seeds, len(counts), len(judged))
    return concluded(transfer_set, judged, counts, predicted, multiples, confidence)


def parted(
    knowledge: KnowledgeSource,
    transfer_set: TransferSet,
    held_out: float,
    sizes: Sequence[float],
) -> tuple[KnowledgeSubset, Int[Tensor, " r"], list[int]]:
    """The held-out rows, the other rows, and how many of these each part has."""
    order = seeding.permutation(len(transfer_set), "held out")
    apart = max(2, round(held_out * len(transfer_set)))
    judged = KnowledgeSubset(knowledge, transfer_set, order[:apart].sort().values)
    rest = order[apart:]
    counts = [round(share * len(rest)) for share in sizes]
    if min(counts) < 1 or len(set(counts)) < len(counts):
        raise LimbeckError(
            f"sizes {[round(s, 4) for s in sizes]} of {len(rest)} rows are parts of {counts} rows. "
            "Give sizes that are different numbers of rows, at least 1."
        )
    return judged, rest, counts


def top_class(knowledge: KnowledgeSource) -> Int[Tensor, " n"]:
    """The class that the teacher puts first, of each example."""
    known = knowledge.temperatures
    temperature = 1.0 if known is None or 1.0 in known else min(known)
    found = []
    for rows in torch.arange(len(knowledge)).split(1024):
        said = knowledge.read(rows)
        log_probs = said.log_probs(temperature)
        if said.kept is None:
            found.append(log_probs.argmax(dim=1))
        else:  # the last column is all the dropped classes together
            first = log_probs[:, :-1].argmax(dim=1, keepdim=True)
            found.append(said.kept.gather(1, first)[:, 0])
    return torch.cat(found)


def concluded(
    transfer_set: TransferSet,
    judged: KnowledgeSubset,
    counts: Sequence[int],
    predicted: Int[Tensor, "s k n"],
    multiples: Sequence[float],
    confidence: float,
) -> LearningCurve:
    """The curve from what every student said about the held-out rows."""
    wrong: Bool[np.ndarray, "s k n"] = (predicted != top_class(judged)).numpy()
    labels = judged.transfer_set.labels
    known = labels != UNLABELLED
    right = (predicted == labels)[..., known].double().mean(dim=-1)
    fits = fitted(counts, wrong, confidence)
    rows = float(len(transfer_set))
    return LearningCurve(
        data=transfer_set.name,
        examples=len(transfer_set),
        held_out=len(judged),
        points=tuple(
            point(count, wrong[:, place], right[:, place], bool(known.any()))
            for place, count in enumerate(counts)
        ),
        law=fits.law,
        exponent=fits.exponent(),
        now=fits.at(rows),
        ahead=tuple((float(m), fits.at(m * rows)) for m in multiples),
        gain=fits.gain(rows, 2.0 * rows),
        foretold=(
            fitted(counts[:-1], wrong[:, :-1], confidence).at(float(counts[-1]))
            if len(counts) > 4
            else None
        ),
        fits=fits,
    )


def point(
    count: int, wrong: Bool[np.ndarray, "s n"], right: Float[Tensor, " s"], labelled: bool
) -> Point:
    risks = tuple(float(risk) for risk in wrong.mean(axis=1))
    return Point(count, risks, tuple(right.tolist()) if labelled else ())


def check(
    sizes: Sequence[float],
    seeds: int,
    held_out: float,
    multiples: Sequence[float],
    confidence: float,
    training: Training,
) -> None:
    """Refuse what no curve can be drawn from, before any training."""
    ascending = all(less < more for less, more in itertools.pairwise(sizes))
    if len(sizes) < 4 or not ascending or not (sizes[0] > 0 and sizes[-1] <= 1):
        raise LimbeckError(
            f"sizes is {list(sizes)}; a curve needs at least four shares of the rows, ascending, "
            "above 0 and at most 1. Leave it out for 1/16 to 1."
        )
    if seeds < 2:
        raise LimbeckError(
            f"seeds is {seeds}; the intervals need at least 2, and 5 are better. Use seeds=5."
        )
    for name, value in (("held_out", held_out), ("confidence", confidence)):
        if not 0 < value < 1:
            raise LimbeckError(f"{name} is {value}; it is a share above 0 and below 1.")
    if not multiples or min(multiples) <= 0:
        raise LimbeckError(
            f"multiples is {list(multiples)}; name at least one, above 0, such as 2.0."
        )
    if training.patience is not None:
        raise LimbeckError(
            f"patience is {training.patience}, which stops by a validation part; the curve has "
            "none, so that its held-out rows stay unseen. Leave patience out."
        )
