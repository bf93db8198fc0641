"""Write the golden stores of the present format; run once per format and review the diff.

    python tests/golden/make_golden.py

Each folder `format-<n>-<kind>` must open for ever. `answers.json` holds what must be read from
them, computed here in plain Python from the formulas, not by limbeck.
"""

import json
import math
import shutil
from pathlib import Path

import torch

from limbeck.annotation import annotate
from limbeck.store.format import FORMAT_VERSION
from limbeck.teachers import Ensemble
from limbeck.teachers.teacher import Teacher
from limbeck.transfer_sets import Arrays
from limbeck.types import Outputs

EXAMPLES, CLASSES = 6, 5


def logit(seed: int, example: int, label: int) -> float:
    """Exact in float16, with row maxima of 0 once centred."""
    return ((example * 7 + label * 3 + seed * 5) % 11) / 4


class Formula(Teacher):
    """Logits and a hidden feature from the formula above."""

    hidden = ("layer",)

    def __init__(self, seed: int) -> None:
        self.seed, self.name = seed, f"formula-{seed}"

    @property
    def fingerprint(self) -> str:
        return self.name

    def outputs(self, batch):
        table = [
            [logit(self.seed, e, label) for label in range(CLASSES)] for e in batch.rows.tolist()
        ]
        features = batch.rows[:, None, None].float() * torch.ones(1, 2, 1)
        return Outputs(torch.tensor(table), {"layer": features})


def softened(seed: int, example: int, temperature: float) -> list[float]:
    terms = [math.exp(logit(seed, example, label) / temperature) for label in range(CLASSES)]
    return [term / sum(terms) for term in terms]


def mean(example: int, temperature: float) -> list[float]:
    pairs = zip(softened(1, example, temperature), softened(2, example, temperature), strict=True)
    return [(a + b) / 2 for a, b in pairs]


def main() -> None:
    here = Path(__file__).parent
    inputs = torch.arange(EXAMPLES).float()[:, None]
    data = Arrays(
        inputs, classes=list("abcde"), ids=[f"g{i}" for i in range(EXAMPLES)], name="golden"
    )
    teacher = Ensemble([Formula(1), Formula(2)], combine="arithmetic")
    for kind, options in (("dense", {}), ("top-k", {"top_k": 2, "temperatures": (1.0, 4.0)})):
        folder = here / f"format-{FORMAT_VERSION}-{kind}"
        shutil.rmtree(folder, ignore_errors=True)
        annotate(teacher, data, folder, shard_rows=4, **options)
    answers = {str(t): [mean(e, t) for e in range(EXAMPLES)] for t in (1.0, 4.0)}
    (here / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
