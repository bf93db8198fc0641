"""The shipped recipes for IMDB from the command line, on 200 reviews and a tiny random BERT."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from limbeck.cli import main
from limbeck.cli.progress import ConsoleProgress
from limbeck.recipe import Recipe
from limbeck.recipes import shipped
from limbeck.store import KnowledgeStore
from limbeck.students import load
from limbeck.teachers import Teacher
from limbeck.transfer_sets import Tokenization

tokenizers = pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

BAD, GOOD = ("dull", "flat", "stale", "tired"), ("bright", "fine", "moving", "warm")
OTHERS = ("a", "film", "story", "very", "and", "the")
ROWS = {"train": 100, "test": 50, "unsupervised": 50}
DATA = ("data=imdb", "data.hugging_face.tokenizer=bert")
TEACHER = ("run", "imdb_teacher", *DATA, "student.transformers_classifier.model=bert")
KILLED = """
import os, signal, sys
from limbeck import fitting
from limbeck.cli import main, progress
fitting.CHECKPOINT_SECONDS = 0.0
def call(self, what, done, total):
    if (what, done) == ("train", 4):
        os.kill(os.getpid(), signal.SIGKILL)
progress.ConsoleProgress.__call__ = call
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder: reviews as the hub lays them out, and a pretrained encoder."""
    folder = tmp_path_factory.mktemp("imdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_reviews(folder / "imdb" / "plain_text")
        write_bert(folder / "bert")
        yield folder


@pytest.fixture(scope="module")
def teacher(home: Path) -> Path:
    """What `limbeck run imdb_teacher` leaves."""
    assert main(TEACHER) == 0
    return home / "runs" / "imdb_teacher"


def write_reviews(folder: Path) -> None:
    """Parquet files with the hub's note on the classes; unsupervised ones have the label -1."""
    folder.mkdir(parents=True)
    drawn = torch.Generator().manual_seed(0)
    note = {"names": ["neg", "pos"], "_type": "ClassLabel"}
    metadata = {b"huggingface": json.dumps({"info": {"features": {"label": note}}}).encode()}
    for split, count in ROWS.items():
        texts = []
        for row in range(count):
            words = OTHERS + (BAD, GOOD)[row % 2]
            length = int(torch.randint(3, 15, (), generator=drawn))
            picked = torch.randint(len(words), (length,), generator=drawn)
            texts.append(" ".join(words[place] for place in picked))
        labels = [-1 if split == "unsupervised" else row % 2 for row in range(count)]
        table = pa.table({"text": texts, "label": labels}).replace_schema_metadata(metadata)
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")


def write_bert(folder: Path) -> None:
    """An encoder without a classifier, as pretrained ones come, and its tokenizer."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *BAD, *GOOD, *OTHERS]
    vocabulary = {word: i for i, word in enumerate(words)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.BertModel(config).save_pretrained(folder)
    made.save(str(folder / "tokenizer.json"))


def test_the_teacher_is_fine_tuned_measured_exported_and_reported(teacher: Path) -> None:
    """The first recipe of a chain that ends half way: there is nothing to compare."""
    student = load(teacher / "student")
    assert student.classes == ("neg", "pos")
    assert student.tokenization is not None
    assert student.tokenization.max_length == 128
    pretrained = load_file("bert/model.safetensors")
    tuned = {
        name.removeprefix("model.bert."): value
        for name, value in student.module.state_dict().items()
    }
    moved = [float((tuned[n] - w).abs().max()) for n, w in pretrained.items() if "layer" in n]
    assert 0 < max(moved) < 1e-2
    history = json.loads((teacher / "student" / "run.json").read_text())["history"]
    assert history["steps"] == [3, 6]
    assert len(history["validation_accuracy"]) == 2
    assert json.loads((teacher / "evaluation.json").read_text())["examples"] == ROWS["test"]
    assert "TRAINED" in (teacher / "report.html").read_text()
    assert not (teacher / "knowledge.store").exists()


def test_it_predicts_and_is_a_teacher(teacher: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A teacher that reads with other tokens than it was fine-tuned with."""
    assert main(["predict", str(teacher / "student.onnx"), "--text", "a bright film"]) == 0
    label, probability = capsys.readouterr().out.splitlines()[1].split(",")[1:]
    loaded = Teacher.load(teacher / "student")
    assert loaded.classes == ("neg", "pos")
    assert loaded.tokenization.fingerprint == Tokenization("bert", max_length=128).fingerprint
    tokens = loaded.tokenization(["a bright film"])
    with torch.no_grad():
        probabilities = load(teacher / "student").module(tokens).softmax(dim=1)[0]
    assert label == loaded.classes[int(probabilities.argmax())]
    assert float(probability) == pytest.approx(float(probabilities.max()), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "examples"),
    [
        ("imdb_gru", 90),
        pytest.param("imdb_cnn", 90, marks=pytest.mark.slow),
        pytest.param("imdb_unlabelled", 140, marks=pytest.mark.slow),
    ],
)
def test_each_student_learns_from_it(
    teacher: Path, name: str, examples: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recipe that fits only the data of its author."""
    changes = [*DATA, "training.epochs=2", "seeds=2"]
    assert main(["check", name, *changes]) == 0
    assert f"# {name} is valid" in capsys.readouterr().out
    assert main(["run", name, *changes]) == 0
    assert re.search("The distilled student (BEATS|TIES|LOSES)", capsys.readouterr().out)
    made = Path("runs") / name
    store = KnowledgeStore(made / "knowledge.store")
    assert len(store) == examples
    assert [record.name for record in store.manifest.subject.teachers] == ["imdb_teacher"]
    assert (made / "report.html").is_file()
    student = load(made / "student")
    assert student.tokenization is not None
    assert student.module.vocabulary == student.tokenization.vocabulary
    assert main(["predict", str(made / "student.onnx"), "--text", "a bright film"]) == 0


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_teacher(
    teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of fine-tuning that begin again, or end in other weights."""
    command = ["distill", *TEACHER[1:], "output=killed"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *command], env=environment, check=False, timeout=300
    )
    assert ended.returncode == -signal.SIGKILL
    assert list(Path("killed/checkpoints").glob("*.safetensors"))
    assert not Path("killed/student").exists()
    steps: list[int] = []

    def call(self: ConsoleProgress, what: str, done: int, total: int) -> None:
        if what == "train":
            steps.append(done)

    monkeypatch.setattr(ConsoleProgress, "__call__", call)
    assert main(command) == 0
    assert steps == [5, 6]
    expected = load_file(teacher / "student" / "student.safetensors")
    found = load_file("killed/student/student.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_what_is_commented_out_can_be_switched_on(home: Path) -> None:
    """A comment that advises a key which no longer exists."""
    text = shipped()["imdb_teacher"].read_text()
    switched = re.sub(r"# (freeze: \w+).*", r"\1", text)
    recipe = Recipe.parse(switched)
    assert recipe.student.arguments["freeze"] == 3
    assert recipe.training.precision == "auto"
    changes = ["student.transformers_classifier.freeze=1", "training.precision=bfloat16"]
    assert main(["distill", *TEACHER[1:], *changes, "training.epochs=1", "output=frozen"]) == 0
    student = load("frozen/student")
    assert student.frozen == ("model.bert.embeddings", "model.bert.encoder.layer.0")
    kept = student.module.model.bert.embeddings.word_embeddings.weight
    assert torch.equal(
        kept, load_file("bert/model.safetensors")["embeddings.word_embeddings.weight"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.hugging_face.tokenizer=./brt", "nothing at './brt', which 'tokenizer' names"),
        ("data.hugging_face.tokenizer=brt", "there is no folder brt, and the hub did not give its"),
        ("data.hugging_face.tokenizer=imdb", "tokenizer folder .*imdb has no tokenizer.json; it"),
        ("data=./imbd", "nothing at './imbd', which 'path' names"),
        ("data=bert", "no train.parquet or .* in .*bert; splits there"),
        ("student.transformers_classifier.model=./brt", "nothing at './brt', which 'model' names"),
        ("student.transformers_classifier.model=imdb", "imdb is no model: it has no config.json"),
        ("student.transformers_classifier.freeze=3", "freeze is 3, and the model has 2 layers"),
        ("student.transformers_classifier.max_length=129", "up to 128 tokens and the tokenizer"),
    ],
)
def test_a_typo_ends_in_one_sentence_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    """The libraries' errors are pages long."""
    assert main([*TEACHER, change, "output=typo"]) == 2
    told = capsys.readouterr().err.strip()
    assert re.search(message, told), told
    assert len(told.splitlines()) == 1
    assert not Path("typo/student").exists()


@pytest.mark.parametrize("name", ["imdb_gru", "imdb_cnn", "imdb_unlabelled"])
def test_a_student_without_its_teacher_says_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing folder of another recipe, and no word on which."""
    monkeypatch.chdir(tmp_path)
    for verb in ("check", "run"):
        assert main([verb, name]) == 2
        assert "Make it with: limbeck run imdb_teacher" in capsys.readouterr().err
