"""Write the golden stores of every format; run once per format and review the diff.

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


class PerToken(Formula):
    """Example e has e + 1 tokens; a vector for each, and a map (query, key) of two heads."""

    hidden = ("vectors", "maps")

    def outputs(self, batch):
        counts = batch.rows + 1
        t = int(counts.max())
        vectors, maps = (
            torch.full((len(counts), t, 3), 9.0),
            torch.full((len(counts), 2, t, t), 9.0),
        )
        for place, e in enumerate(batch.rows.tolist()):
            for i in range(e + 1):
                vectors[place, i] = torch.tensor([e, i, 0.5])
                for j in range(e + 1):
                    maps[place, :, i, j] = torch.tensor([10 * i + j, -e])
        logits = super().outputs(batch).logits
        return Outputs(
            logits, {"vectors": vectors, "maps": maps}, dict.fromkeys(self.hidden, counts)
        )


def softened(seed: int, example: int, temperature: float) -> list[float]:
    terms = [math.exp(logit(seed, example, label) / temperature) for label in range(CLASSES)]
    return [term / sum(terms) for term in terms]


def mean(example: int, temperature: float) -> list[float]:
    pairs = zip(softened(1, example, temperature), softened(2, example, temperature), strict=True)
    return [(a + b) / 2 for a, b in pairs]


def written(teacher: Teacher, data: Arrays, folder: Path, **options) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    annotate(teacher, data, folder, shard_rows=4, **options)


def main() -> None:
    here = Path(__file__).parent
    inputs = torch.arange(EXAMPLES).float()[:, None]
    data = Arrays(
        inputs, classes=list("abcde"), ids=[f"g{i}" for i in range(EXAMPLES)], name="golden"
    )
    teacher = Ensemble([Formula(1), Formula(2)], combine="arithmetic")
    for kind, options in (("dense", {}), ("top-k", {"top_k": 2, "temperatures": (1.0, 4.0)})):
        written(teacher, data, here / f"format-1-{kind}", **options)
    written(PerToken(1), data, here / "format-2-tokens")
    answers = {str(t): [mean(e, t) for e in range(EXAMPLES)] for t in (1.0, 4.0)}
    (here / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
