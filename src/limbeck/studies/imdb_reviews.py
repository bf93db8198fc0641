"""The reviews of the study imdb-survey, and the encoder that is fine-tuned into its teachers.

`smoke` makes up reviews of a hundred words and an encoder with random weights, so that it needs no
files; the other sizes read IMDB and a pretrained encoder of 6 layers.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

import limbeck as lb
from limbeck import seeding
from limbeck.precision import multiplies_in_bfloat16
from limbeck.store import KnowledgeSubset
from limbeck.studies.study import Study
from limbeck.transfer_sets import Texts, hugging_face, split

__all__ = ["Part", "Reviews"]

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
TINY = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
MADE = {"train": 140, "test": 60, "unsupervised": 60}
"""How many reviews of each split are made up."""


@dataclass(frozen=True)
class Part:
    """What students of one length learn from.

    Attributes:
        train: Reviews that students and teachers are trained on.
        validation: Reviews kept apart for every choice.
        everything: `train` and, without labels, the unlabelled reviews.
        test: The test part.
    """

    train: Texts
    validation: Texts
    everything: Texts
    test: Texts


class Reviews:
    """Data, encoder, teachers and their knowledge; nothing is made before it is needed.

    Args:
        study: Whose folder keeps everything.
        rows: How many training and test reviews to take each; 0 for all.
        apart: How many training reviews are kept apart as validation.
        epochs: Of the teacher, by the length it reads. A longer one starts from the one before.
    """

    def __init__(self, study: Study, *, rows: int, apart: int, epochs: Mapping[int, int]) -> None:
        self.study, self.rows, self.apart, self.epochs = study, rows, apart, epochs
        self.parts: dict[tuple[int, str], Part] = {}
        self.teachers: dict[int, lb.TorchModule] = {}

    @cached_property
    def source(self) -> str | Path:
        """Where the reviews are."""
        if self.study.size != "smoke":
            return self.study.source("imdb", "stanfordnlp/imdb")
        return made_up(self.study.folder / "reviews")

    @cached_property
    def encoder(self) -> str | Path | Mapping[str, Any]:
        """What the teachers are fine-tuned from."""
        smoke = self.study.size == "smoke"
        return TINY if smoke else self.study.source(ENCODER.split("/")[1], ENCODER)

    @property
    def tokenizer(self) -> str | Path:
        """What the encoder, and every student, reads with."""
        return self.source if isinstance(self.encoder, Mapping) else self.encoder

    def of(self, length: int, vocabulary: str = "whole") -> Part:
        """The reviews at this length, with the whole vocabulary or the one that they use."""
        key = (length, vocabulary)
        if key not in self.parts:
            self.parts[key] = self.read(length, vocabulary)
        return self.parts[key]

    def read(self, length: int, vocabulary: str) -> Part:
        """The reviews, tokenised and divided."""
        data = hugging_face(
            self.source,
            classes=["neg", "pos"],
            tokenizer=self.tokenizer,
            max_length=length,
            vocabulary="used" if vocabulary == "used" else "whole",
            unlabelled="unsupervised",
            validation=0,
        )
        labelled, test = data.train.labelled(), data.test
        assert test is not None
        if self.rows:
            labelled, test = split(labelled, self.rows)[0], split(test, self.rows)[0]
        validation, train = split(labelled, self.apart)
        kept = {*train.ids, *(i for i in data.train.ids if i.startswith("unsupervised"))}
        rows = [row for row, name in enumerate(data.train.ids) if name in kept]
        everything = data.train.select(torch.tensor(rows))
        parts = [each for each in (train, validation, everything, test) if isinstance(each, Texts)]
        return Part(*parts)

    def teacher(self, length: int) -> lb.TorchModule:
        """The fine-tuned encoder; it answers in bfloat16 where the processor multiplies in it."""
        if length not in self.teachers:
            student = copy.copy(self.fine_tuned(length))
            if multiplies_in_bfloat16(torch.device("cpu")):
                student.module = copy.deepcopy(student.module).bfloat16()
            self.teachers[length] = lb.TorchModule.from_student(student, name=f"bert{length}")
        return self.teachers[length]

    def fine_tuned(self, length: int) -> lb.Student:
        """The encoder, fine-tuned on the training reviews; the epoch best on validation."""
        part, shorter = self.of(length), [each for each in self.epochs if each < length]
        student = lb.students.transformers_classifier(self.encoder, 2, max_length=length)
        if shorter:
            module = self.fine_tuned(max(shorter)).module
            student = lb.Student(module, tokenization=part.train.tokenization)
        training = lb.Training(
            epochs=self.epochs[length],
            batch_size=32,
            optimizer=lb.AdamW(learning_rate=5e-5),
            schedule=lb.OneCycle(warm_up=0.1),
            clip=1.0,
            patience=self.epochs[length],
            precision="auto",
        )
        labels, validation = lb.HardLabels(), part.validation
        distill = self.study.distill
        return distill(student, None, part.train, labels, training, validation=validation).student

    @cached_property
    def words(self) -> Path:
        """The folder of the shortest teacher, whose word vectors students may begin with."""
        folder = self.study.folder / "encoder"
        if not (folder / "student.json").exists():
            lb.students.save(self.fine_tuned(min(self.epochs)), folder)
        return folder

    def knowledge(self, length: int, part: Texts) -> KnowledgeSubset:
        """What the teacher of this length says of some of the reviews.

        The one that reads most says it of the unlabelled reviews too.
        """
        reviews = self.of(length)
        whole = reviews.everything if length == max(self.epochs) else reviews.train
        store = self.study.annotate(self.teacher(length), whole, f"teacher-{length}")
        # knowledge is about texts and not about tokens
        return KnowledgeSubset.about(store, whole.tokenised(part.tokenization), part)


def made_up(folder: Path) -> Path:
    """A folder of made-up reviews in the hub's layout, and a tokenizer of their words."""
    import tokenizers

    names = [
        f"{kind}{i}"
        for kind, count in (("good", 20), ("bad", 20), ("word", 60))
        for i in range(count)
    ]
    words = ["[PAD]", "[UNK]", *names]
    model = tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, "[UNK]")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, count in MADE.items():
        draws = seeding.uniforms(torch.arange(count), 42, "reviews", name)
        labels = [row % 2 for row in range(count)]
        texts = [review(row.tolist(), label) for row, label in zip(draws, labels, strict=True)]
        shown = [-1] * count if name == "unsupervised" else labels
        pq.write_table(pa.table({"text": texts, "label": shown}), folder / f"{name}.parquet")
    return folder


def review(draws: list[float], positive: int) -> str:
    """5 to 40 words; of those that judge, most in the direction of the label."""
    length = 5 + int(36 * draws[0])
    words = []
    for draw in draws[2 : 2 + length]:
        share, number = divmod(draw * 100, 1.0)
        kind = "word" if share < 60 else "good" if (share < 85) == bool(positive) else "bad"
        words.append(f"{kind}{int(number * (60 if kind == 'word' else 20))}")
    return " ".join(words)
