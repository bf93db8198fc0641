"""Students of texts from training to a folder and back, with the tokens they were trained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from limbeck.errors import DataError, LimbeckError, TeacherError
from limbeck.evaluation import score
from limbeck.fingerprint import module_digest
from limbeck.objectives import HardLabels
from limbeck.optimization import AdamW
from limbeck.students import (
    Student,
    load,
    mlp,
    save,
    text_cnn,
    text_gru,
    text_transformer,
)
from limbeck.teachers import Teacher, TorchModule
from limbeck.together import Plan, reason_against, train_together
from limbeck.training import Run, Training, distill, job_of
from limbeck.transfer_sets import Arrays, Texts, Tokenization

WORDS = ("dull", "bright")
TEXTS = [f"a {'very ' * (i % 7)}{WORDS[i % 2]} film" for i in range(48)]
BUILD: dict[str, Callable[..., Student]] = {
    "cnn": lambda **more: text_cnn(64, 2, 8, embedding=8, **more),
    "gru": lambda **more: text_gru(64, 2, 8, embedding=8, **more),
    "faithful gru": lambda **more: text_gru(
        64, 2, 8, embedding=8, faithful=True, max_length=12, **more
    ),
    "transformer": lambda **more: text_transformer(64, 2, 8, **more),
}


@pytest.fixture
def texts(pieces: Any) -> Texts:
    labels = [i % 2 for i in range(len(TEXTS))]
    return Texts(TEXTS, Tokenization(pieces, max_length=12), labels, classes=WORDS)


def trained(texts: Texts, name: str = "gru", epochs: int = 1) -> Run:
    student = BUILD[name](dropout=0.0)
    training = Training(epochs=epochs, batch_size=8, optimizer=AdamW(learning_rate=0.01))
    return distill(student, None, texts, HardLabels(), training)


@pytest.mark.parametrize("name", list(BUILD))
def test_each_learns_words_from_labels(texts: Texts, name: str) -> None:
    """A student whose gradients do not reach the embedding stays at chance."""
    run = trained(texts, name, epochs=30)
    found = score(run.student, texts).argmax(dim=1)
    assert float((found == texts.labels).float().mean()) > 0.9


@pytest.mark.parametrize("name", list(BUILD))
def test_a_trained_student_comes_back_with_its_tokenizer(
    texts: Texts, pieces: Any, tmp_path: Path, name: str
) -> None:
    """Without it, token ids mean other words wherever it is used."""
    run = trained(texts, name)
    again = load(run.save(tmp_path / "student"))
    assert module_digest(again.module) == module_digest(run.student.module)
    assert again.tokenization is not None
    assert again.tokenization.fingerprint == texts.tokenization.fingerprint
    assert (again.input_shape, again.classes) == ((12,), WORDS)
    other = texts.tokenised(Tokenization(pieces, max_length=4))
    assert torch.allclose(score(again, other), score(run.student, texts), atol=1e-6)


@pytest.mark.parametrize("name", list(BUILD))
def test_bfloat16_trains_each_to_almost_the_same(texts: Texts, name: str) -> None:
    """Attention or a GRU that half precision breaks would train to another loss, or to NaN."""
    losses = [
        distill(
            BUILD[name](dropout=0.0), None, texts, HardLabels(),
            Training(epochs=3, batch_size=8, precision=precision),
        ).history.loss
        for precision in ("float32", "bfloat16")
    ]  # fmt: skip
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert losses[0] != losses[1]


def test_its_probe_is_in_its_tokens(texts: Texts) -> None:
    """An export is checked on it."""
    probe = trained(texts).student.probe
    assert probe is not None
    assert torch.equal(probe, texts.batch(torch.arange(48)).inputs)


def test_saving_twice_writes_the_same_bytes(texts: Texts, tmp_path: Path) -> None:
    """A resumed run's student is compared byte by byte."""
    student = trained(texts).student
    for name in ("one", "two"):
        save(student, tmp_path / name)
    files = ["student.json", "student.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == files
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_tokenizer_of_another_student_is_noticed(texts: Texts, tmp_path: Path) -> None:
    """Files copied between folders make a student that reads other words."""
    folder = trained(texts).save(tmp_path)
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace("bright", "bring"))
    with pytest.raises(LimbeckError, match=r"tokenizer.json is not the tokenizer that student.js"):
        load(folder)
    with pytest.raises(TeacherError, match="is not the tokenizer"):
        Teacher.load(folder)
    path.unlink()
    with pytest.raises(LimbeckError, match="tokenizer.json cannot be read"):
        load(folder)


@pytest.mark.parametrize("facts", [{"max_length": 12}, [], "tokenizer.json", {}])
def test_a_damaged_description_is_told(texts: Texts, tmp_path: Path, facts: Any) -> None:
    """A KeyError says nothing."""
    path = trained(texts).save(tmp_path) / "student.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenization": facts}))
    with pytest.raises(LimbeckError, match="student.json is damaged"):
        load(tmp_path)


def test_a_teacher_that_was_a_student_reads_texts_as_it_did(
    texts: Texts, pieces: Any, tmp_path: Path
) -> None:
    """Its fingerprint and its answers hang on its tokens, not on the next student's."""
    run = trained(texts)
    kinds = [TorchModule.from_student(run.student), Teacher.load(run.save(tmp_path))]
    other = texts.tokenised(Tokenization(pieces, max_length=5))
    expected = score(run.student, texts)
    for teacher in kinds:
        assert torch.allclose(score(teacher, other), expected, atol=1e-6)
    assert kinds[0].fingerprint == kinds[1].fingerprint
    shorter = TorchModule.from_student(run.student)
    shorter.tokenization = Tokenization(pieces, max_length=5)
    assert shorter.fingerprint != kinds[0].fingerprint


def test_trained_further_it_keeps_its_own_tokens(texts: Texts, pieces: Any) -> None:
    """Fine-tuned on a set that is tokenised otherwise, its embedding would mean other words."""
    student = trained(texts).student
    other = texts.tokenised(Tokenization(pieces, max_length=5))
    further = distill(student, None, other, HardLabels(), Training(epochs=1, batch_size=8)).student
    assert further.tokenization is student.tokenization


@pytest.mark.parametrize("name", ["cnn", "transformer"])
@pytest.mark.parametrize("plan", [Plan(stacked=True), Plan(processes=2)])
def test_several_are_trained_to_the_numbers_of_one(texts: Texts, name: str, plan: Plan) -> None:
    """Stacked students are given one padding, that of the longest text of all their batches."""
    training = Training(epochs=2, batch_size=8)
    job = job_of(BUILD[name](dropout=0.0), None, texts, HardLabels(), training)
    assert reason_against(job) == ""
    outcomes = train_together([(job, 0), (job, 1)], plan=plan)
    for seed, outcome in enumerate(outcomes):
        assert not isinstance(outcome, LimbeckError)
        alone = distill(job.student, None, texts, HardLabels(), training, seed=seed).student
        assert torch.allclose(score(outcome[0], texts), score(alone, texts), atol=1e-4)
        assert outcome[0].tokenization is texts.tokenization


def test_a_student_with_a_tokenizer_of_its_own_is_not_stacked(texts: Texts, pieces: Any) -> None:
    """A stack is given the transfer set's tokens."""
    student = BUILD["cnn"](dropout=0.0)
    student.tokenization = Tokenization(pieces, max_length=5)
    job = job_of(student, None, texts, HardLabels(), Training(epochs=1))
    assert "tokenizer of its own" in reason_against(job)


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (text_gru(40, 2, 4), r"vocabulary of 40 tokens and the tokenizer makes 61.*vocabulary=61"),
        (text_cnn(64, 2, 4, padding=1), r"takes token 1 for padding .* pads with 0.*padding=0"),
        (text_transformer(64, 2, 4, max_length=8), "up to 8 tokens and the tokenizer makes up to"),
        (text_gru(64, 3, 4), r"scored \(4, 3\) and the transfer set needs \(4, 2\)"),
    ],
)
def test_a_student_of_other_tokens_is_refused(texts: Texts, student: Student, message: str) -> None:
    """Another padding trains to a plausible loss; a missing row ends in torch's IndexError."""
    with pytest.raises(LimbeckError, match=message):
        distill(student, None, texts, HardLabels(), Training(epochs=1))


def test_a_student_of_texts_is_refused_numbers() -> None:
    """torch complains of scalar types."""
    digits = Arrays(torch.rand(8, 5), [0, 1] * 4, classes=WORDS)
    with pytest.raises(LimbeckError, match="the student reads texts and .* has none"):
        distill(text_gru(64, 2, 4), None, digits, HardLabels(), Training(epochs=1))


def test_a_student_of_numbers_is_refused_texts(texts: Texts) -> None:
    """Token ids are no features."""
    with pytest.raises(LimbeckError, match="cannot take an input"):
        distill(mlp(12, [4], 2), None, texts, HardLabels(), Training(epochs=1))


def test_a_validation_part_of_other_tokens_is_refused(texts: Texts, pieces: Any) -> None:
    """The best epoch would be chosen on words that the student does not know."""
    other = texts.tokenised(Tokenization(pieces, max_length=5))
    with pytest.raises(DataError, match="is not tokenised as .*Tokenise it in the same way"):
        distill(BUILD["gru"](), None, texts, HardLabels(), Training(epochs=1), validation=other)
