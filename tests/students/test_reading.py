"""A model reads a text with its own tokenizer, whoever made the batch."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students import Student, text_transformer
from limbeck.students.reading import inputs_for, lengths_by_layer, lengths_of, real
from limbeck.transfer_sets import Texts, Tokenization
from limbeck.types import Batch

TEXTS = ["a film", "a very dull film", "bright", "a not so dull film, not at all"]


@pytest.fixture
def texts(pieces: Any) -> Texts:
    return Texts(TEXTS, Tokenization(pieces), [0, 1, 0, 1], classes=["dull", "bright"])


def of_rows(texts: Texts, *rows: int) -> Batch:
    return texts.batch(torch.tensor(rows))


def test_a_batch_of_the_same_tokenization_is_read_as_it_is(texts: Texts, pieces: Any) -> None:
    """Tokenising again costs more than a small student."""
    batch = of_rows(texts, 0, 1)
    for own in (None, texts.tokenization, Tokenization(pieces)):
        assert inputs_for(own, batch, whose="it") is batch.inputs


def test_a_batch_of_another_tokenization_is_read_from_its_texts(texts: Texts, pieces: Any) -> None:
    """Ids of another tokenizer are other words, and train to a plausible loss."""
    own = Tokenization(pieces, max_length=4)
    found = inputs_for(own, of_rows(texts, 3, 0), whose="it")
    assert torch.equal(found, own([TEXTS[3], TEXTS[0]]))
    assert not torch.equal(found, of_rows(texts, 3, 0).inputs[:, :4])


def test_a_batch_without_texts_is_refused(pieces: Any) -> None:
    """Pixels taken for tokens."""
    batch = Batch(torch.arange(2), torch.rand(2, 8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(LimbeckError, match=r"it reads texts, .* shape \(2, 8\) without any"):
        inputs_for(Tokenization(pieces), batch, whose="it")


def test_lengths_are_those_that_the_transfer_set_counted(texts: Texts) -> None:
    """Two counts of one thing must agree, or the last tokens' features are lost."""
    batch = of_rows(texts, 0, 1, 2, 3)
    assert torch.equal(lengths_of(batch.inputs, 0), texts.lengths)
    assert torch.equal(real(batch.inputs, 0).sum(dim=1), texts.lengths)


def test_padding_inside_a_text_is_of_the_text() -> None:
    """A text may quote the padding token."""
    tokens = torch.tensor([[5, 0, 7, 0, 0], [0, 0, 0, 0, 0]])
    assert lengths_of(tokens, 0).tolist() == [3, 1]
    assert real(tokens, 0).tolist() == [[True] * 3 + [False] * 2, [True] + [False] * 4]


def test_layers_with_an_answer_per_token_say_how_many_there_are(texts: Texts) -> None:
    """Compared without lengths, features of the padding count as the text's."""
    batch = of_rows(texts, 0, 3)
    b, t = batch.inputs.shape
    hidden = {
        "tokens": torch.zeros(b, t, 5),
        "maps": torch.zeros(b, 2, t, t),
        "pooled": torch.zeros(b, 5),
        "other": torch.zeros(b, t + 1, 5),
    }
    lengths = lengths_by_layer(hidden, batch.inputs, texts.tokenization)
    assert {name: value.tolist() for name, value in lengths.items()} == {
        "tokens": texts.lengths[[0, 3]].tolist(),
        "maps": texts.lengths[[0, 3]].tolist(),
    }
    assert lengths_by_layer(hidden, batch.inputs, None) == {}


def test_a_student_reads_with_the_tokenizer_it_was_trained_with(texts: Texts, pieces: Any) -> None:
    """Evaluated on a set that was tokenised otherwise, it would be given other words."""
    student = text_transformer(64, 2, 8, dropout=0.0)
    student.tokenization = Tokenization(pieces, max_length=4)
    student.hidden = ("blocks.0",)
    outputs = student.outputs(of_rows(texts, 3, 0))
    tokens = student.tokenization([TEXTS[3], TEXTS[0]])
    assert torch.equal(outputs.logits, student.module(tokens))
    assert outputs.lengths["blocks.0"].tolist() == [4, 4]


def test_a_module_of_ones_own_is_given_the_tokens_as_they_are(texts: Texts) -> None:
    """Any module that takes token ids is a student."""

    class Count(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1, 2))

        def forward(self, tokens: Tensor) -> Tensor:
            return (tokens != 0).sum(dim=1, keepdim=True) * self.weight

    logits = Student(Count()).outputs(of_rows(texts, 0, 1)).logits
    assert logits[:, 0].tolist() == [4.0, 6.0]
