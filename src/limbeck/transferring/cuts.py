"""Where to cut a trained student, and whether to train the copied layers on.

Every cut is tried frozen and trained on, with the same seeds and the same number of updates as the
student without copied layers, and measured on the validation part: choices are made there, and what
was chosen is measured once more on the test part.

Yosinski, Clune, Bengio & Lipson, "How transferable are features in deep neural networks?", 2014,
https://arxiv.org/abs/1411.1792, section 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation.accuracy import correct
from limbeck.evaluation.scoring import score
from limbeck.evaluation.significance import Array, Interval, crossed
from limbeck.job import Progress, Training
from limbeck.objectives import HardLabels, Objective
from limbeck.store import KnowledgeSource
from limbeck.students import Student
from limbeck.together import Outcome, train_together
from limbeck.training import Run, job_of
from limbeck.transfer_sets import TransferSet
from limbeck.transferring.advising import Arm, advice
from limbeck.transferring.layers import chosen, layers_of
from limbeck.transferring.transplanting import transfer

__all__ = ["Cut", "Transferability", "transferability"]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cut:
    """One way to start from the base, and how well it did.

    Attributes:
        layers: The copied layers' module paths; none for the student from scratch.
        freeze: Whether they were left as they are.
        accuracy: On the validation part, in [0, 1], with its 95 % interval over seeds and examples.
        gain: Accuracy above that of the student from scratch with the same seeds, likewise.
        by_seed: Accuracy with each seed, in the order of the seeds.
    """

    layers: tuple[str, ...]
    freeze: bool
    accuracy: Interval
    gain: Interval
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Transferability:
    """How every cut did, and what follows.

    Attributes:
        cuts: The student from scratch first, then each cut, frozen and trained on.
        seeds: Of the runs; every cut was trained with each.
        sentence: Where to cut and whether to freeze, in words, and how sure that is.
    """

    cuts: tuple[Cut, ...]
    seeds: tuple[int, ...]
    sentence: str

    @property
    def best(self) -> Cut:
        """The cut with the highest validation accuracy; of equal ones the first."""
        return max(self.cuts, key=lambda cut: cut.accuracy.estimate)


def transferability(
    base: Student | Run,
    transfer_set: TransferSet,
    validation: TransferSet,
    training: Training | None = None,
    *,
    objective: Objective | None = None,
    knowledge: KnowledgeSource | None = None,
    cuts: Sequence[int | Sequence[str]] | None = None,
    into: Student | None = None,
    seeds: int | Sequence[int] = 3,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Transferability:
    """Try every cut of a trained student on a new task, frozen and trained on.

    It trains (1 + 2 x cuts) x seeds students, together.

    Args:
        base: The trained student.
        transfer_set: What the new students learn on.
        validation: Labelled examples of the same task, at least two.
        training: How they are trained; the defaults of `Training` otherwise.
        objective: What they minimise; None: HardLabels().
        knowledge: What teachers said about the transfer set, if the objective reads it.
        cuts: Which layers to copy, each as `transfer` takes them; None: the first 1, 2, ..., all
            but the last.
        into: The student to copy into; None: the base's own architecture with the task's classes.
        seeds: How many, at least 2 (0, 1, ..., but for the base's own); or which.
        checkpoint: A folder for resumable state, as `distill` takes it.
        device: "cpu", "cuda", ...; None: the best there is.
        progress: Told of each update.

    Raises:
        DataError: if the validation part has other classes than the transfer set.
        LimbeckError: if a cut does not fit, a training diverges, or there are fewer than two seeds.

    Example:
        found = lb.transferability(run, data.train, data.validation)
        print(found.sentence)
    """
    check_classes(transfer_set, validation)
    chosen_seeds = checked_seeds(base, seeds)
    source = base.student if isinstance(base, Run) else base
    classes = len(transfer_set.classes) if into is None else None
    arms = arms_of(source, cuts)
    jobs = [
        job_of(
            transfer(source, paths, freeze=freeze, classes=classes, into=into),
            knowledge,
            transfer_set,
            objective or HardLabels(),
            training or Training(),
            validation=None if training is None or training.patience is None else validation,
            checkpoint=checkpoint,
            device=device,
        )
        for paths, freeze in arms
    ]
    runs = [(job, seed) for job in jobs for seed in chosen_seeds]
    outcomes = train_together(runs, progress=progress)
    rows = [hits_of(outcome, validation.labelled()) for outcome in outcomes]
    hits = np.stack(rows).reshape(len(arms), len(chosen_seeds), -1)
    return concluded(dict(zip(arms, hits, strict=True)), chosen_seeds)


def arms_of(source: Student, cuts: Sequence[int | Sequence[str]] | None) -> list[Arm]:
    """From scratch first, then every cut, frozen and trained on."""
    if cuts is None:
        cuts = range(1, len(layers_of(source)))
    copied = dict.fromkeys(chosen(source, layers) for layers in cuts)
    return [
        ((), False),
        *((paths, freeze) for paths in copied if paths for freeze in (True, False)),
    ]


def hits_of(outcome: Outcome, examples: TransferSet) -> Float[Array, " n"]:
    """What a trained student gets right: 1 or 0 per labelled example.

    Raises:
        LimbeckError: if its training failed.
    """
    if isinstance(outcome, LimbeckError):
        raise outcome
    scores = score(outcome[0], examples)
    return correct(scores, examples.labels).double().numpy()


def concluded(hits: Mapping[Arm, Float[Array, "s n"]], seeds: tuple[int, ...]) -> Transferability:
    """The accuracies and the advice, from what each cut got right with each seed."""
    scratch = hits[(), False]
    found = tuple(
        Cut(
            paths,
            freeze,
            crossed(rows, CONFIDENCE).within(0.0, 1.0),
            crossed(rows - scratch, CONFIDENCE),
            tuple(rows.mean(axis=1).tolist()),
        )
        for (paths, freeze), rows in hits.items()
    )
    return Transferability(found, seeds, advice(hits, CONFIDENCE))


def checked_seeds(base: Student | Run, seeds: int | Sequence[int]) -> tuple[int, ...]:
    """At least two different seeds, none of them the base's own.

    With the base's seed a copied student's new layers would start where the base's started.
    """
    own = base.seed if isinstance(base, Run) else None
    if isinstance(seeds, int):
        free = (seed for seed in range(seeds + 1) if seed != own)
        found = tuple(seed for seed, _ in zip(free, range(seeds), strict=False))
    else:
        found = tuple(dict.fromkeys(seeds))
    if own in found:
        raise LimbeckError(
            f"seed {own} is the base's own: new layers would start where the base's did, and fit "
            "the copied ones by descent. Give other seeds."
        )
    if len(found) < 2:
        raise LimbeckError(
            f"{len(found)} seed(s) cannot show how much the accuracy varies. Give at least 2."
        )
    return found


def check_classes(transfer_set: TransferSet, validation: TransferSet) -> None:
    if validation.classes != transfer_set.classes:
        raise DataError(
            f"{validation.name} has the classes {list(validation.classes)[:5]} and "
            f"{transfer_set.name} {list(transfer_set.classes)[:5]}. Give a validation part of the "
            "same task, with its classes in the same order."
        )
