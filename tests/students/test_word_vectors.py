"""A transformer's word vectors as the embedding that a student begins with."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tokenizers
import torch

from limbeck.budgeting import family
from limbeck.errors import LimbeckError, RecipeError
from limbeck.objectives import HardLabels
from limbeck.recipe import Recipe
from limbeck.students import (
    load,
    save,
    text_cnn,
    text_gru,
    text_transformer,
    transformers_classifier,
)
from limbeck.students.word_vectors import word_vectors
from limbeck.teaching import build_student
from limbeck.training import Training, distill
from limbeck.transfer_sets import Texts, Tokenization

pytest.importorskip("transformers")

WIDTH = 16
STUDENTS = [text_cnn, text_gru, text_transformer]
TEXTS = [f"a {'very ' * (i % 5)}{'dull' if i % 2 else 'bright'} film" for i in range(24)]


@pytest.fixture
def tokens(pieces: Any) -> Tokenization:
    """The teacher's tokenizer, of the tokens that the texts use."""
    return Tokenization(pieces, max_length=12).cut(TEXTS)


@pytest.fixture
def texts(tokens: Tokenization) -> Texts:
    return Texts(TEXTS, tokens, [i % 2 for i in range(len(TEXTS))], classes=["good", "bad"])


def stored(folder: Path) -> np.ndarray:
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    return tensors["bert.embeddings.word_embeddings.weight"].astype(np.float64)


def of_words(folder: Path, tokens: Tokenization, pieces: Any) -> np.ndarray:
    """The model's vector of every token of the student's, from their mean, one after the other."""
    own, theirs = tokens.tokenizer.get_vocab(), pieces.get_vocab()
    names = sorted(own, key=own.__getitem__)
    rows = np.stack([stored(folder)[theirs[name]] for name in names])
    return rows - rows.mean(axis=0)


@pytest.mark.parametrize("width", [WIDTH, 2 * WIDTH])
@pytest.mark.parametrize("student", STUDENTS)
def test_words_are_as_far_apart_as_in_the_model(
    student: Any, width: int, tiny_bert: Path, tokens: Tokenization, pieces: Any
) -> None:
    """A cut vocabulary has other numbers for the same words: rows would be of other words."""
    own = {"embedding": width} if student is not text_transformer else {}
    built = student(
        tokens.vocabulary, 2, width, **own, embedding_from=tiny_bert, tokenization=tokens
    )
    found = built.fresh(3).module.embedding.weight.detach().double().numpy()
    expected = of_words(tiny_bert, tokens, pieces)
    assert len(found) == len(expected) < len(pieces.get_vocab())
    apart = np.linalg.norm(found[:, None] - found[None], axis=-1)
    np.testing.assert_allclose(
        apart, np.linalg.norm(expected[:, None] - expected[None], axis=-1), atol=1e-5
    )


def test_a_narrow_embedding_keeps_as_much_as_any_could(
    tiny_bert: Path, tokens: Tokenization, pieces: Any
) -> None:
    """The first columns of the vectors are not their principal components."""
    student = text_gru(
        tokens.vocabulary, 2, 4, embedding=5, embedding_from=tiny_bert, tokenization=tokens
    )
    kept = (student.module.embedding.weight.detach().double() ** 2).sum().item()
    singular = np.linalg.svd(of_words(tiny_bert, tokens, pieces), compute_uv=False)
    assert kept == pytest.approx((singular[:5] ** 2).sum(), rel=1e-5)


def test_seeds_share_the_words_and_nothing_else(tiny_bert: Path, tokens: Tokenization) -> None:
    """Five runs that differ in nothing would look very sure."""
    student = text_cnn(
        tokens.vocabulary, 2, 4, embedding=8, embedding_from=tiny_bert, tokenization=tokens
    )
    one, other = (student.fresh(seed).module.state_dict() for seed in (1, 2))
    same = [name for name in one if torch.equal(one[name], other[name])]
    assert same == ["embedding.weight"]


def test_the_embedding_is_the_same_on_any_number_of_threads() -> None:
    """A checkpoint is found by its initial weights: other bits, and hours are trained again."""
    vectors = torch.randn(5000, 384, generator=torch.Generator().manual_seed(0))
    vectors *= torch.linspace(1, 0.01, 384)
    student, found = text_gru(5000, 2, 4), []
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            student.start_embedding(vectors)
            found.append(student.fresh(0).module.embedding.weight.detach().clone())
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_the_vectors_are_the_same_in_any_order_of_the_vocabulary(
    tmp_path: Path, pieces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokenizers library gives a vocabulary in another order in every process."""
    tokens = Tokenization(pieces)
    vectors = torch.randn(tokens.vocabulary, 64, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("limbeck.students.word_vectors.vectors_of", lambda _: (vectors, tokens))
    vocabulary = tokens.tokenizer.get_vocab()
    found = []
    for names in (sorted(vocabulary), sorted(vocabulary, reverse=True)):
        shuffled = {name: vocabulary[name] for name in names}
        student = Tokenization(pieces)
        student.tokenizer = SimpleNamespace(get_vocab=lambda shuffled=shuffled, **_: shuffled)
        found.append(word_vectors(tmp_path, student))
    assert torch.equal(*found)


def test_a_token_that_the_model_lacks_begins_at_the_mean(tiny_bert: Path) -> None:
    """A row of another word, or an index beyond the model's."""
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(
            {"[PAD]": 0, "[UNK]": 1, "film": 2, "dull": 3, "opera": 4}, "[UNK]"
        )
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    found = word_vectors(tiny_bert, Tokenization(made))
    assert found.abs().sum(dim=1).ne(0).tolist() == [True, True, True, True, False]
    assert found.mean(dim=0).abs().max() < 1e-6


def test_a_trained_student_comes_back_without_the_model(
    tiny_bert: Path, texts: Texts, tmp_path: Path
) -> None:
    """A student that is deployed cannot ask for its teacher's folder."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "model"))
    tokens = texts.tokenization
    student = text_cnn(
        tokens.vocabulary, 2, 4, embedding=8, embedding_from=folder, tokenization=tokens
    )
    run = distill(student, None, texts, HardLabels(), Training(epochs=1, batch_size=8))
    save(run.student, tmp_path / "student")
    shutil.rmtree(folder)
    again = load(tmp_path / "student").module.state_dict()
    assert all(torch.equal(again[n], v) for n, v in run.student.module.state_dict().items())


def test_the_teacher_may_be_a_saved_student(
    tiny_bert: Path, texts: Texts, tmp_path: Path, pieces: Any
) -> None:
    """The transformer that limbeck itself has fine-tuned is the teacher of most recipes."""
    whole = Texts(TEXTS, Tokenization(pieces, max_length=12), texts.labels, classes=texts.classes)
    training = Training(epochs=1, batch_size=8)
    tuned = distill(
        transformers_classifier(tiny_bert, 2, max_length=12), None, whole, HardLabels(), training
    ).student
    save(tuned, tmp_path / "teacher")
    found = word_vectors(tmp_path / "teacher", texts.tokenization)
    names = texts.tokenization.tokenizer.get_vocab()
    trained = tuned.module.model.get_input_embeddings().weight.detach()
    apart = trained[pieces.get_vocab()["dull"]] - trained[pieces.get_vocab()["film"]]
    torch.testing.assert_close(found[names["dull"]] - found[names["film"]], apart)
    assert not np.allclose(trained.numpy(), stored(tiny_bert))


def test_a_recipe_states_the_folder_and_its_data_the_tokens(tiny_bert: Path, texts: Texts) -> None:
    """In a recipe there is no object to hand over."""
    recipe = Recipe.parse(
        "data: {hugging_face: {path: reviews, tokenizer: bert}}\n"
        f"student: {{text_gru: {{hidden: 4, embedding: 8, embedding_from: '{tiny_bert}'}}}}\n"
        "objective: hard_labels\n"
    )
    student = build_student(recipe.student, texts)
    assert student.word_vectors is not None
    assert student.architecture["text_gru"].keys().isdisjoint({"embedding_from", "tokenization"})


def test_a_path_with_several_folders_is_no_id_of_the_hub() -> None:
    """A wrong path that is only found out once the data has been read."""
    text = (
        "data: digits\n"
        "student: {text_gru: {hidden: 4, embedding_from: models/bert/one}}\n"
        "objective: hard_labels\n"
    )
    with pytest.raises(RecipeError, match="line 2: there is nothing at 'models/bert/one'"):
        Recipe.parse(text).check()
    Recipe.parse(text.replace("models/bert/one", "google-bert/bert-base-uncased")).check()


def test_a_function_of_the_users_is_not_handed_what_cannot_be_saved(
    texts: Texts, tmp_path: Path
) -> None:
    """Its arguments are written to student.json, where a tokenizer has no place."""
    (tmp_path / "mine.py").write_text(
        "from limbeck.students.text_gru import TextGru\n"
        "def build(vocabulary, classes, padding, tokenization=None):\n"
        "    return TextGru(vocabulary, classes, 4, 4, 0.0, padding, False, 12)\n"
    )
    recipe = Recipe.parse(
        "data: digits\nstudent: mine.py:build\nobjective: hard_labels\n", folder=tmp_path
    )
    training = Training(epochs=1, batch_size=8)
    student = distill(build_student(recipe.student, texts), None, texts, HardLabels(), training)
    assert (save(student.student, tmp_path / "student") / "student.json").is_file()


def test_wider_and_narrower_candidates_begin_with_the_words_too(
    tiny_bert: Path, tokens: Tokenization
) -> None:
    """A budget's candidates would lose to the one student that has read before."""
    student = text_cnn(
        tokens.vocabulary, 2, 8, embedding=8, embedding_from=tiny_bert, tokenization=tokens
    )
    found = family(student)
    assert len(found) > 3
    assert all(each.word_vectors is student.word_vectors for each in found.values())


def test_what_cannot_be_is_a_sentence(
    tiny_bert: Path, tokens: Tokenization, tmp_path: Path
) -> None:
    """Silently drawn at random instead, it would only be worse."""
    sizes = (tokens.vocabulary, 2, 4)
    with pytest.raises(LimbeckError, match="Give tokenization=data.train.tokenization too"):
        text_cnn(*sizes, embedding=8, embedding_from=tiny_bert)
    with pytest.raises(LimbeckError, match="there is no model folder"):
        text_cnn(*sizes, embedding_from=tmp_path / "nowhere", tokenization=tokens)
    other = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(
            {"<pad>": 0, "<unk>": 1, "film": 2, "kino": 3, "cine": 4}, "<unk>"
        )
    )
    with pytest.raises(LimbeckError, match=r"has vectors for 1 of the 5 tokens .* same tokenizer"):
        word_vectors(tiny_bert, Tokenization(other))


def test_a_student_without_word_vectors_is_named(texts: Texts, tmp_path: Path) -> None:
    """A GRU has an embedding, but none that was read from anywhere."""
    tokens = texts.tokenization
    training = Training(epochs=1, batch_size=8)
    run = distill(text_gru(tokens.vocabulary, 2, 4), None, texts, HardLabels(), training)
    save(run.student, tmp_path / "gru")
    with pytest.raises(LimbeckError, match="is no transformer, so it has no word vectors"):
        word_vectors(tmp_path / "gru", tokens)
