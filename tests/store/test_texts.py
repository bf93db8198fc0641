"""Stores about texts: teachers with a tokenizer of their own, and students with another."""

import pytest
import torch
from torch import nn

from limbeck.annotation import annotate
from limbeck.errors import StoreMismatch, TeacherError
from limbeck.store import KnowledgeStore, verify
from limbeck.teachers import TorchModule, Transformers
from limbeck.transfer_sets.texts import Texts
from limbeck.transfer_sets.tokenization import Tokenization

tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

WORDS = ("a", "dull", "bright", "film", "very", "not")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))


def words_of(max_length=12):
    """One token per word, and no special ones."""
    vocabulary = {word: i for i, word in enumerate(("[PAD]", "[UNK]", *WORDS))}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return Tokenization(made, max_length=max_length)


@pytest.fixture
def data():
    """Thirty texts of 1 to 8 words."""
    drawn = torch.Generator().manual_seed(0)
    texts = []
    for number in range(30):
        picked = torch.randint(len(WORDS), (number % 8 + 1,), generator=drawn)
        texts.append(" ".join(WORDS[i] for i in picked))
    return Texts(texts, words_of(), classes=["bad", "fair", "good"], name="reviews")


def test_a_teacher_with_its_own_tokenizer_keeps_its_own_tokens(data, tiny_bert, tmp_path):
    """The student's tokens say nothing about how many the teacher saw."""
    layers = ("hidden_states.0", "hidden_states.2", "attentions.1")
    teacher = Transformers(tiny_bert, hidden=layers, name="bert")
    store = annotate(
        teacher, data, tmp_path / "s", hidden_dtype="float32", shard_rows=8, batch_size=5
    )
    rows = torch.tensor([22, 3, 7, 0])
    read = store.read(rows)
    for place, row in enumerate(rows.tolist()):
        alone = teacher.outputs(data.batch(torch.tensor([row])))
        count = len(teacher.tokenization.encode([data.texts[row]])[0])
        assert count == int(data.lengths[row]) + 2  # [CLS] and [SEP]
        for layer in layers:
            assert int(read.lengths[layer][place]) == count
            cut = (
                (slice(count),) if "hidden" in layer else (slice(None), slice(count), slice(count))
            )
            found = read.hidden[layer][place][cut]
            torch.testing.assert_close(found, alone.hidden[layer][0], atol=1e-5, rtol=1e-4)
    assert store.hidden_shapes == {layers[0]: (-1, 16), layers[1]: (-1, 16), layers[2]: (2, -1, -1)}
    assert verify(tmp_path / "s", teacher, data).ok


def test_a_store_serves_students_with_another_tokenizer(data, tiny_bert, tmp_path):
    """Knowledge is about a text, whatever tokens it is cut into."""
    teacher = Transformers(tiny_bert, hidden=("hidden_states.2",), name="bert")
    annotate(teacher, data, tmp_path / "s", hidden_tokens=1)
    other = data.tokenised(words_of(max_length=4))
    store = annotate(teacher, other, tmp_path / "s", hidden_tokens=1)
    store.check(other)
    assert verify(tmp_path / "s", teacher, other).ok


def test_another_tokenizer_of_the_teacher_is_told_by_name(data, tiny_bert, tmp_path):
    """Other weights would be looked for, and they are the same."""
    annotate(Transformers(tiny_bert, name="bert"), data, tmp_path / "s")
    shorter = Transformers(tiny_bert, name="bert", max_length=5)
    message = (
        "holds the answers of a teacher with another tokenizer: 'bert' read the texts with a "
        "tokenizer or a max_length that 'bert' has not"
    )
    with pytest.raises(StoreMismatch, match=message):
        annotate(shorter, data, tmp_path / "s")
    with pytest.raises(StoreMismatch, match=f"this store {message}"):
        KnowledgeStore(tmp_path / "s").check(data, shorter)


class Bag(nn.Module):
    """The mean of the words' embeddings, which is also the place of a layer per token."""

    def __init__(self, channels=4):
        super().__init__()
        self.words = nn.Embedding(8, 6)
        self.across = nn.Conv1d(6, channels, 1)
        self.scores = nn.Linear(channels, 3)

    def forward(self, tokens):
        embedded = self.words(tokens)
        return self.scores(self.across(embedded.transpose(1, 2)).mean(dim=2))


def test_a_teacher_that_reads_the_tokens_of_the_transfer_set_records_them(data, tmp_path):
    """Its weights are the same and its answers are others: nothing else would tell."""
    teacher = TorchModule(Bag(), name="bag")
    annotate(teacher, data, tmp_path / "s")
    with pytest.raises(StoreMismatch, match="teacher with another tokenizer"):
        annotate(teacher, data.tokenised(words_of(max_length=3)), tmp_path / "s")


def test_a_layer_that_is_as_long_as_a_text_by_chance_is_not_cut(data, tmp_path):
    """Channels 4 to 8 of a convolution would be thrown away as padding."""
    for channels in (1, 4, 8):
        teacher = TorchModule(Bag(channels), hidden=("across",), name="bag")
        message = "layer 'across' of (the teacher is|teacher 'bag' is as long as the texts)"
        with pytest.raises(TeacherError, match=message):
            annotate(teacher, data, tmp_path / str(channels), batch_size=7)
    embedded = TorchModule(Bag(), hidden=("words",), name="bag")
    store = annotate(embedded, data, tmp_path / "s", batch_size=7)
    assert store.read(torch.arange(30)).lengths["words"].tolist() == data.lengths.tolist()
