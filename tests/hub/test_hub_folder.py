"""Folders for the hub: read back with the hub's own libraries, offline."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import limbeck as lb
from limbeck.cli import main
from limbeck.experiment import Experiment
from limbeck.hub import Source, hub_folder
from limbeck.hub.recipes import hub_folder_of
from limbeck.recipe import Recipe
from limbeck.store import KnowledgeStore, verify
from limbeck.teachers import Ensemble
from limbeck.teachers.teacher import Teacher
from limbeck.training import Training, distill
from limbeck.transfer_sets.texts import Texts
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.types import Outputs

datasets = pytest.importorskip("datasets")
huggingface_hub = pytest.importorskip("huggingface_hub")

TEXT = """\
name: small
data: {digits: {labelled: 60}}
teacher:
  ensemble:
    members:
      - train: {student: {mlp: {hidden: [12]}}, training: {epochs: 2}, seeds: 2}
student: {mlp: {hidden: [6]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 2, batch_size: 256}
seeds: 2
"""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A small recipe that has run, verdict and export included."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = Recipe.parse(TEXT, folder=folder).override([f"output={folder / 'secret' / 'out'}"])
    made = Experiment(recipe.check())
    made.comparison()
    made.export()
    return made


def hub(experiment: Experiment, folder: Path, **options):
    made = {"comparison": experiment.comparison(), "export": experiment.export()}
    return hub_folder(experiment.run(), folder, **{"name": "small", **made, **options})


def loaded(folder: Path, tmp_path: Path):
    """The data set as its user opens it."""
    found = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    return found.with_format("numpy")


def test_the_hubs_own_reader_understands_the_model_card(experiment, tmp_path) -> None:
    """A card that the hub shows without licence, teacher, data or figures."""
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "README.md").write_text("---\nlicense: mit\n---\n")
    written = hub(
        experiment,
        tmp_path / "hub",
        teachers=[Source("big/one", "big/one", "mit"), teacher],
        data="some/digits",
    )
    card = huggingface_hub.ModelCard.load(written.model / "README.md")
    comparison = experiment.comparison()
    assert card.data.license == "mit"
    assert card.data.base_model == ["big/one"]
    assert card.data.datasets == ["some/digits"]
    assert card.data.library_name == "limbeck"
    assert card.data.pipeline_tag == "image-classification"
    assert {"knowledge-distillation", "limbeck", "onnx"} == set(card.data.tags)
    assert card.data.metrics == ["accuracy", "f1"]
    accuracy, f1 = card.data.eval_results
    assert (accuracy.metric_type, f1.metric_type) == ("accuracy", "f1")
    assert accuracy.dataset_type == "some/digits"
    own = comparison.distilled[0]
    assert accuracy.metric_value == pytest.approx(own.accuracy.estimate, abs=1e-6)
    assert f1.metric_value == pytest.approx(own.macro_f1, abs=1e-6)
    for told in (
        f"**{comparison.verdict}**: {comparison.sentence}",
        "| | Teacher | From scratch | Distilled |",
        f"| Accuracy | {100 * comparison.teacher.accuracy.estimate:.2f}% (",
        "[`big/one`](https://huggingface.co/big/one): licence mit, fingerprint",
        "`teacher`: licence mit",
        "[`some/digits`](https://huggingface.co/datasets/some/digits), licence not stated",
        "Combined by their geometric mean, weights equal.",
        "1,078 examples, 60 of them labelled",
        "SoftTargets(temperature=2.0)",
    ):
        assert told in card.text


def test_the_student_of_the_folder_is_the_one_that_was_trained(experiment, tmp_path) -> None:
    """A card with the figures of other weights."""
    written = hub(experiment, tmp_path / "hub")
    rows = torch.arange(20)
    batch = experiment.test().batch(rows)
    expected = experiment.run().student.outputs(batch).logits
    again = lb.students.load(written.model).outputs(batch).logits
    assert torch.equal(again, expected)
    np.save(tmp_path / "rows.npy", batch.inputs.numpy())
    predicted = lb.predict(written.model / "student.onnx", tmp_path / "rows.npy")
    assert predicted.probabilities.argmax(1).tolist() == expected.argmax(1).tolist()
    assert json.loads((written.model / "run.json").read_text())["seed"] == 0


class Speaker(Teacher):
    """Two layers, one of them per token."""

    hidden = ("vectors", "pooled")

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed

    @property
    def fingerprint(self) -> str:
        return self.name

    def outputs(self, batch):
        generator = torch.Generator().manual_seed(self.seed)
        weights = torch.randn(64, 10, generator=generator)
        flat, counts = batch.inputs.flatten(1), batch.rows % 4 + 1
        vectors = flat[:, : int(counts.max()) * 3].reshape(len(flat), -1, 3)
        return Outputs(
            flat @ weights, {"vectors": vectors, "pooled": flat[:, :5]}, {"vectors": counts}
        )


@pytest.mark.parametrize("options", [{}, {"dtype": "float32", "shard_rows": 300}, {"top_k": 3}])
def test_the_datasets_library_reads_what_the_store_holds(tmp_path, options) -> None:
    """Knowledge that only limbeck can open, or that is off by a row."""
    data = lb.transfer_sets.digits().train
    teacher = Ensemble([Speaker("a", 1), Speaker("b", 2)], combine="arithmetic")
    store = lb.annotate(teacher, data, tmp_path / "s", **options)
    student = lb.students.mlp(64, (4,), 10)
    run = distill(student, store, data, lb.SoftTargets(1.0), Training(epochs=1, batch_size=512))
    written = hub_folder(run, tmp_path / "hub", data="some/digits")
    table = loaded(written.knowledge, tmp_path)
    assert len(table) == len(data)
    rows = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:40]
    read, found = store.read(rows), table[rows.numpy()]
    if read.kept is None:
        for number, member in enumerate(("a", "b")):
            np.testing.assert_array_equal(found[f"{member}.logits"], read.logits[number])
    else:
        np.testing.assert_array_equal(found["indices"], read.kept)
        for number, member in enumerate(("a", "b")):
            np.testing.assert_array_equal(found[f"{member}.values"], read.logits.values[number])
            rest = torch.stack([read.logits.rest[t][number] for t in (1.0, 2.0, 4.0)], dim=1)
            np.testing.assert_array_equal(found[f"{member}.rest"], rest)
    np.testing.assert_array_equal(found["a.hidden.pooled"], read.hidden["a.pooled"])
    for place, vectors in enumerate(found["b.hidden.vectors"]):
        count = int(read.lengths["b.vectors"][place])
        np.testing.assert_array_equal(np.stack(vectors), read.hidden["b.vectors"][place, :count])
    again = KnowledgeStore(written.knowledge)
    assert again.fingerprint == store.fingerprint
    assert verify(written.knowledge).ok


def test_the_hubs_own_reader_understands_the_data_card(experiment, tmp_path) -> None:
    """A data set whose files the hub does not find."""
    written = hub(experiment, tmp_path / "hub", data="some/digits", license="cc-by-4.0")
    card = huggingface_hub.DatasetCard.load(written.knowledge / "README.md")
    assert card.data.license == "cc-by-4.0"
    assert card.data.to_dict()["source_datasets"] == ["some/digits"]
    assert card.data.task_categories == ["image-classification"]
    files = card.data.to_dict()["configs"][0]["data_files"]
    assert files == [{"split": "train", "path": "shard-*.arrow"}]
    for told in (
        "the 1,078 examples of `digits.train` (from [`some/digits`]",
        "Row i is example i",
        "| `mlp-1.logits` | float16 (10) | logits of every class |",
        "| `check` | uint16 | 16 bits of a hash",
        "KL(teacher, stored), median:",
    ):
        assert told in card.text


def test_no_path_of_the_machine_is_published(experiment, tmp_path) -> None:
    """The name of a user's folders on a public page."""
    written = hub(experiment, tmp_path / "hub")
    for folder in (written.model, written.knowledge):
        for path in folder.iterdir():
            assert b"secret" not in path.read_bytes(), path.name
            assert str(tmp_path).encode() not in path.read_bytes(), path.name
    recipe = written.model.joinpath("README.md").read_text().split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(recipe)["output"] == "out"


def test_the_same_run_gives_the_same_bytes(experiment, tmp_path) -> None:
    """A push of nothing new that looks like a new version."""
    content = []
    for _ in range(2):
        written = hub(experiment, tmp_path / "hub")
        files = [*written.model.iterdir(), *written.knowledge.iterdir()]
        content.append({path: path.read_bytes() for path in files})
    assert content[0] == content[1]
    assert not [path for path in content[0] if path.name.startswith(".")]


@pytest.mark.parametrize("part", ["model", "knowledge"])
def test_a_card_that_was_edited_is_never_written_over(experiment, tmp_path, part) -> None:
    """An afternoon's text about intended use that is gone after the next run."""
    card = getattr(hub(experiment, tmp_path / "hub"), part) / "README.md"
    text = card.read_text().replace("## Licence", "## Intended use\n\nNone.\n\n## Licence")
    card.write_text(text)
    with pytest.raises(lb.LimbeckError, match=r"README.md was edited by hand"):
        hub(experiment, tmp_path / "hub", license="mit")
    assert card.read_text() == text
    card.write_text("# mine\n")
    with pytest.raises(lb.LimbeckError, match="not a card of limbeck's. Move it away"):
        hub(experiment, tmp_path / "hub", license="mit")


def test_files_of_an_earlier_student_go(experiment, tmp_path) -> None:
    """An ONNX file of other weights beside the student's."""
    written = hub(experiment, tmp_path / "hub")
    assert (written.model / "student.onnx").is_file()
    stale = written.knowledge / "shard-00007.arrow"
    stale.write_bytes(b"old")
    hub(experiment, tmp_path / "hub", export=None)
    assert not (written.model / "student.onnx").exists()
    assert not stale.exists()
    assert "student.onnx" not in (written.model / "README.md").read_text()


def test_without_verdict_and_teacher_nothing_is_claimed(tmp_path) -> None:
    """Figures that nobody measured."""
    data = lb.transfer_sets.digits().train
    run = distill(lb.students.mlp(64, (4,), 10), None, data, lb.HardLabels(), Training(epochs=1))
    written = hub_folder(run, tmp_path / "hub", name="a|b `c`")
    card = huggingface_hub.ModelCard.load(written.model / "README.md")
    assert written.knowledge is None
    assert card.data.license == "unknown"
    assert card.data.eval_results is None
    assert card.data.base_model is None
    assert "trained on labels with limbeck" in card.text
    assert "Not chosen yet." in card.text
    assert str(written) == f"{written.model}: hf upload OWNER/NAME {written.model}"


def test_a_student_of_texts_takes_its_tokenizer_along(tmp_path, monkeypatch) -> None:
    """A student on the hub that nobody can give a text to."""
    tokenizers = pytest.importorskip("tokenizers")
    monkeypatch.setenv("LIMBECK_CACHE", str(tmp_path / "cache"))
    vocabulary = {word: i for i, word in enumerate(("[PAD]", "[UNK]", "good", "bad", "film"))}
    model = tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]")
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenization = Tokenization(made, max_length=5)
    texts = [f"{word} film" + " film" * (i % 3) for i in range(8) for word in ("good", "bad")]
    data = Texts(texts, tokenization, [0, 1] * 8, classes=["good", "bad"], name="reviews")
    student = lb.students.text_cnn(5, 2, channels=4, embedding=4)
    run = distill(student, None, data, lb.HardLabels(), Training(epochs=1))
    export = lb.export(run.student, tmp_path / "out" / "student.onnx", data=data)
    written = hub_folder(run, tmp_path / "hub", export=export)
    card = huggingface_hub.ModelCard.load(written.model / "README.md")
    assert card.data.pipeline_tag == "text-classification"
    assert 'limbeck predict student.onnx --text "..."' in card.text
    again = lb.students.load(written.model)
    assert again.tokenization.fingerprint == tokenization.fingerprint
    exported = (tmp_path / "out" / "tokenizer.json").read_bytes()
    assert (written.model / "tokenizer.json").read_bytes() == exported


def test_a_folder_that_cannot_be_written_ends_in_a_sentence(experiment, tmp_path) -> None:
    """A traceback instead of the cause."""
    (tmp_path / "file").write_text("")
    with pytest.raises(lb.LimbeckError, match="cannot be (written|saved)"):
        hub(experiment, tmp_path / "file" / "hub")


def test_a_recipe_names_its_teachers_and_its_data(experiment) -> None:
    """Ids that the recipe knows, typed again by hand."""
    with pytest.raises(lb.LimbeckError, match="1 base models for 2 teachers. Give one for each"):
        hub_folder_of(experiment, base_model=["big/one"])
    written = hub_folder_of(experiment, base_model=["big/one", "big/two"], dataset="some/digits")
    assert written.model == experiment.folder / "hub" / "model"
    card = huggingface_hub.ModelCard.load(written.model / "README.md")
    assert card.data.base_model == ["big/one", "big/two"]
    assert card.data.datasets == ["some/digits"]


def test_the_verb_writes_the_folders_and_says_how_to_push_them(
    tmp_path, monkeypatch, capsys
) -> None:
    """A command that leaves the user searching, or that uploads by itself."""
    monkeypatch.chdir(tmp_path)
    text = TEXT.replace("ensemble:\n    members:\n      - ", "").replace(", seeds: 2}", "}")
    Path("small.yaml").write_text(text)
    assert main(["card", "small.yaml", "--license", "mit", "--dataset", "some/digits"]) == 0
    told = capsys.readouterr().out
    assert "nothing was uploaded" in told
    assert "hf upload OWNER/NAME runs/small/hub/knowledge --repo-type dataset" in told
    card = huggingface_hub.ModelCard.load("runs/small/hub/model/README.md")
    assert (card.data.license, card.data.datasets) == ("mit", ["some/digits"])
