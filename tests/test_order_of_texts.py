"""The order in which texts are trained on, scored and annotated: batches of like lengths."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from limbeck import seeding
from limbeck.annotation import annotate
from limbeck.evaluation import score
from limbeck.job import Job
from limbeck.loop import batches, runs_of_batches
from limbeck.objectives import HardLabels, SoftTargets
from limbeck.students import text_cnn
from limbeck.teachers import Teacher
from limbeck.training import Training, distill, job_of
from limbeck.transfer_sets import Texts, Tokenization
from limbeck.types import Batch, Outputs

pytest.importorskip("tokenizers")

CLASSES = ("dull", "bright")
SIZE = 4


@pytest.fixture
def texts(pieces: Any) -> Texts:
    """A hundred and one texts of 3 to 30 tokens."""
    drawn = torch.Generator().manual_seed(1)
    counts = torch.randint(0, 28, (101,), generator=drawn).tolist()
    words = [f"{'very ' * count}{CLASSES[i % 2]}" for i, count in enumerate(counts)]
    labels = [i % 2 for i in range(len(words))]
    return Texts(words, Tokenization(pieces, max_length=32), labels, classes=CLASSES)


class Counting(Teacher):
    """Its logits are about a text's length, to the last digit, whatever is beside it."""

    name, hidden, classes = "counting", (), CLASSES

    def __init__(self) -> None:
        self.widths: list[list[int]] = []

    @property
    def fingerprint(self) -> str:
        return "counting"

    def outputs(self, batch: Batch) -> Outputs:
        lengths = torch.tensor([len(text) for text in batch.texts or ()])
        assert batch.tokenization is not None
        self.widths.append((batch.inputs != batch.tokenization.padding).sum(dim=1).tolist())
        return Outputs(torch.stack([lengths / 7, -lengths / 3], dim=1))


def job(texts: Texts, epochs: int = 3, objective: Any = None) -> Job:
    student = text_cnn(64, 2, 4, embedding=4, dropout=0.0)
    training = Training(epochs=epochs, batch_size=SIZE)
    return job_of(student, None, texts, objective or HardLabels(), training)


def rows_of(made: Iterator[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in made]


def by_hand(lengths: list[int], size: int, *key: int | str) -> list[int]:
    """The order, one example at a time."""
    order = seeding.permutation(len(lengths), *key).tolist()
    whole = len(order) // size * size
    made = []
    for start in range(0, whole, 50 * size):
        window = sorted(order[start : min(start + 50 * size, whole)], key=lambda row: lengths[row])
        made += [window[at : at + size] for at in range(0, len(window), size)]
    turns = seeding.permutation(len(made), *key, "batches").tolist()
    return [row for turn in turns for row in made[turn]] + order[whole:]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 101, 200, 201, 1003])
def test_the_order_is_the_one_described(count: int) -> None:
    """Prevents examples that are seen twice in a pass, or never, and batches of any lengths."""
    lengths = torch.randint(1, 20, (count,), generator=seeding.generator("lengths", count))
    order = seeding.sorted_permutation(lengths, SIZE, 3, "order", 1)
    assert order.tolist() == by_hand(lengths.tolist(), SIZE, 3, "order", 1)
    assert order.sort().values.tolist() == list(range(count))


def test_batches_of_like_lengths_need_little_padding(texts: Texts) -> None:
    """Prevents half of all time from being spent on padding."""
    inputs = [batch.inputs for batch in batches(job(texts, epochs=1), 0)]
    real = sum(int((part != 0).sum()) for part in inputs)
    assert real == int(texts.lengths.sum())
    assert sum(part.numel() for part in inputs) < 1.1 * real
    plain = seeding.permutation(len(texts), 0, "order", 0).split(SIZE)
    assert sum(texts.batch(rows).inputs.numel() for rows in plain) > 1.4 * real


def test_every_pass_and_seed_has_an_order_of_its_own(texts: Texts) -> None:
    """Prevents the same batches in every epoch: sorting must not undo shuffling."""
    per_pass = 26
    made = rows_of(batches(job(texts), 0))
    passes = [made[start : start + per_pass] for start in (0, per_pass, 2 * per_pass)]
    for one in passes:
        assert sorted(row for batch in one for row in batch) == list(range(len(texts)))
    kinds = [{tuple(sorted(batch)) for batch in one} for one in passes]
    assert len(kinds[0] & kinds[1]) < per_pass // 2
    assert passes[0] != passes[1]
    assert rows_of(batches(job(texts), 1)) != made
    widths = [int(texts.lengths[batch].max()) for batch in passes[0]]
    assert widths != sorted(widths)


def test_the_order_is_the_same_from_any_update_on(texts: Texts) -> None:
    """Prevents a resumed run that sees other batches than an uninterrupted one."""
    whole = rows_of(batches(job(texts), 5))
    for start in (1, 25, 26, 27, 60, 78):
        assert rows_of(batches(job(texts), 5, start=start)) == whole[start:]


def test_the_order_is_the_same_however_far_knowledge_is_read_ahead(
    texts: Texts, tmp_path: Path
) -> None:
    """Prevents a twin without knowledge from being trained in another order."""
    store = annotate(Counting(), texts, tmp_path / "s")
    student, training = job(texts).student, Training(epochs=2, batch_size=SIZE)
    taught = job_of(student, store, texts, SoftTargets(), training)
    assert store.ahead > 1
    plain = [
        row for rows, _ in runs_of_batches(job(texts, epochs=2), 2, 0) for row in rows.tolist()
    ]
    ahead = [row for rows, _ in runs_of_batches(taught, 2, 0) for row in rows.tolist()]
    assert ahead == plain
    for batch in batches(taught, 2):
        assert batch.knowledge is not None
        expected = Counting().outputs(batch).logits
        found = batch.knowledge.log_probs(1.0)
        torch.testing.assert_close(found, expected.log_softmax(1), atol=2e-2, rtol=2e-3)


def test_an_interrupted_training_goes_on_with_the_same_texts(
    texts: Texts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents another student after an interruption."""
    monkeypatch.setattr("limbeck.fitting.CHECKPOINT_SECONDS", 0.0)
    student = text_cnn(64, 2, 4, embedding=4, dropout=0.5)
    plan = {"training": Training(epochs=2, batch_size=SIZE)}
    expected = distill(student, None, texts, HardLabels(), **plan).student

    def stop(_: str, made: int, __: int) -> None:
        if made == 33:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        distill(student, None, texts, HardLabels(), checkpoint=tmp_path, progress=stop, **plan)
    found = distill(student, None, texts, HardLabels(), checkpoint=tmp_path, **plan).student
    for one, other in zip(expected.module.parameters(), found.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_belongs_to_a_tokenization(texts: Texts, pieces: Any, tmp_path: Path) -> None:
    """Prevents a student of other tokens from being read back as this run's result."""
    student, training = job(texts).student, Training(epochs=1, batch_size=SIZE)
    for max_length in (32, 4, 32):
        data = texts.tokenised(Tokenization(pieces, max_length=max_length))
        distill(student, None, data, HardLabels(), training, checkpoint=tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_scores_are_in_the_order_of_the_rows(texts: Texts) -> None:
    """Prevents each text from being judged by another's answer."""
    teacher = Counting()
    part = texts.select(torch.arange(100, 20, -1))
    scores = score(teacher, part, batch_size=7)
    lengths = torch.tensor([len(text) for text in part.texts])
    expected = torch.stack([lengths / 7, -lengths / 3], dim=1).log_softmax(dim=1)
    torch.testing.assert_close(scores, expected)
    seen = [width for batch in teacher.widths for width in batch]
    assert seen == sorted(seen, reverse=True)


def test_a_store_is_in_the_order_of_the_rows(texts: Texts, tmp_path: Path) -> None:
    """Prevents knowledge beside the wrong text; and bytes that depend on how it was asked for."""
    teacher = Counting()
    store = annotate(teacher, texts, tmp_path / "s", dtype="float32", batch_size=5, shard_rows=40)
    lengths = torch.tensor([len(text) for text in texts.texts])
    expected = torch.stack([lengths / 7, -lengths / 3], dim=1)
    found = store.read(torch.arange(len(texts))).log_probs(1.0)
    torch.testing.assert_close(found, expected.log_softmax(dim=1))
    for start in (0, 8, 16):  # the batches of a shard
        seen = [width for batch in teacher.widths[start : start + 8] for width in batch]
        assert seen == sorted(seen, reverse=True)
    annotate(Counting(), texts, tmp_path / "t", dtype="float32", batch_size=40, shard_rows=40)
    for shard in (tmp_path / "s").glob("*.arrow"):
        assert shard.read_bytes() == (tmp_path / "t" / shard.name).read_bytes()


def test_a_store_does_not_depend_on_the_tokens(texts: Texts, pieces: Any, tmp_path: Path) -> None:
    """Prevents a store that serves only students with the tokenizer that it was written with."""
    store = annotate(Counting(), texts, tmp_path / "s")
    other = texts.tokenised(Tokenization(pieces, max_length=5))
    store.check(other)
