"""Models of the transformers library as teachers: what it says itself, or one sentence."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from jaxtyping import TypeCheckError
from torch import Tensor

from limbeck.annotation import annotate
from limbeck.errors import TeacherError
from limbeck.evaluation.size import parameters_and_bytes
from limbeck.objectives import Hints, SoftTargets
from limbeck.students import text_gru
from limbeck.teachers import Teacher, Transformers
from limbeck.training import distill
from limbeck.transfer_sets import Texts, Tokenization
from limbeck.types import Batch

transformers = pytest.importorskip("transformers")

NOTICED = (ValueError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice a wrong type."""

TEXTS = ["a film", "a very dull film, not bright at all", "bright", "", "not so dull a film"]
ALL_HIDDEN = ("hidden_states.0", "hidden_states.2", "attentions.0", "attentions.1")


@pytest.fixture
def texts(pieces: Any) -> Texts:
    """Tokenised as the teacher does it."""
    return Texts(TEXTS, Tokenization(pieces, max_length=24), classes=["bad", "fair", "good"])


@pytest.fixture
def folder(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT that a test may change."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


def whole(texts: Texts) -> Batch:
    return texts.batch(torch.arange(len(texts)))


def library(path: Path, dtype: torch.dtype, **more: Any) -> Any:
    """The model as the library itself loads it."""
    kind = transformers.AutoModelForSequenceClassification
    return kind.from_pretrained(path, dtype=dtype, attn_implementation="eager", **more).eval()


def one_by_one(path: Path, tokenization: Tokenization, dtype: torch.dtype) -> list[Any]:
    """What the library says of each text alone, without any padding."""
    model = library(path, dtype)
    return [
        model(
            input_ids=torch.from_numpy(ids)[None].long(),
            output_hidden_states=True,
            output_attentions=True,
        )
        for ids in tokenization.encode(TEXTS)
    ]


def test_logits_are_those_of_the_library_in_double_precision(tiny_bert: Path, texts: Texts) -> None:
    """Without an attention mask, padding is read as text: the survey's teacher did that."""
    teacher = Transformers(tiny_bert)
    expected = one_by_one(tiny_bert, texts.tokenization, torch.float64)
    logits = teacher.outputs(whole(texts)).logits
    assert torch.allclose(
        logits.double(), torch.cat([answer.logits for answer in expected]), atol=1e-4
    )
    assert (logits.dtype, logits.requires_grad) == (torch.float32, False)


def test_hidden_states_and_attentions_are_those_of_the_library(
    tiny_bert: Path, texts: Texts
) -> None:
    """A layer off by one, or attention that reads the padding."""
    teacher = Transformers(tiny_bert, hidden=ALL_HIDDEN)
    outputs = teacher.outputs(whole(texts))
    assert tuple(outputs.hidden) == ALL_HIDDEN
    for row, answer in enumerate(one_by_one(tiny_bert, texts.tokenization, torch.float64)):
        count = int(texts.lengths[row])
        for name in ALL_HIDDEN:
            kind, number = name.split(".")
            found = outputs.hidden[name][row]
            found = found[:count] if kind == "hidden_states" else found[:, :count, :count]
            expected = getattr(answer, kind)[int(number)][0]
            assert torch.allclose(found.double(), expected, atol=1e-4)
            assert int(outputs.lengths[name][row]) == count
    assert outputs.hidden["attentions.1"].dtype is torch.float32


def test_module_paths_are_hidden_layers_too(tiny_bert: Path, texts: Texts) -> None:
    """What an objective for torch modules reads, it reads of these."""
    teacher = Transformers(tiny_bert, hidden=("bert.pooler", "bert.encoder.layer.1"))
    outputs = teacher.outputs(whole(texts))
    states = Transformers(tiny_bert, hidden=("hidden_states.2",)).outputs(whole(texts))
    assert torch.allclose(
        outputs.hidden["bert.encoder.layer.1"], states.hidden["hidden_states.2"], atol=1e-6
    )
    assert list(outputs.lengths) == ["bert.encoder.layer.1"]


def test_an_example_gets_the_same_answer_in_any_batch(tiny_bert: Path, texts: Texts) -> None:
    """A store is written in other batches than a student reads."""
    teacher = Transformers(tiny_bert, hidden=ALL_HIDDEN)
    together = teacher.outputs(whole(texts))
    for row in range(len(texts)):
        alone = teacher.outputs(texts.batch(torch.tensor([row])))
        assert torch.allclose(alone.logits[0], together.logits[row], atol=1e-5)


def test_it_reads_texts_that_were_tokenised_otherwise(
    tiny_bert: Path, texts: Texts, pieces: Any
) -> None:
    """The transfer set's tokens are the student's; to the teacher they are other words."""
    teacher = Transformers(tiny_bert, max_length=24)
    expected = teacher.outputs(whole(texts)).logits
    short = texts.tokenised(Tokenization(pieces, max_length=5))
    assert torch.equal(teacher.outputs(whole(short)).logits, expected)
    cut = Transformers(tiny_bert, max_length=5).outputs(whole(short)).logits
    assert not torch.allclose(cut, expected, atol=1e-3)


def test_a_batch_that_is_tokenised_alike_is_not_tokenised_again(
    tiny_bert: Path, texts: Texts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokenising 50,000 texts a second time takes longer than a small teacher."""

    def never(*_: object) -> Tensor:
        raise AssertionError("tokenised")

    monkeypatch.setattr(Tokenization, "__call__", never)
    assert Transformers(tiny_bert).outputs(whole(texts)).logits.shape == (5, 3)


def test_a_batch_without_texts_is_refused(tiny_bert: Path) -> None:
    """Pixels taken for tokens."""
    batch = Batch(torch.arange(2), torch.rand(2, 8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(TeacherError, match=r"teacher 'tiny-bert' reads texts, and the batch has"):
        Transformers(tiny_bert).outputs(batch)


def test_in_train_mode_it_answers_as_in_evaluation_mode(tiny_bert: Path, texts: Texts) -> None:
    """Dropout left on writes another store every time."""
    teacher = Transformers(tiny_bert)
    first = teacher.outputs(whole(texts)).logits
    teacher.module.train()
    assert torch.equal(teacher.outputs(whole(texts)).logits, first)


def test_it_reads_as_much_as_both_its_tokenizer_and_its_positions_allow(folder: Path) -> None:
    """A position that is not there ends in an IndexError in the middle of an annotation."""
    for stated, found in ((512, 24), (10, 10), (10**30, 24), (None, 24)):
        settings = json.dumps({"model_max_length": stated})
        (folder / "tokenizer_config.json").write_text(settings)
        assert Transformers(folder).tokenization.max_length == found


def test_class_names_are_those_of_the_configuration(tiny_bert: Path, folder: Path) -> None:
    """Columns in another order than the data's teach the wrong classes."""
    assert Transformers(tiny_bert).classes == ("bad", "fair", "good")
    assert Transformers(tiny_bert, classes=["x", "y", "z"]).classes == ("x", "y", "z")
    change(folder, id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    assert Transformers(folder).classes is None


def change(folder: Path, **facts: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def image_batch() -> Batch:
    inputs = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    return Batch(torch.arange(4), inputs, torch.zeros(4, dtype=torch.int64))


def test_images_are_normalised_as_the_folder_says(tiny_vit: Path) -> None:
    """Pixels on another scale than in training cost accuracy without an error."""
    teacher = Transformers(tiny_vit, hidden=("hidden_states.1", "attentions.0"))
    model = transformers.AutoModelForImageClassification.from_pretrained(
        tiny_vit, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    pixels = (image_batch().inputs.double() - 0.3) / 0.25
    expected = model(pixels, output_hidden_states=True, output_attentions=True)
    outputs = teacher.outputs(image_batch())
    assert torch.allclose(outputs.logits.double(), expected.logits, atol=1e-5)
    found = outputs.hidden["hidden_states.1"].double()
    assert torch.allclose(found, expected.hidden_states[1], atol=1e-5)
    found = outputs.hidden["attentions.0"].double()
    assert torch.allclose(found, expected.attentions[0], atol=1e-5)
    assert dict(outputs.lengths) == {}
    assert teacher.tokenization is None


@pytest.mark.parametrize(
    ("facts", "mean", "std"),
    [
        ({"image_mean": [0.5], "image_std": [0.2]}, 0.5, 0.2),
        ({"do_normalize": False}, 0.0, 1.0),
        ({"do_rescale": False, "image_mean": [100.0], "image_std": [50.0]}, 100 / 255, 50 / 255),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0], "image_std": [2.0]}, 0.5, 1.0),
    ],
)
def test_every_way_of_normalising_is_one(
    tiny_vit: Path, tmp_path: Path, facts: dict[str, Any], mean: float, std: float
) -> None:
    """The file speaks of pixels from 0 to 255, and transfer sets of pixels from 0 to 1."""
    path = Path(shutil.copytree(tiny_vit, tmp_path / "vit"))
    (path / "preprocessor_config.json").write_text(json.dumps(facts))
    found = Transformers(path).normalisation.settings
    assert found == (pytest.approx((mean,)), pytest.approx((std,)))


def test_images_of_another_size_are_refused_with_the_right_one(tiny_vit: Path) -> None:
    """The library's own error does not say what to do."""
    batch = Batch(torch.arange(2), torch.rand(2, 1, 9, 9), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(TeacherError, match=r"\(2, 1, 9, 9\).*images of 1 channels, 8 x 8 pixels"):
        Transformers(tiny_vit).outputs(batch)


def test_bfloat16_is_near_and_another_teacher(tiny_bert: Path, texts: Texts) -> None:
    """Half the memory; a store of the one is not a store of the other."""
    half, full = Transformers(tiny_bert, precision="bfloat16"), Transformers(tiny_bert)
    found = half.outputs(whole(texts)).logits
    assert found.dtype is torch.float32
    assert next(half.module.parameters()).dtype is torch.bfloat16
    assert torch.allclose(found, full.outputs(whole(texts)).logits, atol=0.3)
    assert half.fingerprint != full.fingerprint


def test_the_fingerprint_is_of_what_decides_the_answer(tiny_bert: Path, folder: Path) -> None:
    """A store of another model, length or order of classes must be refused."""
    first = Transformers(tiny_bert).fingerprint
    same = [
        Transformers(folder),
        Transformers(tiny_bert, name="other"),
        Transformers(tiny_bert, hidden=("attentions.0",)),
        Transformers(tiny_bert, max_length=24),
    ]
    assert {teacher.fingerprint for teacher in same} == {first}
    others = [
        Transformers(tiny_bert, max_length=12),
        Transformers(tiny_bert, classes=["good", "fair", "bad"]),
    ]
    change(folder, layer_norm_eps=1e-3)
    others.append(Transformers(folder))
    assert len({first, *(teacher.fingerprint for teacher in others)}) == 4


def test_another_weight_is_another_fingerprint(folder: Path) -> None:
    """Fine-tuned further, it is another teacher."""
    before = Transformers(folder).fingerprint
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["classifier.bias"] += 1e-3
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    assert Transformers(folder).fingerprint != before


def test_weights_that_change_between_two_readings_are_noticed(folder: Path, texts: Texts) -> None:
    """An ensemble releases its members and reads them again."""
    teacher = Transformers(folder)
    teacher.outputs(whole(texts))
    teacher.release()
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights["classifier.bias"] += 1e-3
    safetensors.torch.save_file(weights, folder / "model.safetensors")
    with pytest.raises(TeacherError, match="changed since they were first read"):
        teacher.outputs(whole(texts))


def test_weights_in_several_files_are_read(tiny_bert: Path, folder: Path, texts: Texts) -> None:
    """Large models come in shards."""
    (folder / "model.safetensors").unlink()
    model = library(tiny_bert, torch.float32)
    model.save_pretrained(folder, max_shard_size="5KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    expected = Transformers(tiny_bert).outputs(whole(texts)).logits
    assert torch.equal(Transformers(folder).outputs(whole(texts)).logits, expected)
    next(folder.glob("model-00001-*.safetensors")).unlink()
    with pytest.raises(TeacherError, match="names weights that are not in the folder: model-00001"):
        Transformers(folder)


def test_shards_outside_the_folder_are_refused(folder: Path) -> None:
    """A downloaded index could name any file on the disk."""
    shutil.move(folder / "model.safetensors", folder.parent / "model.safetensors")
    index = {"weight_map": {"classifier.bias": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(TeacherError, match=r"not in the folder: \.\./model.safetensors"):
        Transformers(folder)


def test_code_in_the_folder_is_never_run(folder: Path, texts: Texts) -> None:
    """A downloaded folder may bring any code, and name it in its configuration."""
    marker = folder / "ran"
    (folder / "modeling.py").write_text(f"open({str(marker)!r}, 'w')\n")
    auto = {"AutoConfig": "modeling.C", "AutoModelForSequenceClassification": "modeling.M"}
    change(folder, auto_map=auto, attn_implementation="someone/kernel")
    assert Transformers(folder).outputs(whole(texts)).logits.shape == (5, 3)
    change(folder, model_type="of-its-own")
    with pytest.raises(TeacherError, match="'of-its-own', which transformers does not know.*never"):
        Transformers(folder)
    assert not marker.exists()


def test_pickled_weights_are_never_read(folder: Path) -> None:
    """A pickle runs any code when it is read."""
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(TeacherError, match="only in pytorch_model.bin, a file that can run any"):
        Transformers(folder)


def test_a_pickle_beside_the_weights_is_left_alone(folder: Path, texts: Texts) -> None:
    """Many folders on the hub have both."""
    (folder / "pytorch_model.bin").write_bytes(b"not even a pickle")
    assert Transformers(folder).outputs(whole(texts)).logits.shape == (5, 3)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def no_classifier(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "classifier" not in name}
    safetensors.torch.save_file(kept, folder / "model.safetensors")


def broken(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\0" * 40)


def too_few_words(folder: Path) -> None:
    change(folder, vocab_size=30)


@pytest.mark.parametrize(
    ("damage", "arguments", "message"),
    [
        (without("model.safetensors"), {}, "has no weights: no model.safetensors among config"),
        (without("config.json"), {}, r"is no model: it has no config.json; it holds model.safet"),
        (without("tokenizer.json"), {}, "has no tokenizer.json"),
        (
            lambda f: change(f, architectures=["BertModel"]),
            {},
            r"names no classifier among its architectures \(BertModel\)",
        ),
        (lambda f: change(f, architectures=None), {}, r"among its architectures \(none\)"),
        (
            lambda f: change(f, model_type="bart-like"),
            {},
            "know. Did you mean 'bart'",
        ),
        (lambda f: change(f, model_type=None), {}, "model type None"),
        (lambda f: change(f, quantization_config={"bits": 4}), {}, "of a quantised model"),
        (lambda f: change(f, problem_type="multi_label_classification"), {}, "chooses one"),
        (
            lambda f: change(f, hidden_size="wide"),
            {},
            "configuration that .* takes .*hidden_size",
        ),
        (too_few_words, {}, "makes 61 tokens and the model knows 30"),
        (lambda f: None, {"classes": ["a", "b"]}, "scores 3 classes and was given 2 class names"),
        (lambda f: None, {"hidden": ("hidden_states.3",)}, "its last is hidden_states.2"),
        (lambda f: None, {"hidden": ("attentions.2",)}, "its last is attentions.1"),
        (lambda f: None, {"max_length": 25}, "max_length is 25 and the model reads 24"),
        (lambda f: None, {"task": "image-classification"}, "no preprocessor_config.json"),
    ],
)
def test_what_is_no_teacher_is_told_in_one_sentence(
    folder: Path, damage: Callable[[Path], None], arguments: dict[str, Any], message: str
) -> None:
    """The library's errors are pages long, or it answers at random with a warning."""
    damage(folder)
    with pytest.raises(TeacherError, match=message) as caught:
        Transformers(folder, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "arguments", "message"),
    [
        (no_classifier, {}, r"lack classifier.bias of a BertForSequence.* answer at random"),
        (broken, {}, "cannot be read as a .safetensors file"),
        (lambda f: change(f, hidden_size=20), {}, "lack bert.embeddings.* answer at random"),
        (lambda f: None, {"hidden": ("bert.encoder.layers.1",)}, "Closest: 'bert.encoder.layer.1'"),
    ],
)
def test_what_is_found_when_weights_are_read_is_told_in_one_sentence(
    folder: Path,
    texts: Texts,
    damage: Callable[[Path], None],
    arguments: dict[str, Any],
    message: str,
) -> None:
    """Weights that are missing are drawn at random by the library, with a warning."""
    damage(folder)
    with pytest.raises(TeacherError, match=message) as caught:
        Transformers(folder, **arguments).outputs(whole(texts))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no/such-model", "no folder no/such-model, and the hub did not give it"),
        ("./nowhere", "no model folder at ./nowhere. Correct the path"),
        ("/a/b/c", "no model folder at /a/b/c"),
    ],
)
def test_a_model_that_is_nowhere_is_told_in_one_sentence(model: str, message: str) -> None:
    """Tests run without a network, as many a cluster does."""
    with pytest.raises(TeacherError, match=message) as caught:
        Transformers(model)
    assert "\n" not in str(caught.value)


def test_arguments_out_of_range_are_refused(tiny_bert: Path) -> None:
    """A task of another name would be taken for the default."""
    with pytest.raises(NOTICED, match="'ner'"):
        Transformers(tiny_bert, task="ner")  # type: ignore[arg-type]
    with pytest.raises(NOTICED, match="float16"):
        Transformers(tiny_bert, precision="float16")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a teacher's name is 'a b'"):
        Transformers(tiny_bert, name="a b")


def test_its_size_is_that_of_its_weights(tiny_bert: Path) -> None:
    """A report without the teacher's size cannot say what was saved."""
    teacher = Transformers(tiny_bert)
    count, size = parameters_and_bytes(teacher)
    assert count == sum(p.numel() for p in library(tiny_bert, torch.float32).parameters())
    assert size == pytest.approx((tiny_bert / "model.safetensors").stat().st_size, rel=0.02)


def test_a_folder_of_the_library_is_loaded_as_a_teacher(tiny_bert: Path) -> None:
    """`Teacher.load` and a recipe's `load` take whatever folder it is."""
    teacher = Teacher.load(tiny_bert, hidden=("hidden_states.1",))
    assert isinstance(teacher, Transformers)
    assert (teacher.name, teacher.hidden) == ("tiny-bert", ("hidden_states.1",))


def test_without_the_library_limbeck_is_imported_and_says_what_to_install(tiny_bert: Path) -> None:
    """It is an optional extra, and most users never need it."""
    script = (
        "import sys\n"
        "sys.modules['transformers'] = None\n"
        "import limbeck\n"
        "from limbeck.errors import TeacherError\n"
        "try:\n"
        f"    limbeck.teachers.Transformers({str(tiny_bert)!r})\n"
        "except TeacherError as error:\n"
        "    print(error)\n"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "pip install limbeck[hf]" in printed.stdout


def test_the_library_says_nothing_while_a_teacher_is_read(
    tiny_bert: Path, texts: Texts, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its progress bars and reports would break the command line's own."""
    Transformers(tiny_bert).outputs(whole(texts))
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_its_features_per_token_go_through_a_store(
    tiny_bert: Path, texts: Texts, tmp_path: Path
) -> None:
    """Cut at the wrong end, or padded with what the model says of padding."""
    teacher = Transformers(tiny_bert, hidden=("hidden_states.2", "attentions.0"))
    store = annotate(teacher, texts, tmp_path / "store", dtype="float32", hidden_dtype="float32")
    rows = torch.tensor([1, 3])
    knowledge, outputs = store.read(rows, 0), teacher.outputs(texts.batch(rows))
    for name in teacher.hidden:
        assert knowledge.lengths[name].tolist() == texts.lengths[rows].tolist()
        for row, count in enumerate(texts.lengths[rows].tolist()):
            found, expected = knowledge.hidden[name][row], outputs.hidden[name][row]
            if name.startswith("attentions"):
                found, expected = found[:, :count, :count], expected[:, :count, :count]
            assert torch.allclose(found[:count], expected[:count], atol=1e-5)


def test_the_first_tokens_feature_is_a_hint_to_a_student(
    tiny_bert: Path, texts: Texts, tmp_path: Path
) -> None:
    """From the library's layers to a small student of another kind, by way of a store."""
    teacher = Transformers(tiny_bert, hidden=("hidden_states.2",))
    store = annotate(teacher, texts, tmp_path / "store", hidden_tokens=1)
    student = text_gru(70, 3, 8, dropout=0.0)
    objective = SoftTargets() + Hints(teacher_layer="hidden_states.2", student_layer="layer1")
    history = distill(student, store, texts, objective, epochs=40).history
    assert history.loss[-1] < 0.9 * history.loss[0]
