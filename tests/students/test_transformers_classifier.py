"""Pretrained encoders as students: the library's weights, a fresh output layer, nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from jaxtyping import TypeCheckError

from limbeck.errors import LimbeckError
from limbeck.fingerprint import module_digest
from limbeck.objectives import HardLabels
from limbeck.students import load, save, transformers_classifier
from limbeck.students.architecture import from_architecture
from limbeck.teachers import TorchModule
from limbeck.training import Training, distill
from limbeck.transfer_sets import Texts, Tokenization

transformers = pytest.importorskip("transformers")

NOTICED = (ValueError, TypeCheckError)
TINY: dict[str, Any] = {
    "model_type": "bert",
    "vocab_size": 70,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 24,
}
TEXTS = [f"a {'very ' * (i % 5)}{'dull' if i % 2 else 'bright'} film" for i in range(24)]


@pytest.fixture
def folder(tiny_bert: Path, tmp_path: Path) -> Path:
    """A copy of the tiny BERT that a test may change or take away."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "model"))


@pytest.fixture
def texts(pieces: Any) -> Texts:
    labels = [i % 2 for i in range(len(TEXTS))]
    return Texts(TEXTS, Tokenization(pieces, max_length=12), labels, classes=["good", "bad"])


def test_all_but_the_output_layer_are_the_pretrained_weights(tiny_bert: Path) -> None:
    """An encoder that starts at random trains to a plausible loss, far below what it can do."""
    module = transformers_classifier(tiny_bert, 2).fresh(1).module
    stored = safetensors.torch.load_file(tiny_bert / "model.safetensors")
    state = {name.removeprefix("model."): value for name, value in module.state_dict().items()}
    body = [name for name in state if name.startswith("bert.")]
    assert len(body) == len([name for name in stored if name.startswith("bert.")])
    assert all(torch.equal(state[name], stored[name]) for name in body)
    assert state["classifier.weight"].shape == (2, 16)


def test_the_output_layer_is_fresh_even_of_as_many_classes(tiny_bert: Path) -> None:
    """Its old classes are not these: column 0 of the one is not column 0 of the other."""
    weights = [
        transformers_classifier(tiny_bert, 3).fresh(seed).module.model.classifier.weight
        for seed in (1, 1, 2)
    ]
    stored = safetensors.torch.load_file(tiny_bert / "model.safetensors")["classifier.weight"]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], stored)


def test_logits_are_those_of_the_library_given_the_attention_mask(
    tiny_bert: Path, texts: Texts
) -> None:
    """Padding that is attended to changes every answer."""
    student = transformers_classifier(tiny_bert, 2, max_length=12)
    student.module.double().eval()
    batch = texts.batch(torch.arange(4))
    for row, ids in enumerate(texts.tokenization.encode(TEXTS[:4])):
        alone = student.module.model(input_ids=torch.from_numpy(ids)[None].long()).logits[0]
        assert torch.allclose(student.outputs(batch).logits[row], alone, rtol=1e-9)


def test_the_tokenizer_is_the_models_own(tiny_bert: Path, texts: Texts) -> None:
    """A transfer set with other tokens is read from its texts."""
    student = transformers_classifier(tiny_bert, 2, max_length=5)
    student.module.eval()
    assert student.tokenization is not None
    assert (student.tokenization.max_length, student.tokenization.padding) == (5, 0)
    tokens = student.tokenization(TEXTS[:6])
    assert torch.equal(student.outputs(texts.batch(torch.arange(6))).logits, student.module(tokens))
    assert transformers_classifier(tiny_bert, 2).tokenization.max_length == 24


def test_frozen_layers_stay_as_they_are(tiny_bert: Path, texts: Texts) -> None:
    """A frozen layer that drifts, or drops units, is not the pretrained one."""
    student = transformers_classifier(tiny_bert, 2, freeze=1, max_length=12)
    assert student.frozen == ("model.bert.embeddings", "model.bert.encoder.layer.0")
    run = distill(student, None, texts, HardLabels(), Training(epochs=2, batch_size=8))
    before, after = student.fresh(0).module.state_dict(), run.student.module.state_dict()
    for name, value in before.items():
        kept = name.startswith(("model.bert.embeddings.", "model.bert.encoder.layer.0."))
        assert torch.equal(value, after[name]) == kept, name


def test_no_layer_is_frozen_unless_asked_for(tiny_bert: Path) -> None:
    """freeze=0 trains the embeddings too."""
    assert transformers_classifier(tiny_bert, 2).frozen == ()


@pytest.mark.parametrize(
    ("settings", "embeddings", "layer"),
    [
        (
            {"model_type": "distilbert", "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 12},
            "model.distilbert.embeddings",
            "model.distilbert.transformer.layer.0",
        ),
        (
            {**TINY, "model_type": "electra", "embedding_size": 8},
            "model.electra.embeddings",
            "model.electra.encoder.layer.0",
        ),
        (
            {**TINY, "model_type": "modernbert", "pad_token_id": 0, "cls_token_id": 2,
             "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
            "model.model.embeddings",
            "model.model.layers.0",
        ),
    ],
)  # fmt: skip
def test_the_layers_of_other_encoders_are_found(
    settings: dict[str, Any], embeddings: str, layer: str
) -> None:
    """Every family calls them otherwise."""
    student = transformers_classifier({**settings, "vocab_size": 70}, 3, freeze=1)
    assert student.frozen == (embeddings, layer)
    student.module.eval()
    alone = student.module(torch.tensor([[2, 9, 8, 3]]))
    beside = student.module(torch.tensor([[2, 9, 8, 3, 0, 0], [2, 9, 8, 7, 6, 3]]))
    assert torch.allclose(alone, beside[:1], atol=1e-6)


def test_dropout_is_set_wherever_the_model_has_some(tiny_bert: Path) -> None:
    """An encoder of few examples is trained with more of it, a stored one with none."""
    for dropout in (0.0, 0.3):
        module = transformers_classifier(tiny_bert, 2, dropout=dropout).module
        layers = [m for m in module.modules() if isinstance(m, torch.nn.Dropout)]
        assert len(layers) > 3
        assert {layer.p for layer in layers} == {dropout}


def test_a_configuration_alone_makes_a_student_of_random_weights() -> None:
    """An encoder that is trained from scratch, of a size of one's own."""
    student = transformers_classifier(TINY, 4)
    digests = {module_digest(student.fresh(seed).module) for seed in (0, 0, 1)}
    assert len(digests) == 2
    assert student.tokenization is None
    assert student.module(torch.tensor([[2, 5, 3]])).shape == (1, 4)


def test_it_is_trained_saved_and_loaded_without_its_folder(folder: Path, texts: Texts) -> None:
    """Deployed elsewhere, there is no pretrained folder and perhaps no hub."""
    student = transformers_classifier(folder, 2, freeze=1, max_length=12)
    run = distill(student, None, texts, HardLabels(), Training(epochs=1, batch_size=8))
    run.save(folder.parent / "saved")
    shutil.rmtree(folder)
    again = load(folder.parent / "saved")
    assert module_digest(again.module) == module_digest(run.student.module)
    assert again.classes == ("good", "bad")
    assert again.frozen == student.frozen
    assert again.tokenization is not None
    assert again.tokenization.fingerprint == texts.tokenization.fingerprint
    batch = texts.batch(torch.arange(7))
    assert torch.equal(again.outputs(batch).logits, run.student.outputs(batch).logits)


def test_what_is_saved_does_not_say_where_the_model_lay(folder: Path) -> None:
    """A saved student is given away."""
    save(transformers_classifier(folder, 2), folder.parent / "saved")
    assert str(folder) not in (folder.parent / "saved" / "student.json").read_text()


def test_an_architecture_builds_the_same_module_again(tiny_bert: Path) -> None:
    """Weights are put into what student.json describes."""
    student = transformers_classifier(tiny_bert, 2, freeze=1, dropout=0.2)
    again = from_architecture(json.loads(json.dumps(student.architecture)))
    assert repr(again.module) == repr(student.module)
    assert again.architecture == student.architecture
    assert again.frozen == student.frozen


def test_as_a_teacher_it_reads_texts_as_it_did_as_a_student(tiny_bert: Path, texts: Texts) -> None:
    """Its tokens are not those of the next student's transfer set."""
    student = transformers_classifier(tiny_bert, 2, max_length=5)
    student.classes = texts.classes
    student.module.eval()
    teacher = TorchModule.from_student(student)
    batch = texts.batch(torch.arange(6))
    assert torch.allclose(teacher.outputs(batch).logits, student.outputs(batch).logits)
    other = TorchModule.from_student(transformers_classifier(tiny_bert, 2, max_length=6))
    assert (
        other.fingerprint
        != TorchModule.from_student(transformers_classifier(tiny_bert, 2, max_length=5)).fingerprint
    )


def test_bfloat16_trains_it_to_almost_the_same(tiny_bert: Path, texts: Texts) -> None:
    """Half precision must stay an approximation: a loss in bfloat16 would not go down."""
    student = transformers_classifier(tiny_bert, 2, dropout=0.0, max_length=12)
    losses = [
        distill(
            student, None, texts, HardLabels(),
            Training(epochs=4, batch_size=8, precision=precision),
        ).history.loss
        for precision in ("float32", "bfloat16")
    ]  # fmt: skip
    assert losses[0][-1] < losses[0][0]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]


def test_a_run_that_reads_less_of_each_text_has_another_checkpoint(
    tiny_bert: Path, texts: Texts
) -> None:
    """A checkpoint of a run that read less of each text must not be taken up."""
    from limbeck.fitting import Fitting
    from limbeck.training import job_of

    identities = {
        Fitting(
            job_of(
                transformers_classifier(tiny_bert, 2, max_length=length),
                None, texts, HardLabels(), Training(epochs=1),
            ),
            0,
        ).identity
        for length in (5, 12)
    }  # fmt: skip
    assert len(identities) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 1}, "classes has 1"),
        ({"freeze": -1}, "freeze has -1"),
        ({"freeze": 3}, "freeze is 3, and the model has 2 layers"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"max_length": 2}, "max_length is 2, and the tokenizer puts 2 special tokens"),
        ({"max_length": 30}, "reads texts of up to 24 tokens and the tokenizer makes up to 30"),
    ],
)
def test_numbers_out_of_range_are_refused(
    tiny_bert: Path, arguments: dict[str, Any], message: str
) -> None:
    """The library's own errors do not name the argument."""
    with pytest.raises(NOTICED, match=message):
        transformers_classifier(tiny_bert, **{"classes": 2, **arguments})


def test_a_model_of_another_kind_is_refused(folder: Path) -> None:
    """Weights that are missing would start at random, with a warning nobody reads."""
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    kept = {name: value for name, value in stored.items() if "encoder.layer.1" not in name}
    safetensors.torch.save_file(kept, folder / "model.safetensors")
    with pytest.raises(LimbeckError, match=r"lacks weights of a BertFor.*bert.encoder.layer.1"):
        transformers_classifier(folder, 2)


def test_an_encoder_without_a_classifier_or_pooler_is_a_student(folder: Path) -> None:
    """That is what most pretrained encoders are."""
    stored = safetensors.torch.load_file(folder / "model.safetensors")
    kept = {
        name.removeprefix("bert."): value
        for name, value in stored.items()
        if "classifier" not in name and "pooler" not in name
    }
    safetensors.torch.save_file(kept, folder / "model.safetensors")
    student = transformers_classifier(folder, 2)
    state = student.module.state_dict()
    name = "encoder.layer.1.output.dense.weight"
    assert torch.equal(state[f"model.bert.{name}"], kept[name])


def test_a_student_of_no_known_layers_cannot_be_frozen() -> None:
    """ALBERT uses one layer many times over."""
    settings = {**TINY, "model_type": "albert", "embedding_size": 8}
    with pytest.raises(LimbeckError, match="has no list of layers to freeze. Leave freeze at 0"):
        transformers_classifier(settings, 2, freeze=1)


def test_a_configuration_that_makes_no_model_is_told(tiny_vit: Path) -> None:
    """A vision model does not read texts."""
    with pytest.raises(LimbeckError, match="no classifier of texts for the model type 'vit'"):
        transformers_classifier(tiny_vit, 2)
    with pytest.raises(LimbeckError, match="the configuration is of the model type 'brt'.*'bert'"):
        transformers_classifier({**TINY, "model_type": "brt"}, 2)
    with pytest.raises(LimbeckError, match="no model folder at ./nowhere"):
        transformers_classifier("./nowhere", 2)
