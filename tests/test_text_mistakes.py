"""Texts, teachers and tokenizers that are wrong, or extreme, from the command line.

Wrong files and columns are in `transfer_sets/test_hugging_face.py`, wrong keys and names in
`test_text_recipes.py`, mistyped folders in `test_imdb_recipes.py`.
"""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from limbeck.cli import main
from limbeck.store import KnowledgeStore

pytest.importorskip("transformers")

NAMES = ("bad", "fair", "good")
WORDS = ("dull", "film", "bright")
EXTREME = ("", " ", "very " * 20_000, "q" * 100_000, "\n\n", "żółw ☃ 🎬")
RECIPE = """
data:
  hugging_face:
    {path: data, tokenizer: bert, max_length: 10, validation: 0, classes: [bad, fair, good]}
teacher: {transformers: {model: bert, max_length: 16}}
student: {text_gru: {hidden: 4, embedding: 4}}
objective: soft_targets
training: {epochs: 1, batch_size: 8}
output: runs
"""


@pytest.fixture
def here(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the recipe, its data and its teacher."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bert, "bert")
    Path("texts.yaml").write_text(RECIPE)
    for split, count in (("train", 24), ("test", 12)):
        write(split, [(f"a {'very ' * (i % 4)}{WORDS[i % 3]} film", i % 3) for i in range(count)])
    return tmp_path


def write(split: str, rows: list[tuple[str, int]]) -> None:
    """A split as CSV, every text in quotes."""
    Path("data").mkdir(exist_ok=True)
    with Path(f"data/{split}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["text", "label"])
        writer.writerows((text, NAMES[label]) for text, label in rows)


def refused(capsys: pytest.CaptureFixture[str], message: str, *command: str) -> None:
    """The command ends with exit code 2 and one sentence."""
    capsys.readouterr()
    assert main(list(command)) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(message, told), told
    assert told.startswith("error: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"review,label\nfine,good\n", "has no column 'text'; it has review, label"),
        (b"text,label\nfine,god\n", "label 'god' in row 0 of train in data is no class"),
        (b"text,label\nfine,3\n", r"the labels in data mix text \('bad'\) and numbers \(3\)"),
        (b"text,label\nna\xefve,bad\n", r"row 0 of train of data is not UTF-8: b'na\\xefve'"),
        (b"text,label\n,bad\n", "row 0 of train of data has no text"),
        (b"text,label\nfine\n", r"train.csv cannot be read as csv \("),
        (b"\xff\xfet\x00e\x00x\x00t\x00", "has no column 'text'|cannot be read as csv|not UTF-8"),
        (b"text,label\n", "train of data is empty"),
    ],
)
def test_a_wrong_row_ends_a_whole_run(
    here: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    """A traceback, or a teacher that is asked about garbled letters."""
    Path("data/train.csv").write_bytes(content)
    refused(capsys, message, "run", "texts.yaml")
    assert not Path("runs").exists()


def test_empty_and_endless_texts_are_examples_like_others(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A batch of empty texts without a token to read, or one text that fills the memory."""
    rows = [(text, i % 3) for i, text in enumerate(EXTREME * 4)]
    write("train", rows)
    write("test", rows[: len(EXTREME)])
    for verb in ("annotate", "distill", "evaluate", "export"):
        assert main([verb, "texts.yaml"]) == 0, capsys.readouterr().err
    store = KnowledgeStore("runs/knowledge.store")
    assert len(store) == len(rows)
    evaluation = json.loads(Path("runs/evaluation.json").read_text())
    assert evaluation["examples"] == len(EXTREME)
    capsys.readouterr()
    command = ["predict", "runs/student.onnx", "data/test.csv"]
    assert main(command) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(EXTREME) + 1


def test_a_saved_teacher_that_lacks_a_file_is_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that was copied by half."""
    assert main(["distill", "texts.yaml"]) == 0
    shutil.move("runs/student", "saved")
    load = ("annotate", "texts.yaml", "teacher={load: saved}", "output=again")
    for file, message in (
        ("student.safetensors", "saved/student.safetensors cannot be read: No such file"),
        ("tokenizer.json", "saved/tokenizer.json cannot be read: No such file"),
        ("student.json", r"no saved student at .*saved \(no student.json\)"),
    ):
        Path("saved", file).rename("aside")
        refused(capsys, message, *load)
        Path("aside").rename(Path("saved", file))
    tokenizer = Path("saved/tokenizer.json")
    tokenizer.write_text(tokenizer.read_text().replace('"dull"', '"bright "'))
    refused(capsys, "is not the tokenizer that student.json beside it describes", *load)


def test_a_store_of_another_tokenizer_is_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers about texts that were read otherwise, taken for today's."""
    assert main(["annotate", "texts.yaml"]) == 0
    store = "runs/knowledge.store"
    Path("shorter.yaml").write_text(RECIPE.replace("max_length: 16", "max_length: 6"))
    message = (
        "holds the answers of a teacher with another tokenizer: 'transformers' read the texts with "
        "a tokenizer or a max_length that 'transformers' has not"
    )
    assert main(["verify", store, "texts.yaml"]) == 0
    refused(capsys, message, "verify", store, "shorter.yaml")
    Path("runs/knowledge.made.json").unlink()  # as of a store that was copied here
    shard = Path(store, "shard-00000.arrow").stat()
    refused(capsys, message, "annotate", "shorter.yaml")
    assert main(["annotate", "texts.yaml"]) == 0
    assert Path(store, "shard-00000.arrow").stat() == shard
    tokenizer = json.loads(Path("bert/tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["dull"], tokenizer["model"]["vocab"]["bright"] = 5, 4
    Path("bert/tokenizer.json").write_text(json.dumps(tokenizer))
    refused(capsys, message, "verify", store, "texts.yaml")


def test_a_store_serves_students_of_another_tokenizer(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same answers, asked for once more because the students' vocabulary was cut."""
    assert main(["annotate", "texts.yaml"]) == 0
    capsys.readouterr()
    changed = ("data.hugging_face.vocabulary=used", "data.hugging_face.max_length=7")
    assert main(["distill", "texts.yaml", *changed]) == 0
    assert "knowledge store: reused" in capsys.readouterr().err
