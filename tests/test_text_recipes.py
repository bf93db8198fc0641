"""Recipes with texts: pretrained teachers, students of texts, from data to a prediction."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from limbeck.cli.main import main
from limbeck.errors import LimbeckError, RecipeError
from limbeck.experiment import Experiment
from limbeck.recipe import Recipe
from limbeck.students import load
from limbeck.teachers import Ensemble, TorchModule, Transformers

pytest.importorskip("transformers")

WORDS = ("dull", "fair", "bright")
RECIPE = """
data:
  hugging_face: {path: reviews.csv, tokenizer: bert, max_length: 10, validation: 0, test: 0.25}
teacher:
  transformers: {model: bert, max_length: 16, classes: [bad, fair, good]}
student:
  text_gru: {hidden: 6, embedding: 4, dropout: 0.0}
objective:
  soft_targets: {temperature: 2.0}
training: {epochs: 1, batch_size: 8}
output: runs
"""
LAYERS = """
  hints: {teacher_layer: hidden_states.1, student_layer: gru}
"""


@pytest.fixture
def here(tmp_path: Path, tiny_bert: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with reviews, the tiny BERT and a recipe."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_bert, tmp_path / "bert")
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(60):
            writer.writerow(
                [f"a {'very ' * (i % 6)}{WORDS[i % 3]} film", ("bad", "fair", "good")[i % 3]]
            )
    (tmp_path / "reviews.yaml").write_text(RECIPE)
    return tmp_path


def experiment(text: str = RECIPE) -> Experiment:
    return Experiment(Recipe.parse(text, source="reviews.yaml"))


def test_a_students_tokens_are_those_of_the_data(here: Path) -> None:
    """A vocabulary that has to be copied into the recipe is copied wrongly one day."""
    student = experiment().run().student
    tokenization = experiment().data().train.tokenization
    assert tokenization is not None
    assert student.module.vocabulary == tokenization.vocabulary
    assert student.module.padding == tokenization.padding
    assert load(here / "runs" / "student").tokenization.fingerprint == tokenization.fingerprint


def test_a_transformers_teacher_reads_with_its_own_length(here: Path) -> None:
    """Truncated to the student's length it would know less than it could."""
    teacher = experiment().teacher()
    assert isinstance(teacher, Transformers)
    assert teacher.tokenization is not None
    assert (teacher.name, teacher.tokenization.max_length) == ("transformers", 16)


def test_a_path_alone_is_a_teacher_too(here: Path) -> None:
    """The shortest way to say it, as `load` has it."""
    text = RECIPE.replace("{model: bert, max_length: 16, classes: [bad, fair, good]}", "bert")
    teacher = experiment(text).teacher()
    assert isinstance(teacher, Transformers)
    assert teacher.classes == ("bad", "fair", "good")
    loaded = experiment(text.replace("transformers: bert", "load: bert")).teacher()
    assert loaded.fingerprint == teacher.fingerprint


def test_an_encoder_is_trained_as_a_teacher(here: Path) -> None:
    """The way to a teacher where only a pretrained encoder exists."""
    trained = (
        "  train:\n"
        "    student: {transformers_classifier: {model: bert, freeze: 1}}\n"
        "    training: {epochs: 1, batch_size: 8}\n"
    )
    start, end = RECIPE.index("  transformers:"), RECIPE.index("student:\n")
    text = RECIPE[:start] + trained + RECIPE[end:]
    made = experiment(text)
    teacher = made.teacher()
    assert isinstance(teacher, TorchModule)
    assert teacher.tokenization is not None
    assert teacher.tokenization.max_length == 10
    before = made.teaching().digest()
    config = here / "bert" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "layer_norm_eps": 1e-3}))
    assert experiment(text).teaching().digest() != before


def test_teachers_of_texts_are_combined(here: Path) -> None:
    """A fine-tuned encoder beside one that is loaded, each with its own tokens."""
    members = (
        "  ensemble:\n"
        "    members:\n"
        "      - transformers: {model: bert, max_length: 16}\n"
        "      - train: {student: {text_cnn: {channels: 4}}, training: {epochs: 1}}\n"
    )
    start, end = RECIPE.index("  transformers:"), RECIPE.index("student:\n")
    made = experiment(RECIPE[:start] + members + RECIPE[end:])
    assert isinstance(made.teacher(), Ensemble)
    assert made.store().manifest.subject.hidden == ()
    assert len(made.store()) == 45


def test_the_teachers_layers_are_read_for_the_objective(here: Path) -> None:
    """A layer that the recipe names twice is a layer named wrongly."""
    text = RECIPE.replace("objective:", "objective:" + LAYERS.rstrip()).replace("gru}", "layer1}")
    text = text.replace("hidden_states.1", "bert.pooler")
    teacher = experiment(text).teacher()
    assert teacher.hidden == ("bert.pooler",)
    assert experiment(text).run().history.loss


def test_an_encoder_of_ones_own_size_is_a_student(here: Path) -> None:
    """Its configuration is stated as in a config.json."""
    config = (
        "{model_type: bert, vocab_size: 70, hidden_size: 8, num_hidden_layers: 1, "
        "num_attention_heads: 2, intermediate_size: 8}"
    )
    text = RECIPE.replace(
        "text_gru: {hidden: 6, embedding: 4, dropout: 0.0}",
        f"transformers_classifier: {{model: {config}}}",
    )
    student = experiment(text).run().student
    assert student.module.vocabulary == 70
    assert student.tokenization is not None


def test_from_the_command_line_to_a_prediction(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step in between hands the tokenizer on."""
    assert main(["check", "reviews.yaml"]) == 0
    assert main(["export", "reviews.yaml"]) == 0
    assert (here / "runs" / "tokenizer.json").is_file()
    capsys.readouterr()
    assert main(["export", "reviews.yaml"]) == 0
    assert "ONNX file: reused" in capsys.readouterr().err
    assert main(["predict", "runs/student.onnx", "--text", "a bright film"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split(",")[1] in ("bad", "fair", "good")
    (here / "runs" / "tokenizer.json").unlink()
    assert main(["predict", "runs/student.onnx", "--text", "a bright film"]) == 2


def test_a_run_of_another_tokenizer_is_not_taken_up(here: Path) -> None:
    """The weights of one vocabulary under the words of another."""
    first = experiment()
    first.run()
    shorter = experiment(RECIPE.replace("max_length: 10", "max_length: 6"))
    assert shorter.provenance.student(None) != first.provenance.student(None)
    assert shorter.transfer_set().fingerprint == first.transfer_set().fingerprint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: bert", "model: no/such-bert", "hub did not give it"),
        ("model: bert", "model: ./nowhere", "there is nothing at '.*nowhere', which 'model' names"),
        ("tokenizer: bert", "tokenizer: ./nowhere", "nothing at '.*nowhere', which 'tokenizer'"),
        ("[bad, fair, good]", "[bad, good]", "scores 3 classes and was given 2 class names"),
        ("[bad, fair, good]", "[a, b, c]", "3 classes and the data has 3, and they are not the"),
        ("max_length: 16", "max_length: 99", "max_length is 99 and the model reads 24 tokens"),
        ("max_length: 16", "max_lenght: 16", "transformers has no key 'max_lenght'. Did you mean"),
        ("transformers:", "transformer:", "teacher has no 'transformer'. Did you mean"),
        ("hidden: 6", "hidden: 0", "hidden has 0"),
        ("hidden: 6", "vocabulary: 5", "vocabulary of 5 tokens and the tokenizer makes 61"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_exit_code_2(
    here: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    """The libraries' errors are pages long."""
    (here / "reviews.yaml").write_text(RECIPE.replace(old, new))
    assert main(["check", "reviews.yaml"]) in (0, 2)
    capsys.readouterr()
    assert main(["distill", "reviews.yaml"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(message, told), told


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_teachers_folder_that_lacks_a_file_ends_with_exit_code_2(
    here: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """A download that was interrupted."""
    shutil.copytree(here / "bert", here / "whole")
    (here / "bert" / damage).unlink()
    (here / "reviews.yaml").write_text(RECIPE.replace("tokenizer: bert", "tokenizer: whole"))
    assert main(["annotate", "reviews.yaml"]) == 2
    assert damage in capsys.readouterr().err


def test_a_student_of_texts_is_refused_numbers_with_the_line(here: Path) -> None:
    """torch complains of scalar types."""
    start, end = RECIPE.index("  hugging_face:"), RECIPE.index("teacher:")
    text = RECIPE[:start] + "  digits: {}\n" + RECIPE[end:]
    made = experiment(text.replace("soft_targets: {temperature: 2.0}", "hard_labels: {}"))
    with pytest.raises(RecipeError, match=r"line \d+: text_gru reads texts and .* has none"):
        made.run()


def test_an_estimator_is_refused_texts(here: Path) -> None:
    """It would be fitted on token ids as if they were measurements."""
    start, end = RECIPE.index("  transformers:"), RECIPE.index("student:\n")
    made = experiment(RECIPE[:start] + "  estimator: logistic_regression\n" + RECIPE[end:])
    with pytest.raises(LimbeckError, match="is fitted on numbers and .* holds texts"):
        made.teacher()
