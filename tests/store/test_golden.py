"""Stores of every format that was ever released must open for ever."""

import json
from pathlib import Path

import pytest
import torch

from limbeck.store import KnowledgeStore, verify
from limbeck.store.format import MANIFEST
from limbeck.store.manifest import load_manifest, manifest_bytes

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


def test_the_golden_store_of_tokens_reads_as_it_was_written():
    """Offsets, the order of a map's axes, and zeros where there is no token."""
    read = KnowledgeStore(GOLDEN / "format-2-tokens").read(ROWS)
    vectors, maps = read.hidden["vectors"], read.hidden["maps"]
    assert (vectors.shape, maps.shape) == ((6, 6, 3), (6, 2, 6, 6))
    assert read.lengths["vectors"].tolist() == read.lengths["maps"].tolist() == [1, 2, 3, 4, 5, 6]
    for e in range(6):
        for i in range(6):
            assert vectors[e, i].tolist() == ([e, i, 0.5] if i <= e else [0, 0, 0])
            for j in range(6):
                inside = i <= e and j <= e
                assert maps[e, :, i, j].tolist() == ([10 * i + j, -e] if inside else [0, 0])


@pytest.mark.parametrize("kind", ["1-dense", "1-top-k", "2-tokens"])
def test_a_manifest_is_written_as_it_always_was(kind):
    """A new key in an old format would make equal requests differ in their bytes."""
    folder = GOLDEN / f"format-{kind}"
    assert manifest_bytes(load_manifest(folder)) == (folder / MANIFEST).read_bytes()


@pytest.mark.parametrize("kind", ["1-dense", "1-top-k", "2-tokens"])
def test_the_golden_bytes_are_whole(kind):
    """A line-ending filter of version control would damage them."""
    assert verify(GOLDEN / f"format-{kind}").ok
