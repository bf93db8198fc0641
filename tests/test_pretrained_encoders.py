"""A real pretrained encoder, where LIMBECK_BERT names one: the library's numbers, exported too."""

from pathlib import Path

import pytest
import torch

from limbeck.exporting import export
from limbeck.predicting import predict
from limbeck.students import load, save, transformers_classifier
from limbeck.teachers import TorchModule
from limbeck.transfer_sets import Texts, Tokenization

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

TEXTS = [
    "One of the dullest films I have ever sat through.<br /><br />Avoid!",
    "Brilliant.",
    "Not as good as the book, but the second half, in which hardly anything happens, is a joy: "
    "quiet, exact and very funny. " * 4,
    "",
    "¡Qué película! ★★★★☆",
]


def test_a_real_encoder_says_what_the_library_says(bert: Path, tmp_path: Path) -> None:
    """Weights under older names, or a tokenizer that lower-cases otherwise."""
    student = transformers_classifier(bert, 2, max_length=64)
    student.module.eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    given = tokenizer(TEXTS, truncation=True, max_length=64, padding=True, return_tensors="pt")
    texts = Texts(TEXTS, Tokenization(bert, max_length=64), classes=["dull", "bright"])
    assert torch.equal(texts.batch(torch.arange(5)).inputs, given["input_ids"])

    body = transformers.AutoModel.from_pretrained(bert, dtype=torch.float64).eval()
    own = student.fresh(0).module.double().eval().model
    expected = body(**given).last_hidden_state
    found = own.base_model(**given).last_hidden_state
    mask = given["attention_mask"].bool()
    assert torch.allclose(found[mask], expected[mask], atol=1e-6)

    outputs = student.outputs(texts.batch(torch.arange(5)))
    alone = torch.cat([student.outputs(texts.batch(torch.tensor([r]))).logits for r in range(5)])
    assert torch.allclose(outputs.logits, alone, atol=1e-5)
    again = load(save(student, tmp_path))
    assert torch.equal(again.outputs(texts.batch(torch.arange(5))).logits, outputs.logits)


def test_a_real_encoder_is_exported_and_predicts(bert: Path, tmp_path: Path) -> None:
    """The exporter may fix what the library computes from the example's length."""
    student = transformers_classifier(bert, 2, max_length=64)
    student.module.eval()
    student.classes = ("dull", "bright")
    texts = Texts(TEXTS, Tokenization(bert, max_length=64), classes=student.classes)
    file = export(student, tmp_path / "student.onnx", data=texts)
    assert file.agreement == 1.0
    teacher = TorchModule.from_student(student)
    expected = teacher.outputs(texts.batch(torch.arange(5))).logits.softmax(dim=1)
    found = torch.from_numpy(predict(file.path, texts=TEXTS).probabilities)
    assert torch.allclose(found, expected, atol=1e-4)
