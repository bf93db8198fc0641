"""One kind of training, measured seed by seed on the same test examples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.evaluation.accuracy import correct
from limbeck.evaluation.evaluation import Evaluation, measures
from limbeck.evaluation.scoring import score
from limbeck.training import Run
from limbeck.transfer_sets import TransferSet

__all__ = ["Arm", "Measure"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Measure:
    """How every student is measured.

    Attributes:
        test: The test part.
        rows: Its labelled rows.
        confidence: Of the intervals.
        teacher_scores: The teacher's log-probabilities of these rows.
    """

    test: TransferSet
    rows: Int[Tensor, " n"]
    confidence: float
    teacher_scores: Float[Tensor, "n c"] | None = None

    def of(self, scores: Float[Tensor, "n c"], model: str) -> Evaluation:
        """All figures that follow from a model's log-probabilities."""
        return measures(
            scores,
            self.test,
            self.rows,
            model=model,
            teacher_scores=self.teacher_scores,
            confidence=self.confidence,
        )

    def hits(self, scores: Float[Tensor, "n c"]) -> Float[Array, " n"]:
        """1 where a model is right, 0 where not."""
        found: Array = correct(scores, self.test.labels[self.rows]).double().numpy()
        return found


class Arm:
    """The trainings of one kind, seed by seed; the students themselves are not kept."""

    def __init__(self) -> None:
        self.evaluations: tuple[Evaluation, ...] = ()
        self.seed_answers: list[Tensor] = []
        self.seed_hits: list[Array] = []
        self.histories: tuple[Mapping[str, Any], ...] = ()

    def add(self, run: Run, measure: Measure) -> None:
        """Measure a trained student."""
        scores = score(run.student, measure.test)[measure.rows]
        self.evaluations += (measure.of(scores, "student"),)
        self.seed_answers.append(scores.argmax(dim=1))
        self.seed_hits.append(measure.hits(scores))
        self.histories += (run.history.to_json(),)

    def give(self, size: Evaluation) -> None:
        """All students of both arms are built alike: size and latency are measured once."""
        self.evaluations = tuple(
            replace(e, parameters=size.parameters, bytes=size.bytes, latency=size.latency)
            for e in self.evaluations
        )

    @property
    def answers(self) -> Int[Tensor, "s n"]:
        """The class that each seed puts first on each test example."""
        return torch.stack(self.seed_answers)

    @property
    def hits(self) -> Float[Array, "s n"]:
        """Whether each test example was right with each seed, as 0 and 1."""
        return np.stack(self.seed_hits)
