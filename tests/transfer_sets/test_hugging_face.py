"""Texts from Parquet, CSV and JSON lines, against the same rows written down here."""

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from jaxtyping import TypeCheckError

from limbeck.cli.main import main
from limbeck.errors import DataError
from limbeck.transfer_sets import Texts, Tokenization, hugging_face, text_files

pytest.importorskip("tokenizers")

NOTICED = (DataError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""
WHOLE = {"validation": 0, "test": 0}
ROWS = [
    ("a dull film", 0),
    ('not "bright",\nnot dull', 1),
    ("", 0),
    ("żółw ☃", -1),
    ("very " * 40, 1),
    ("NA", 1),
]
TEXTS = [text for text, _ in ROWS]


@pytest.fixture
def tokenizer(pieces: Any, tmp_path: Path) -> Path:
    return Tokenization(pieces).save(tmp_path / "tokenizer")


def write(path: Path, rows: Any = ROWS, text: str = "text", label: str = "label") -> None:
    """These rows in the format that the file's name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        columns = {text: [r[0] for r in rows], label: [r[1] for r in rows]}
        pq.write_table(pa.table(columns), path, row_group_size=2)
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([(text, label), *rows])
    else:
        lines = [json.dumps({text: r[0], label: r[1]}, ensure_ascii=r[1] == 1) for r in rows]
        path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("suffix", text_files.SUFFIXES)
def test_every_format_gives_the_same_texts(
    suffix: str, tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a format that loses line breaks, quotes, empty texts, or the word NA."""
    monkeypatch.setattr(text_files, "PIECE", 4)
    write(tmp_path / "data" / f"train{suffix}")
    train = hugging_face(tmp_path / "data", tokenizer=tokenizer, **WHOLE).train
    assert isinstance(train, Texts)
    assert list(train.texts) == TEXTS
    assert train.labels.tolist() == [label for _, label in ROWS]
    assert (train.classes, train.name) == (("0", "1"), "data.train")
    assert train.ids == tuple(f"train-{row}" for row in range(len(ROWS)))
    tokens = Tokenization(tokenizer)(TEXTS)
    assert torch.equal(train.batch(torch.arange(len(ROWS))).inputs, tokens)
    one_file = hugging_face(tmp_path / "data" / f"train{suffix}", tokenizer=tokenizer, **WHOLE)
    assert one_file.train.fingerprint == train.fingerprint
    assert one_file.train.name == "train.train"


def test_a_file_with_a_mark_of_its_encoding_is_read(tokenizer: Path, tmp_path: Path) -> None:
    """Prevents a column called '\\ufefftext' in what a spreadsheet has saved."""
    for name in ("a.csv", "a.jsonl"):
        write(tmp_path / name)
        raw = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + raw)
        train = hugging_face(tmp_path / name, tokenizer=tokenizer, **WHOLE).train
        assert isinstance(train, Texts)
        assert list(train.texts) == TEXTS


def test_splits_columns_and_parts_follow_the_conventions_of_the_other_loaders(
    tokenizer: Path, tmp_path: Path
) -> None:
    """Prevents shards in another order, and test texts among the training texts."""
    half = len(ROWS) // 2
    metadata = {"info": {"features": {"kind": {"names": ["bad", "good"], "_type": "ClassLabel"}}}}
    for number, part in enumerate((ROWS[:half], ROWS[half:])):
        path = tmp_path / "plain" / f"train-0000{number}-of-00002.parquet"
        write(path, part, text="review", label="kind")
        table = pq.read_table(path).append_column("who", pa.array([number] * half))
        table = table.replace_schema_metadata({b"huggingface": json.dumps(metadata).encode()})
        pq.write_table(table, path)
    last = pq.read_table(tmp_path / "plain" / "train-00001-of-00002.parquet")
    pq.write_table(last, tmp_path / "plain" / "test-00000-of-00001.parquet")
    splits = hugging_face(
        tmp_path / "plain",
        text="review",
        label="kind",
        groups=["who"],
        tokenizer=tokenizer,
        max_length=7,
        validation=1,
        labelled=1,
    )
    assert splits.validation is not None
    assert splits.test is not None
    train = splits.train
    assert train.classes == ("bad", "good")
    held = splits.validation
    by_id = dict(
        zip([*train.ids, *held.ids], [*train.groups["who"], *held.groups["who"]], strict=True)
    )
    assert by_id == {f"train-{row}": str(int(row >= half)) for row in range(len(ROWS))}
    assert (len(train), len(splits.validation), len(splits.test)) == (5, 1, 3)
    assert int((train.labels >= 0).sum()) == 1
    assert splits.test.labels.tolist() == [-1, 1, 1]
    assert splits.test.ids[0] == "test-0"
    for part in (train, splits.validation, splits.test):
        assert part.tokenization is train.tokenization
        assert part.input_shape == (7,)
    bare = hugging_face(
        tmp_path / "plain", text="review", label=None, classes="ab", tokenizer=tokenizer
    )
    assert bare.train.labels.tolist() == [-1] * len(ROWS)


def test_an_unlabelled_split_joins_the_training_texts(tokenizer: Path, tmp_path: Path) -> None:
    """Prevents labels of rows that have none, and unlabelled texts that are kept for validation."""
    write(tmp_path / "train.csv")
    write(tmp_path / "extra.csv", [(f"film {i}", 9) for i in range(20)])
    splits = hugging_face(
        tmp_path, tokenizer=tokenizer, unlabelled="extra", validation=2, test=1, classes=["x", "y"]
    )
    assert splits.validation is not None
    assert splits.test is not None
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (23, 2, 1)
    assert splits.train.ids[-1] == "extra-19"
    assert splits.train.labels[-20:].tolist() == [-1] * 20
    held = [*splits.validation.ids, *splits.test.ids]
    assert all(name.startswith("train-") for name in held)
    assert isinstance(splits.train, Texts)
    assert splits.train.texts[len(splits.train) - 1] == "film 19"
    with pytest.raises(DataError, match="has no split 'extras'. Did you mean 'extra'"):
        hugging_face(tmp_path, tokenizer=tokenizer, unlabelled="extras")
    with pytest.raises(DataError, match="unlabelled is 'test', which is a split of its own"):
        hugging_face(tmp_path, tokenizer=tokenizer, unlabelled="test")
    with pytest.raises(DataError, match="is one file, without a split 'extra'"):
        hugging_face(tmp_path / "train.csv", tokenizer=tokenizer, unlabelled="extra")


def test_the_vocabulary_is_cut_to_the_training_texts(tokenizer: Path, tmp_path: Path) -> None:
    """Prevents choosing the vocabulary by texts that are kept apart."""
    write(tmp_path / "train.jsonl", [("a very dull film", 0), ("not dull", 1), ("qq", 0)] * 4)
    write(tmp_path / "test.jsonl", [("a bright zebra", 0), ("not dull", 1)])
    options = {"tokenizer": tokenizer, "validation": 0}
    whole = hugging_face(tmp_path, **options)
    cut = hugging_face(tmp_path, vocabulary="used", **options)
    made = cut.train.tokenization
    assert made is not None
    used = {"a", "very", "dull", "film", "not", "q", "##q"}
    assert set(made.tokenizer.get_vocab()) == used | {"[PAD]", "[UNK]", "[CLS]", "[SEP]"}
    assert cut.train.fingerprint == whole.train.fingerprint
    rows = torch.arange(len(cut.train))
    for split, kept in ((cut.train, True), (cut.test, False)):
        assert split is not None
        assert split.tokenization is made
        names = [made.tokenizer.id_to_token(i) for i in split.batch(rows[:1]).inputs[0].tolist()]
        assert ("[UNK]" in names) == (not kept)
    again = hugging_face(tmp_path, vocabulary="used", **options).train.tokenization
    assert again is not None
    assert again.fingerprint == made.fingerprint
    with pytest.raises(NOTICED, match="vocabulary is 'all'. Use whole or used|Type-check error"):
        hugging_face(tmp_path, vocabulary="all", **options)  # type: ignore[arg-type]


def test_a_second_run_reads_nothing_but_the_cache(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a minute of tokenising at the start of every run."""
    write(tmp_path / "train.csv")
    first = hugging_face(tmp_path, tokenizer=tokenizer, vocabulary="used", **WHOLE).train
    for home, work in ((Tokenization, "encode_all"), (Tokenization, "cut")):
        monkeypatch.setattr(home, work, lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(text_files, "copy_texts", lambda *_: pytest.fail("made again"))
    again = hugging_face(tmp_path, tokenizer=tokenizer, vocabulary="used", **WHOLE).train
    rows = torch.arange(len(ROWS))
    assert torch.equal(again.batch(rows).inputs, first.batch(rows).inputs)
    assert again.inputs_fingerprint == first.inputs_fingerprint


def test_wrong_rows_are_told_by_their_number(tokenizer: Path, tmp_path: Path) -> None:
    """Prevents garbled letters, and the text 'None', from being trained on."""

    def refused(content: bytes | list[Any], name: str, message: str, **more: Any) -> None:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(pa.table({"text": content, "label": [0] * len(content)}), path)
        with pytest.raises(DataError, match=message):
            hugging_face(path, tokenizer=tokenizer, **{"classes": ["x", "y"], **WHOLE, **more})

    table = b'text,label\nfine,0\n"two\nlines",1\nna\xefve,0\n'
    refused(table, "a.csv", r"row 2 of train of a is not UTF-8: b'na\\xefve'. Save the file as UTF")
    refused(b"text,label\nfine,0\n,1\n", "b.csv", "row 1 of train of b has no text. Fill it in or")
    refused(b"text,label\na,0\nb,1,2\n", "c.csv", r"c.csv cannot be read as csv \(.*Row #3")
    refused(b"", "d.csv", "d.csv cannot be read as csv")
    refused(b"text,label\n", "e.csv", "train of e is empty. Give it at least one row")
    refused(["a", None], "f.parquet", "row 1 of train of f has no text")
    refused([1, 2], "g.parquet", "train of g holds int64 where texts belong")
    refused([b"a", b"\xff"], "h.parquet", r"row 1 of train of h is not UTF-8: b'\\xff'")
    refused(
        b'{"text": "a"}\n\n{"text": null}\n', "i.jsonl", "row 1 of train of i has no", label=None
    )
    refused(b'{"text": "a"}\n{"label": 1}\n', "j.jsonl", "row 1 of train of j has no", label=None)
    refused(
        b'{"text": "a"}\n{"text": "b}\n', "k.jsonl", "line 2 of .*k.jsonl is no JSON", label=None
    )
    refused(
        b'{"text": "\xff"}\n', "l.jsonl", "line 1 of .*l.jsonl is no JSON .*in UTF-8", label=None
    )
    refused(b'[{"text": "a"}]\n', "m.json", "line 1 of .*m.json is list, not an object", label=None)
    refused(
        b'{"text": ["a"]}\n', "n.jsonl", r"row 0 of train of n is \['a'\]. Give text", label=None
    )
    refused(
        b'{"text": "\\ud800"}\n', "o.jsonl", "row 0 of train of o holds half a char", label=None
    )
    refused(b"no parquet", "p.parquet", r"p.parquet cannot be read as parquet \(")
    refused(b"text,label\na,0\nb,5\n", "q.csv", "label 5 in row 1 of train in q is out of range")
    refused(
        b"text,label\na,good\nb,x\n", "r.csv", "label 'good' in row 0 of train in r is no class"
    )
    refused(
        b"txt,label\na,0\n", "s.csv", "has no column 'text'; it has txt, label. Did you mean 'txt'"
    )
    refused(b"\n", "t.jsonl", "t.jsonl has no column 'text'; it has none")


def test_wrong_places_are_told(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents tracebacks about files that are not there."""
    monkeypatch.chdir(tmp_path)
    for path, message in (
        (
            "absent.csv",
            "no file absent.csv. Give a .parquet, .csv, .jsonl, .json file, or a folder",
        ),
        ("some/absent.csv", "no file some/absent.csv"),
        ("./absent/", "no folder ./absent/. Give a folder of Parquet, CSV or JSON lines files, or"),
        ("nobody/nothing", "no folder nobody/nothing, and the hub did not give nobody/nothing"),
        ("tokenizer", r"no train.parquet or train.csv or .* in tokenizer; splits there: tokenizer"),
    ):
        with pytest.raises(DataError, match=message):
            hugging_face(path, tokenizer=tokenizer)
    write(tmp_path / "two" / "train.csv")
    write(tmp_path / "two" / "train.parquet")
    with pytest.raises(
        DataError, match=r"has 2 file\(s\) where 1 belong to it: train.csv, train.p"
    ):
        hugging_face(tmp_path / "two", tokenizer=tokenizer)
    with pytest.raises(DataError, match="there is no tokenizer at ./absent"):
        hugging_face(tmp_path / "two", tokenizer="./absent")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DataError, match="pip install huggingface_hub"):
        hugging_face("nobody/nothing", tokenizer=tokenizer)


def test_a_hub_id_is_downloaded(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prevents a loader that cannot read what it is named after."""
    hub = pytest.importorskip("huggingface_hub")
    write(tmp_path / "snapshot" / "plain" / "train.parquet")
    asked = {}

    def download(name: str, **options: Any) -> str:
        asked[name] = options
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(hub, "snapshot_download", download)
    train = hugging_face("owner/reviews/plain", tokenizer=tokenizer, **WHOLE).train
    assert (len(train), train.name) == (len(ROWS), "reviews.train")
    patterns = ["*.parquet", "*.csv", "*.jsonl", "*.json"]
    assert asked == {"owner/reviews": {"repo_type": "dataset", "allow_patterns": patterns}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("text=txt", "has no column 'txt'; it has text, label. Did you mean 'text'?"),
        ("label=lable", "has no column 'lable'; it has text, label. Did you mean 'label'?"),
        ("classes=[a]", "label 1 in row 1 of train in train is out of range"),
        ("max_length=2", "max_length is 2, and the tokenizer puts 2 special tokens"),
        ("tokenizer=empty", "the tokenizer folder .*empty has no tokenizer.json; it holds nothing"),
        ("tokenizer=train.csv", "train.csv cannot be read as a tokenizer"),
        ("path=broken.csv", r"row 0 of train of broken is not UTF-8: b'na\\xefve'"),
        ("path=missing.csv", "row 1 of train of missing has no text"),
        ("path=empty", "no train.parquet or train.csv or .* in .*empty; splits there: none"),
        ("vocabulary=all", "data.vocabulary is 'all'; it needs 'whole' or 'used'"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_exit_code_2(
    tokenizer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str,
    message: str,
) -> None:
    """Prevents a traceback for a wrong file."""
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path, tokenizer)
    assert main(["annotate", "recipe.yaml", f"data.hugging_face.{change}"]) == 2
    told = capsys.readouterr().err.strip()
    assert re.search(message, told)
    assert len(told.splitlines()) == 1


def test_without_the_tokenizers_library_one_sentence_says_what_to_install(
    tokenizer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Prevents an ImportError from deep inside a run."""
    write_recipe(tmp_path, tokenizer)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert main(["annotate", str(tmp_path / "recipe.yaml")]) == 2
    assert "Install it with: pip install limbeck[text]" in capsys.readouterr().err


def write_recipe(folder: Path, tokenizer: Path) -> None:
    """A recipe on texts, and files that are wrong in one way each."""
    write(folder / "train.csv", ROWS[:3])
    (folder / "broken.csv").write_bytes(b"text,label\nna\xefve,0\nb,1\n")
    (folder / "missing.csv").write_text("text,label\na,0\n,1\n")
    (folder / "empty").mkdir()
    (folder / "recipe.yaml").write_text(
        "data:\n"
        f"  hugging_face: {{path: train.csv, tokenizer: {tokenizer}, validation: 0, test: 0}}\n"
        "teacher: {train: {student: text_cnn, training: {epochs: 1}}}\n"
        "student: text_gru\n"
        "objective: soft_targets\n"
    )


@pytest.mark.slow
def test_imdb_is_read(imdb: Path, bert: Path) -> None:
    """Prevents a loader that only small files fit."""
    splits = hugging_face(imdb, tokenizer=bert, validation=2500)
    assert splits.validation is not None
    assert splits.test is not None
    assert isinstance(splits.test, Texts)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (22500, 2500, 25000)
    assert splits.train.labels.bincount().tolist() == [11250, 11250]
    assert int(splits.test.lengths.max()) == 128
    texts = pq.read_table(imdb / "test.parquet")["text"].to_pylist()
    rows = torch.tensor([0, 24_999, 12_345])
    batch = splits.test.batch(rows)
    assert list(batch.texts or ()) == [texts[row] for row in rows]
    assert torch.equal(batch.inputs, Tokenization(bert)([texts[row] for row in rows]))
