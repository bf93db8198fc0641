"""A vocabulary cut to what texts use: the tokens of these texts stay as they were."""

import json
import random
from typing import Any

import pytest

from limbeck.errors import DataError
from limbeck.transfer_sets import Tokenization
from limbeck.transfer_sets.vocabulary_cut import cut_vocabulary

tokenizers = pytest.importorskip("tokenizers")
models, before = tokenizers.models, tokenizers.pre_tokenizers

KINDS = ("WordPiece", "BPE", "BPE of bytes", "Unigram", "WordLevel")


def word(source: random.Random, letters: str, longest: int) -> str:
    return "".join(source.choice(letters) for _ in range(source.randint(1, longest)))


def corpus(source: random.Random, letters: str) -> list[str]:
    """Texts of up to eight words, some of them empty."""
    return [
        " ".join(word(source, letters, 7) for _ in range(source.randint(0, 8))) for _ in range(24)
    ]


def tokenizer_of(kind: str, source: random.Random) -> Any:
    """A random one of this kind, mostly with special tokens around every text."""
    if kind == "WordPiece":
        pieces = [source.choice(("", "##")) + word(source, "abcde", 3) for _ in range(60)]
        vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(["[UNK]", *pieces]))}
        made = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        made.pre_tokenizer = before.Whitespace()
    elif kind == "Unigram":
        pieces = dict.fromkeys(word(source, "abcde▁", 4) for _ in range(60))
        scored = [("<unk>", 0.0), *((piece, -source.uniform(1, 12)) for piece in pieces)]
        made = tokenizers.Tokenizer(models.Unigram(scored, unk_id=0))
        made.pre_tokenizer = before.Metaspace() if source.random() < 0.7 else None
    else:
        made = trained_tokenizer(kind, source)
    if source.random() < 0.7:
        made.add_special_tokens(["[CLS]", "[SEP]"])
        first, last = ((name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]"))
        template = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[first, last]
        )
        pair = tokenizers.processors.BertProcessing(last, first)
        both = tokenizers.processors.Sequence([tokenizers.processors.ByteLevel(), template])
        made.post_processor = source.choice([template, pair, both])
    if source.random() < 0.3:
        made.add_tokens(["bad"])
    return made


def trained_tokenizer(kind: str, source: random.Random) -> Any:
    unknown = {"BPE": source.choice([None, "[UNK]"]), "BPE of bytes": None, "WordLevel": "[UNK]"}
    model = models.WordLevel if kind == "WordLevel" else models.BPE
    made = tokenizers.Tokenizer(model(unk_token=unknown[kind]))
    trainer: Any = tokenizers.trainers.WordLevelTrainer(special_tokens=["[UNK]"])
    if kind != "WordLevel":
        alphabet = before.ByteLevel.alphabet() if kind == "BPE of bytes" else []
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=len(alphabet) + source.randint(20, 120),
            special_tokens=["[UNK]", "<pad>"],
            initial_alphabet=alphabet,
            show_progress=False,
        )
    made.pre_tokenizer = before.ByteLevel() if kind == "BPE of bytes" else before.Whitespace()
    made.train_from_iterator(corpus(source, "abcde"), trainer)
    return made


def tokens(made: Tokenization, texts: list[str]) -> list[list[str]]:
    return [[made.tokenizer.id_to_token(int(i)) for i in ids] for ids in made.encode(texts)]


def check_cut(made: Tokenization, texts: list[str]) -> Tokenization:
    """Cut it; the texts keep their tokens, and the ids have no gaps."""
    cut = made.cut(texts)
    assert tokens(cut, texts) == tokens(made, texts)
    vocabulary = cut.tokenizer.get_vocab()
    assert sorted(vocabulary.values()) == list(range(cut.vocabulary))
    assert cut.max_length == made.max_length
    assert cut.tokenizer.id_to_token(cut.padding) == made.tokenizer.id_to_token(made.padding)
    again = Tokenization(tokenizers.Tokenizer.from_str(cut.content()), max_length=cut.max_length)
    assert again.fingerprint == cut.fingerprint
    order = made.tokenizer.get_vocab()
    own = [t for t in sorted(vocabulary, key=vocabulary.__getitem__) if t != "[PAD]"]
    assert own == sorted(own, key=order.__getitem__)
    return cut


@pytest.mark.parametrize("kind", KINDS)
def test_texts_keep_their_tokens(kind: str) -> None:
    """Prevents a student whose words are not the teacher's, which trains to a plausible loss."""
    smaller = 0
    for seed in range(25):
        source = random.Random(f"{kind} {seed}")
        tokenizer = tokenizer_of(kind, source)
        made = Tokenization(tokenizer, max_length=source.choice([4, 6, 10, 128]))
        texts = [t for t in corpus(source, "abcdefé☃") if made.tokenizer.encode(t).ids]
        smaller += check_cut(made, texts).vocabulary < made.vocabulary
    assert smaller > 12


def test_pieces_of_a_word_that_is_given_up_stay() -> None:
    """Prevents a word from being read in other pieces where it was unknown."""
    pieces = ["[UNK]", "ab", "a", "##bz", "c", "unused"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    made = Tokenization(tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]")))
    assert tokens(made, ["abz", "a", "cbz"]) == [["[UNK]"], ["a"], ["c", "##bz"]]
    cut = check_cut(made, ["abz", "a", "cbz"])
    assert set(cut.tokenizer.get_vocab()) == {*pieces, "[PAD]"} - {"unused"}


def test_merges_of_merges_stay() -> None:
    """Prevents a long token that can no longer be built, or is not rebuilt for want of a part."""
    merges = [("a", "b"), ("ab", "c"), ("abc", "d"), ("e", "e")]
    names = ["[UNK]", *"abcde", "ab", "abc", "abcd", "ee"]
    vocabulary = {name: i for i, name in enumerate(names)}
    made = Tokenization(tokenizers.Tokenizer(models.BPE(vocabulary, merges, unk_token="[UNK]")))
    cut = check_cut(made, ["abcd"])
    assert set(cut.tokenizer.get_vocab()) == {"[UNK]", *"abcd", "ab", "abc", "abcd", "[PAD]"}
    assert tokens(cut, ["eab"]) == [["[UNK]", "ab"]]


def test_without_an_unknown_token_the_alphabet_stays() -> None:
    """Prevents letters of later texts from being left out without a word."""
    source = random.Random(0)
    made = Tokenization(trained_tokenizer("BPE of bytes", source))
    cut = check_cut(made, ["abc"])
    assert len("".join(tokens(cut, ["żółw"])[0])) == 1 + len("żółw".encode())  # a space before it


def test_the_rest_of_a_word_that_is_cut_stays() -> None:
    """Prevents other merges in the first half of a word whose second half is not read."""
    vocabulary = {name: i for i, name in enumerate([*"abcd", "cd", "bc", "ab", "[UNK]"])}
    merges = [("c", "d"), ("b", "c"), ("a", "b")]
    made = Tokenization(
        tokenizers.Tokenizer(models.BPE(vocabulary, merges, unk_token="[UNK]")), max_length=1
    )
    assert tokens(made, ["abcd", "bc"]) == [["ab"], ["bc"]]
    check_cut(made, ["abcd", "bc"])


def test_the_worst_piece_stays() -> None:
    """Prevents an unknown token that has become likelier than the pieces of a word."""
    pieces = [("<unk>", 0.0), ("ab", -20.0), ("c", -20.0), ("bc", -5.0), ("a", -36.0)]
    made = Tokenization(
        tokenizers.Tokenizer(models.Unigram([*pieces, ("zz", -40.0), ("y", -1.0)], unk_id=0))
    )
    assert tokens(made, ["abc", "bc"]) == [["ab", "c"], ["bc"]]
    cut = check_cut(made, ["abc", "bc"])
    assert set(cut.tokenizer.get_vocab()) == {"<unk>", "ab", "c", "bc", "zz", "[PAD]"}


def test_bytes_that_spell_unknown_letters_stay() -> None:
    """Prevents letters that a tokenizer spells byte by byte from becoming unknown."""
    spelled = [(f"<0x{byte:02X}>", -10.0) for byte in range(256)]
    model = models.Unigram([("<unk>", 0.0), ("a", -1.0), *spelled], unk_id=0, byte_fallback=True)
    made = Tokenization(tokenizers.Tokenizer(model))
    cut = check_cut(made, ["a"])
    assert tokens(cut, ["é"]) == [["<0xC3>", "<0xA9>"]]


def test_words_are_cut_to_exactly_those_in_use() -> None:
    """Prevents an embedding with rows that no text reaches."""
    vocabulary = {name: i for i, name in enumerate(["one", "[UNK]", "two", "three", "four"])}
    words = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = before.Whitespace()
    cut = check_cut(Tokenization(words, max_length=2), ["four one three", "two"])
    expected = {"one": 0, "[UNK]": 1, "two": 2, "four": 3, "[PAD]": 4}
    assert cut.tokenizer.get_vocab() == expected
    assert json.loads(cut.content())["padding"]["pad_id"] == 4


def test_another_kind_of_model_is_told() -> None:
    """Prevents a KeyError for models that the library may have one day."""
    with pytest.raises(DataError, match="of a Trie tokenizer cannot be cut. Use the whole vocab"):
        cut_vocabulary({"model": {"type": "Trie"}}, [])
