"""Students of texts as ONNX files: of any length, with their tokenizer, without torch."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from limbeck.cli.main import main
from limbeck.errors import DataError, LimbeckError
from limbeck.evaluation import score
from limbeck.exporting import Export, check_beside, export
from limbeck.objectives import HardLabels
from limbeck.predicting import predict
from limbeck.predicting_texts import batches_of_tokens
from limbeck.reporting.contents import exported
from limbeck.students import (
    Student,
    save,
    text_cnn,
    text_gru,
    text_transformer,
    transformers_classifier,
)
from limbeck.training import Training, distill
from limbeck.transfer_sets import Texts, Tokenization

SLOW = pytest.mark.slow
WORDS = ("dull", "bright")
TEXTS = [f"a {'very ' * (i % 9)}{WORDS[i % 2]} film" for i in range(40)]
TINY = {
    "model_type": "bert", "vocab_size": 64, "hidden_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 24,
}  # fmt: skip
BUILD: dict[str, Callable[[], Student]] = {
    "gru": lambda: text_gru(64, 2, 8, embedding=8),
    "cnn": lambda: text_cnn(64, 2, 8, embedding=8),
    "faithful cnn": lambda: text_cnn(64, 2, 8, embedding=8, faithful=True, max_length=12),
    "transformer": lambda: text_transformer(64, 2, 8, layers=1, max_length=12),
    "transformers": lambda: transformers_classifier(TINY, 2),
}


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path
) -> Callable[[str], tuple[Student, Texts, Export]]:
    """Each student, its texts and its file, made once."""
    kept: dict[str, tuple[Student, Texts, Export]] = {}
    tokenization = Tokenization(tiny_bert, max_length=12)
    texts = Texts(TEXTS, tokenization, [i % 2 for i in range(40)], classes=WORDS)

    def make(name: str) -> tuple[Student, Texts, Export]:
        if name not in kept:
            training = Training(epochs=3, batch_size=8)
            student = distill(BUILD[name](), None, texts, HardLabels(), training).student
            path = tmp_path_factory.mktemp("exported") / "student.onnx"
            kept[name] = student, texts, export(student, path)
        return kept[name]

    return make


@pytest.mark.parametrize(
    "name",
    [
        "gru",
        "cnn",
        *(pytest.param(n, marks=SLOW) for n in ("faithful cnn", "transformers", "transformer")),
    ],
)
def test_the_file_answers_texts_of_any_length_as_the_student_does(made: Any, name: str) -> None:
    """A length that is built into the file fails on the first other text."""
    student, _, file = made(name)
    session = onnxruntime.InferenceSession(str(file.path))
    (given,), (answer,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, answer.name) == ("inputs", "tensor(int64)", "logits")
    assert all(isinstance(axis, str) for axis in given.shape)
    generator = torch.Generator().manual_seed(0)
    for batch, length in ((1, 1), (1, 2), (2, 12), (5, 7), (33, 3)):
        tokens = torch.randint(1, 61, (batch, length), generator=generator)
        tokens[: batch // 2, max(1, length // 2) :] = 0
        (found,) = session.run(None, {"inputs": tokens.numpy()})
        with torch.no_grad():
            expected = student.module(tokens)
        assert torch.allclose(torch.from_numpy(found), expected, atol=1e-5)


def test_what_was_compared_and_what_it_reads_is_told(made: Any) -> None:
    """Zero rows compared would pass for perfect parity."""
    _, texts, file = made("gru")
    assert (file.examples, file.agreement, file.input_shape) == (40, 1.0, (12,))
    assert file.largest_difference < 1e-5
    assert file.tokenizer == file.path.with_name("tokenizer.json")
    assert dict(exported(file))["Input"] == (
        "int64 (batch, tokens), up to 12 tokens from tokenizer.json"
    )
    facts = {p.key: p.value for p in onnx.load(file.path).metadata_props}
    assert json.loads(facts["limbeck.input_shape"]) == [12]
    assert json.loads(facts["limbeck.tokenizer"])["max_length"] == 12
    again = Tokenization(file.tokenizer, max_length=12)
    assert again.fingerprint == texts.tokenization.fingerprint


def test_a_gru_is_one_node_however_often_it_is_exported(made: Any, tmp_path: Path) -> None:
    """Torch's exporter fixed the length of the second GRU of a process to the example's."""
    student, _, file = made("gru")
    again = export(student, tmp_path / "student.onnx")
    for path in (file.path, again.path):
        operators = [node.op_type for node in onnx.load(path).graph.node]
        assert operators.count("GRU") == 1
        assert "Loop" not in operators


@pytest.mark.parametrize(
    "name",
    ["gru", pytest.param("faithful cnn", marks=SLOW), pytest.param("transformers", marks=SLOW)],
)
@pytest.mark.parametrize("batch_size", [1, 7, 1024])
def test_predictions_are_the_students_in_the_order_of_the_texts(
    made: Any, name: str, batch_size: int
) -> None:
    """Sorted by length and not sorted back, each text gets another's answer."""
    student, texts, file = made(name)
    found = predict(file.path, texts=TEXTS, batch_size=batch_size)
    np.testing.assert_allclose(found.probabilities, score(student, texts).exp(), atol=1e-5)
    assert found.classes == WORDS


def test_the_test_part_is_what_an_export_is_compared_on(
    made: Any, tmp_path: Path, pieces: Any
) -> None:
    """It may be tokenised otherwise than the student was trained."""
    student, texts, _ = made("gru")
    other = texts.tokenised(Tokenization(pieces, max_length=5))
    file = export(student, tmp_path / "student.onnx", data=other.select(torch.arange(9)))
    assert (file.examples, file.input_shape, file.agreement) == (9, (12,), 1.0)


def test_another_models_tokenizer_is_not_overwritten(made: Any, tiny_bert: Path) -> None:
    """A pretrained folder would read other words from then on."""
    student, _, _ = made("gru")
    before = (tiny_bert / "tokenizer.json").read_bytes()
    with pytest.raises(LimbeckError, match="another model's tokenizer.* a folder of its own"):
        export(student, tiny_bert / "student.onnx")
    assert (tiny_bert / "tokenizer.json").read_bytes() == before
    assert not (tiny_bert / "student.onnx").exists()


def test_its_own_tokenizer_is_written_again(made: Any, tmp_path: Path) -> None:
    """A saved student's folder has the same; beside an earlier export there is an earlier one."""
    student, _, file = made("gru")
    save(student, tmp_path)
    check_beside(tmp_path / "student.onnx", student.tokenization)
    (tmp_path / "tokenizer.json").write_text("{}")
    shutil.copy(file.path, tmp_path)
    check_beside(tmp_path / "student.onnx", student.tokenization)


FILES: dict[str, Callable[[Path, list[str]], object]] = {
    "rows.txt": lambda path, texts: path.write_text("\n".join(texts) + "\n"),
    "rows.jsonl": lambda path, texts: path.write_text(
        "\n".join(json.dumps({"text": text, "other": 1}) for text in texts)
    ),
    "rows.parquet": lambda path, texts: pq.write_table(
        pa.table({"other": [1] * len(texts), "text": texts}), path
    ),
    "rows.csv": lambda path, texts: write_csv(path, "text", texts),
}


def write_csv(path: Path, column: str, texts: list[str]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["other", column], *(["x", text] for text in texts)])


@pytest.mark.parametrize("file", list(FILES))
def test_every_kind_of_file_holds_the_same_texts(made: Any, tmp_path: Path, file: str) -> None:
    """A row lost or doubled moves all labels after it."""
    texts = ["a film", "", "not bright, very dull", "ü bright"]
    FILES[file](tmp_path / file, texts)
    _, _, model = made("gru")
    expected = predict(model.path, texts=texts).probabilities
    found = predict(model.path, tmp_path / file).probabilities
    np.testing.assert_array_equal(found, expected)


def test_the_column_of_texts_can_be_named(made: Any, tmp_path: Path) -> None:
    """Most files call it otherwise."""
    write_csv(tmp_path / "rows.csv", "review", ["a film"])
    _, _, model = made("gru")
    assert len(predict(model.path, tmp_path / "rows.csv", column="review")) == 1
    with pytest.raises(DataError, match="has no column 'text'. Known columns: other, review."):
        predict(model.path, tmp_path / "rows.csv")


def missing_text(path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", None]}), path)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("rows.doc", lambda path: path.touch(), "no file of texts. Give one of .txt, .csv"),
        ("none.txt", lambda path: None, "no texts at .*none.txt"),
        ("rows.txt", lambda path: path.write_bytes(b"\xff\xfe\xfa"), "cannot be read .*UTF-8"),
        ("rows.txt", lambda path: path.touch(), "there is no text. Give at least one"),
        ("rows.parquet", lambda path: path.write_bytes(b"PAR1"), "rows.parquet cannot be read"),
        ("rows.jsonl", lambda path: path.write_text("{"), "rows.jsonl cannot be read"),
        ("rows.jsonl", lambda path: path.write_text('{"text": 3}'), "row 0 of .* is 3"),
        ("rows.csv", lambda path: path.write_text("text,b\n1,2\n\n3"), "nothing"),
        ("rows.parquet", missing_text, "row 1 of .* is None"),
    ],
)
def test_texts_that_cannot_be_read_are_told(
    made: Any, tmp_path: Path, name: str, write: Callable[[Path], object], message: str
) -> None:
    """Arrow's and Python's errors do not say what to do."""
    write(tmp_path / name)
    _, _, model = made("gru")
    if message == "nothing":
        assert len(predict(model.path, tmp_path / name)) == 2
        return
    with pytest.raises(DataError, match=message):
        predict(model.path, tmp_path / name)


def test_a_tokenizer_that_is_missing_or_another_ones_is_refused(made: Any, tmp_path: Path) -> None:
    """Its tokens would mean other words, and the answers would look like answers."""
    _, _, file = made("gru")
    path = Path(shutil.copy(file.path, tmp_path))
    with pytest.raises(LimbeckError, match=r"there is no .*tokenizer.json, with which .*Copy it"):
        predict(path, texts=["a film"])
    content = file.tokenizer.read_text().replace("bright", "bring")
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(LimbeckError, match="is not the tokenizer that was exported"):
        predict(path, texts=["a film"])


def test_either_a_file_or_texts_are_given(made: Any, tmp_path: Path) -> None:
    """Ignoring one of them would answer another question."""
    _, _, file = made("gru")
    for more in ({}, {"rows_path": tmp_path, "texts": ["a"]}):
        with pytest.raises(DataError, match="give either a file of rows or texts"):
            predict(file.path, **more)


def test_long_texts_go_in_smaller_batches() -> None:
    """A thousand texts of 512 tokens do not fit into memory at once."""
    tokens = [np.full(length, 7) for length in (3, 20_000, 1, 20_000, 40_000, 2)]
    found = list(batches_of_tokens(tokens, 0, 3))
    assert [rows for rows, _ in found] == [[2, 5, 0], [1], [3], [4]]
    assert [batch.shape for _, batch in found] == [(3, 3), (1, 20_000), (1, 20_000), (1, 40_000)]
    assert found[0][1].tolist() == [[7, 0, 0], [7, 7, 0], [7, 7, 7]]


def test_the_command_predicts_without_torch(
    made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deployment image that needs 2 GB of torch for a 100 kB file."""
    _, _, file = made("gru")
    text = ["a bright film", "a very dull film"]
    expected = predict(file.path, texts=text).labels
    script = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'sklearn'):\n"
        "    sys.modules[name] = None\n"
        "from limbeck.cli import main\n"
        f"arguments = ['predict', {str(file.path)!r}]\n"
        f"assert main([*arguments, '--text', {text[0]!r}, '--text', {text[1]!r}]) == 0\n"
        "assert main([*arguments, 'rows.txt', '--to', 'found.csv']) == 0\n"
    )
    (tmp_path / "rows.txt").write_text("\n".join(text))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert [row.split(",")[1] for row in rows[1:3]] == list(expected)
    with (tmp_path / "found.csv").open() as lines:
        assert [row["label"] for row in csv.DictReader(lines)] == list(expected)


def test_the_command_ends_with_a_sentence(
    made: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback is no answer."""
    _, _, file = made("gru")
    assert main(["predict", str(file.path)]) == 2
    assert "either a file of rows or texts" in capsys.readouterr().err
    assert main(["predict", str(file.path), str(tmp_path / "rows.npz")]) == 2
    assert "is no file of texts" in capsys.readouterr().err
