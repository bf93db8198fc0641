"""Texts as a transfer set: what identifies them, their tokens in a file, and their batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from jaxtyping import TypeCheckError

from limbeck.cache import cache_folder, cached
from limbeck.errors import DataError
from limbeck.transfer_sets import Shift, Texts, Tokenization, Views, munge
from limbeck.transfer_sets.text_column import TextColumn
from limbeck.types import Batch, Chosen

pytest.importorskip("tokenizers")

NOTICED, HOOK = (DataError, TypeCheckError), "Type-check error"
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""
CLASSES = ("dull", "bright")
TEXTS = [f"a {'very ' * (i % 5)}{CLASSES[i % 2]} film" for i in range(11)] + ["", "żółw ☃"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def some(pieces: Any, texts: Any = TEXTS, max_length: int = 9, **more: Any) -> Texts:
    return Texts(texts, Tokenization(pieces, max_length=max_length), classes=CLASSES, **more)


def test_a_batch_holds_its_texts_and_their_tokens(pieces: Any, cache: Path) -> None:
    """Prevents tokens of another text than the one beside them."""
    data = some(pieces)
    rows = torch.tensor([12, 3, 11, 4])
    batch = data.batch(rows)
    chosen = [TEXTS[row] for row in rows]
    assert list(batch.texts or ()) == chosen
    assert batch.tokenization is data.tokenization
    assert torch.equal(batch.inputs, data.tokenization(chosen))
    assert data.lengths.tolist() == [len(ids) for ids in data.tokenization.encode(TEXTS)]
    assert data.input_shape == (9,)
    part = batch.part(torch.tensor([2, 0]))
    assert list(part.texts or ()) == [TEXTS[11], TEXTS[12]]
    assert list(part.to("cpu").part(torch.tensor([1])).texts or ()) == [TEXTS[12]]


@pytest.mark.parametrize(("max_length", "rows"), [(9, 910), (128, 64), (512, 16), (8192, 16)])
def test_of_longer_texts_fewer_are_asked_about_at_a_time(
    pieces: Any, cache: Path, max_length: int, rows: int
) -> None:
    """A transformer keeps a vector for each token, of a thousand long texts gigabytes."""
    assert some(pieces, max_length=max_length).rows_at_once == rows


def test_texts_of_a_batch_are_read_when_asked_for(request: pytest.FixtureRequest) -> None:
    """Prevents decoding texts that only a teacher with another tokenizer reads."""
    if request.config.getoption("--jaxtyping-packages"):
        pytest.skip("the type hook reads texts itself")

    class Counted(TextColumn):
        read = 0

        def __getitem__(self, row: Any) -> Any:
            self.read += 1
            return super().__getitem__(row)

    column = Counted(TEXTS, "texts")
    batch = Batch(
        torch.arange(3),
        torch.zeros(3, 1),
        torch.arange(3),
        texts=Chosen(column, torch.tensor([4, 0, 2])),
    )
    part = batch.part(torch.tensor([2, 1]))
    assert column.read == 0
    assert part.texts is not None
    assert (part.texts[1], len(part.texts), column.read) == (TEXTS[0], 2, 1)
    assert list(part.texts[::-1]) == [TEXTS[0], TEXTS[2]]
    of_strings = Batch(torch.arange(2), torch.zeros(2, 1), torch.arange(2), texts=["x", "y"])
    assert list(of_strings.part(torch.tensor([1])).texts or ()) == ["y"]


def test_the_tokenization_is_no_part_of_the_identity(pieces: Any, cache: Path) -> None:
    """Prevents annotating anew because the students' tokenizer is another one."""
    data = some(pieces)
    other = data.tokenised(Tokenization(pieces, max_length=4))
    assert other.fingerprint == data.fingerprint == some(pieces, max_length=5).fingerprint
    np.testing.assert_array_equal(other.checks(), data.checks())
    assert other.inputs_fingerprint != data.inputs_fingerprint
    assert int(other.lengths.max()) == 4
    assert int(data.lengths.max()) == 9  # the first set keeps its own
    assert list(other.texts) == TEXTS
    changed = some(pieces, [*TEXTS[:-1], "żółw ☂"])
    assert changed.fingerprint != data.fingerprint
    assert (changed.checks() != data.checks()).nonzero()[0].tolist() == [len(TEXTS) - 1]


def test_a_selection_keeps_texts_with_their_tokens(pieces: Any, cache: Path) -> None:
    """Prevents a part whose tokens are those of the whole's first rows."""
    data = some(pieces, labels=[i % 2 for i in range(len(TEXTS))], groups={"half": "ab" * 6 + "a"})
    part = data.select(torch.tensor([12, 4, 7])).select(torch.tensor([2, 0]))
    assert (list(part.texts), part.ids) == ([TEXTS[7], TEXTS[12]], ("7", "12"))
    assert part.groups == {"half": ("b", "a")}
    batch = part.batch(torch.tensor([1, 0]))
    assert torch.equal(batch.inputs, data.batch(torch.tensor([12, 7])).inputs)
    assert len(list(cache.iterdir())) == 1  # one file of tokens for the whole and its parts


def test_tokens_are_made_once(pieces: Any, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents a minute of tokenising at the start of every run."""
    first = some(pieces)
    expected = first.batch(torch.arange(len(first))).inputs
    (file,) = cache.iterdir()
    lengths = first.lengths.tolist()
    assert file.stat().st_size == 4 * sum(lengths) + 4 * (sum(lengths) % 2) + 8 * (len(TEXTS) + 1)
    raw = np.fromfile(file, "<i4")[: sum(lengths)]
    rows = zip(expected.tolist(), lengths, strict=True)
    assert raw.tolist() == [number for row, length in rows for number in row[:length]]
    monkeypatch.setattr(Tokenization, "encode_all", None)
    parts = (TEXTS[:3], [], TEXTS[3:])
    chunks = pa.chunked_array([pa.array(part, pa.string()) for part in parts])
    again = some(pieces, chunks)
    assert torch.equal(again.batch(torch.arange(len(again))).inputs, expected)


def test_texts_in_any_arrow_column_are_the_same_texts(pieces: Any) -> None:
    """Prevents tokens of the cache that belong to texts which are only cut or packed otherwise."""
    plain = TextColumn(TEXTS, "texts")
    sliced = pa.array(["x", *TEXTS, "y"]).slice(1, len(TEXTS))
    for column in (pa.array(TEXTS), pa.array(TEXTS, pa.large_string()), sliced):
        made = TextColumn(column, "texts")
        assert list(made) == TEXTS
        assert made.fingerprint == plain.fingerprint
        assert made[2:5] == TEXTS[2:5]
        assert bytes(made.payload(12)) == TEXTS[12].encode()
    moved = [TextColumn(texts, "texts").fingerprint for texts in (["ab", "c"], ["a", "bc"])]
    assert moved[0] != moved[1]


def test_missing_texts_are_told_by_their_row(pieces: Any) -> None:
    """Prevents the word None as a text, and errors that name no row."""
    with pytest.raises(NOTICED, match=f"row 2 of reviews has no text. Fill it in or take|{HOOK}"):
        some(pieces, ["a", "", None], name="reviews")
    with pytest.raises(DataError, match="row 1 of reviews has no text"):
        some(pieces, pa.array(["a", None]), name="reviews")
    with pytest.raises(NOTICED, match=f"row 1 of reviews is 3.5. Give text in every row|{HOOK}"):
        some(pieces, ["a", 3.5], name="reviews")
    with pytest.raises(DataError, match="row 1 of reviews holds half a character"):
        some(pieces, ["a", "b\ud800"], name="reviews")
    with pytest.raises(DataError, match="reviews holds int64. Give a column of text"):
        some(pieces, pa.array([1, 2]), name="reviews")
    with pytest.raises(DataError, match="reviews is empty"):
        some(pieces, [], name="reviews")
    with pytest.raises(DataError, match="has label 2 in row 1, but 2 classes"):
        some(pieces, ["a", "b"], labels=[0, 2])


def test_a_text_without_tokens_is_told_by_its_row(cache: Path) -> None:
    """Prevents half a file of tokens in the cache, and a row of padding alone."""
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "u": 1}, unk_token="u"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    data = Texts(["a", "b", " ", "a"], Tokenization(words), classes=CLASSES, name="reviews")
    for _ in range(2):
        with pytest.raises(DataError, match="reviews: text 2 has no token: ' '"):
            data.batch(torch.tensor([0]))
        assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told(
    pieces: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a traceback on a full or read-only disk."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        DataError, match=r"the cache .*file cannot be written \(.*set LIMBECK_CACHE"
    ):
        some(pieces).batch(torch.tensor([0]))


def test_the_cache_is_where_the_system_keeps_such_things(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents gigabytes in the working folder."""
    monkeypatch.delenv("LIMBECK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    for system, parent in (("linux", "/somewhere"), ("win32", "/local")):
        monkeypatch.setattr("sys.platform", system)
        assert cache_folder() == Path(parent) / "limbeck"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "limbeck"


def test_a_file_of_the_cache_is_whole_or_absent(cache: Path) -> None:
    """Prevents reading what a killed process, or another one at the same time, has half written."""

    def broken(file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("name", broken)
    assert list(cache.iterdir()) == []

    def slow(file: Any) -> None:
        assert cached("name", lambda other: None).read_bytes() == b""
        file.write(b"ours")

    assert cached("name", slow).read_bytes() == b"ours"
    assert list(cache.iterdir()) == [cache / "name"]


def test_texts_have_no_attributes_and_no_views(pieces: Any) -> None:
    """Prevents token ids that are averaged, or moved like pixels, without a word."""
    with pytest.raises(DataError, match="texts holds texts, whose tokens are no attributes"):
        munge(some(pieces), 2)
    with pytest.raises(DataError, match="texts holds texts, which have no views"):
        Views(Shift(1), count=2).of(some(pieces))
