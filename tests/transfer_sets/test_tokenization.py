"""A tokenizer and a greatest length, against the tokenizers library called by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from limbeck.errors import DataError
from limbeck.transfer_sets import Tokenization, tokenization

tokenizers = pytest.importorskip("tokenizers")

NOTICED, HOOK = (DataError, TypeCheckError), "Type-check error"
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""
TEXTS = ["a dull film", "", "not a very very bright film", "Fado!", "x"]


def by_hand(tokenizer: Any, text: str, room: int) -> list[int]:
    """Without the library's truncation: the first tokens, between the special ones."""
    copy = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return [2, *copy.encode(text, add_special_tokens=False).ids[:room], 3]


def test_long_texts_are_cut_between_the_special_tokens(pieces: Any) -> None:
    """Prevents a text without its last special token, on which a pretrained model relies."""
    made = Tokenization(pieces, max_length=6).encode(TEXTS)
    assert [ids.tolist() for ids in made] == [by_hand(pieces, text, 4) for text in TEXTS]
    assert all(ids.dtype == np.int32 for ids in made)
    assert made[1].tolist() == [2, 3]


def test_a_batch_is_padded_on_the_right_to_its_longest(pieces: Any) -> None:
    """Prevents padding that a model takes for tokens, or a batch padded to the greatest length."""
    made = Tokenization(pieces, max_length=64)
    batch = made(TEXTS)
    rows = [by_hand(pieces, text, 62) for text in TEXTS]
    longest = max(map(len, rows))
    assert batch.dtype == torch.int64
    assert batch.tolist() == [row + [0] * (longest - len(row)) for row in rows]
    assert made([]).shape[0] == 0


def test_what_the_file_says_of_truncation_and_padding_is_replaced(pieces: Any) -> None:
    """Prevents fixed padding, or another truncation, that a tokenizer.json brings along."""
    plain = Tokenization(pieces, max_length=6)
    pieces.enable_truncation(3, stride=1, direction="left")
    pieces.enable_padding(direction="left", length=20, pad_token="[PAD]", pad_id=0)
    stated = Tokenization(pieces, max_length=6)
    assert stated.fingerprint == plain.fingerprint
    assert torch.equal(stated(TEXTS), plain(TEXTS))
    assert pieces.truncation["max_length"] == 3  # the given tokenizer is left alone


def test_what_is_saved_tokenises_the_same_without_limbeck(pieces: Any, tmp_path: Path) -> None:
    """Prevents an exported student that reads other tokens than it was trained on."""
    made = Tokenization(pieces, max_length=6)
    path = made.save(tmp_path / "new" / "folder")
    bare = tokenizers.Tokenizer.from_file(str(path))
    assert [e.ids for e in bare.encode_batch(TEXTS)] == made(TEXTS).tolist()
    for place in (path, path.parent, str(path.parent)):
        again = Tokenization(place, max_length=6)
        assert again.fingerprint == made.fingerprint
        assert torch.equal(again(TEXTS), made(TEXTS))
    shorter = Tokenization(path, max_length=5)
    assert shorter.fingerprint != made.fingerprint


def test_padding_is_the_tokenizers_own_or_one_so_named_or_a_new_one() -> None:
    """Prevents padding with the id of a word."""
    vocabulary = {"a": 0, "b": 1, "<pad>": 2, "zero": 3, "[UNK]": 4}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    named = Tokenization(tokenizers.Tokenizer(model))
    assert (named.padding, named.vocabulary) == (2, 5)
    own = tokenizers.Tokenizer(model)
    own.enable_padding(pad_token="zero", pad_id=0)  # the id is the library's default
    assert Tokenization(own).padding == 3
    del vocabulary["<pad>"]
    bare = Tokenization(
        tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "u": 1}, unk_token="u"))
    )
    assert (bare.padding, bare.vocabulary) == (2, 3)
    assert bare(["a", "b"]).tolist() == [[0], [1]]
    saved = json.loads(bare.content())["padding"]
    assert (saved["pad_id"], saved["pad_token"]) == (2, "[PAD]")


def test_merges_are_not_dropped_at_random() -> None:
    """Prevents other tokens for the same text each time."""
    vocabulary = {"a": 0, "b": 1, "ab": 2}
    model = tokenizers.models.BPE(vocabulary, [("a", "b")], dropout=0.9)
    made = Tokenization(tokenizers.Tokenizer(model))
    assert {made(["ab"]).tolist()[0][0] for _ in range(20)} == {2}


def test_many_texts_are_tokenised_in_pieces(pieces: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents texts lost where a piece ends, and memory for all tokens of all texts at once."""
    made = Tokenization(pieces)
    whole = made.encode(TEXTS)
    sizes = []
    for texts, characters in ((2, 10**6), (100, 12), (100, 1)):
        monkeypatch.setattr(tokenization, "CHUNK_TEXTS", texts)
        monkeypatch.setattr(tokenization, "CHUNK_CHARACTERS", characters)
        sizes.append([len(chunk) for chunk in tokenization.checked_chunks(TEXTS)])
        assert [ids.tolist() for ids in made.encode(TEXTS)] == [ids.tolist() for ids in whole]
    assert sizes == [[2, 2, 1], [3, 2], [1, 2, 1, 1]]


def test_a_hundred_thousand_characters_are_a_text(pieces: Any) -> None:
    """Prevents a limit that a real review exceeds."""
    made = Tokenization(pieces, max_length=8)
    (words,) = made.encode(["a film " * 14_300])
    assert words.tolist() == [2, *[pieces.token_to_id(w) for w in ("a", "film")] * 3, 3]
    (word,) = made.encode(["q" * 100_000])
    assert word.tolist() == [2, 1, 3]


def test_texts_that_are_none_are_told_by_their_number(pieces: Any) -> None:
    """Prevents 'TextInputSequence must be str', and tokens of the word None."""
    made = Tokenization(pieces)
    with pytest.raises(NOTICED, match=f"text 2 is None. Give text in every place; it may|{HOOK}"):
        made.encode(["a", "", None])  # type: ignore[list-item]
    with pytest.raises(NOTICED, match=f"text 1 is 7|{HOOK}"):
        made(["a", 7])  # type: ignore[list-item]
    with pytest.raises(DataError, match=r"text 1 cannot be tokenised .*'b\\udc80'"):
        made.encode(["a", "b\udc80", "c"])


def test_a_text_without_a_token_is_told() -> None:
    """Prevents rows of nothing but padding, about which a model answers NaN."""
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "u": 1}, unk_token="u"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    with pytest.raises(DataError, match="text 3 has no token: ' '. Take it out, or use a tokeni"):
        Tokenization(words).encode(["a", "b", "a b", " "])
    strict = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}))
    with pytest.raises(DataError, match="text 1 cannot be tokenised .*with an unknown token"):
        Tokenization(strict).encode(["a", "b", "a"])


def test_a_wrong_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: Any
) -> None:
    """Prevents tracebacks about a tokenizer that is not there or no tokenizer."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    with pytest.raises(DataError, match="folder .*model has no tokenizer.json; it holds nothing"):
        Tokenization(tmp_path / "model")
    (tmp_path / "model" / "vocab.txt").write_text("a")
    with pytest.raises(DataError, match=r"it holds vocab.txt. .*save_pretrained"):
        Tokenization("model")
    for place in ("./absent", str(tmp_path / "absent"), "a/b/c", "tokenizer.json"):
        with pytest.raises(DataError, match=f"there is no tokenizer at {place}. Give a folder wi"):
            Tokenization(place)
    with pytest.raises(DataError, match="no folder nobody/nothing, and the hub did not give its"):
        Tokenization("nobody/nothing")
    (tmp_path / "model" / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(DataError, match=r"tokenizer.json cannot be read as a tokenizer \("):
        Tokenization("model")
    with pytest.raises(ValueError, match="max_length is 2, and the tokenizer puts 2 special tok"):
        Tokenization(pieces, max_length=2)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match="pip install huggingface_hub"):
        Tokenization("nobody/nothing")


def test_a_hub_id_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: Any
) -> None:
    """Prevents a whole model from being downloaded for its tokenizer."""
    hub = pytest.importorskip("huggingface_hub")
    path = Tokenization(pieces).save(tmp_path)
    asked = []

    def download(*arguments: str) -> str:
        asked.append(arguments)
        return str(path)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    for name in ("owner/model", "bert-base-uncased"):
        assert Tokenization(name).fingerprint == Tokenization(pieces).fingerprint
    assert asked == [("owner/model", "tokenizer.json"), ("bert-base-uncased", "tokenizer.json")]


def test_limbeck_imports_without_the_tokenizers_library(tmp_path: Path) -> None:
    """Prevents an optional library from being needed for images and tables."""
    script = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "import limbeck.transfer_sets as sets\n"
        "try: sets.Tokenization('.')\n"
        "except sets.tokenization.DataError as error: print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "not installed. Install it with: pip install limbeck[text]" in told.stdout, told.stderr
