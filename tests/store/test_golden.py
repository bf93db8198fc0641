"""Stores of every format that was ever released must open for ever."""

import json
from pathlib import Path

import pytest
import torch

from limbeck.store import KnowledgeStore, verify

GOLDEN = Path(__file__).parent.parent / "golden"
ROWS = torch.arange(6)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_golden_dense_store_reads_as_it_was_written(temperature):
    """A reader that drifts would make old stores wrong without a word."""
    expected = json.loads((GOLDEN / "answers.json").read_text())[str(temperature)]
    store = KnowledgeStore(GOLDEN / "format-1-dense")
    read = store.read(ROWS)
    torch.testing.assert_close(
        read.log_probs(temperature).exp(), torch.tensor(expected), atol=1e-6, rtol=1e-5
    )
    assert store.members == ("formula-1", "formula-2")
    assert read.hidden["formula-2.layer"].tolist() == [[[i], [i]] for i in range(6)]


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_golden_top_k_store_reads_as_it_was_written(temperature):
    """The two most probable classes at temperature 1, and the rest as one."""
    answers = json.loads((GOLDEN / "answers.json").read_text())
    read = KnowledgeStore(GOLDEN / "format-1-top-k").read(ROWS)
    told = read.log_probs(temperature).exp()
    for row, (soft, plain) in enumerate(
        zip(answers[str(temperature)], answers["1.0"], strict=True)
    ):
        best = sorted(range(5), key=lambda c: -plain[c])[:2]
        assert read.kept[row].tolist() == best
        expected = [soft[c] for c in best]
        assert told[row].tolist() == pytest.approx([*expected, 1 - sum(expected)], abs=1e-6)


@pytest.mark.parametrize("kind", ["dense", "top-k"])
def test_the_golden_bytes_are_whole(kind):
    """A line-ending filter of version control would damage them."""
    assert verify(GOLDEN / f"format-1-{kind}").ok
