"""Texts in Parquet, CSV or JSON lines, as the Hugging Face hub lays data sets out, or one file.

The texts, and their tokens, are kept in files of the cache, `$LIMBECK_CACHE`, and mapped into
memory; another run finds them there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Literal

import torch

from limbeck.cache import cached
from limbeck.errors import DataError
from limbeck.fingerprint import digest
from limbeck.transfer_sets.class_names import number_labels
from limbeck.transfer_sets.hub_files import located, split_files
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.image_folder import SPLIT_NAMES
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.text_column import TextColumn
from limbeck.transfer_sets.text_files import SUFFIXES, read_rows
from limbeck.transfer_sets.texts import Texts
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.transfer_sets.transfer_set import Splits

__all__ = ["hugging_face"]


def hugging_face(
    path: str | Path,
    *,
    text: str = "text",
    label: str | None = "label",
    classes: Sequence[str] | None = None,
    groups: Sequence[str] = (),
    tokenizer: str | Path,
    max_length: int = 128,
    vocabulary: Literal["whole", "used"] = "whole",
    unlabelled: str | None = None,
    validation: Size = 0.1,
    test: Size = 0.2,
    labelled: int | None = None,
    seed: int = 0,
) -> Splits:
    """Read texts from files or from the hub, and tokenise them once for the students.

    A teacher may read the texts with a tokenizer of its own. Splits other than train, validation,
    test and the unlabelled one are left alone.

    Args:
        path: A folder of .parquet, .csv or .jsonl files; one such file; or a hub id such as
            "stanfordnlp/imdb", with "/folder" after it where the data set has several
            configurations, for which huggingface_hub must be installed.
        text: The column of texts. An empty text is one, a missing one is not.
        label: The column of class numbers or names; None if there is none.
        classes: Class names, in the order of the label numbers. None takes those in the files, else
            the labels that occur, sorted.
        groups: Columns by which fairness is judged.
        tokenizer: The students': a folder with tokenizer.json, such a file, or a model's hub id.
        max_length: The most tokens of a text, special ones included; the rest of it is not read.
        vocabulary: "used" cuts the students' vocabulary to the tokens of the training texts, which
            makes a smaller embedding; "whole" leaves it.
        unlabelled: A split, such as "unsupervised", whose texts join the training texts without
            labels.
        validation: Fraction (below 1) or count of the labelled training texts to keep apart, class
            by class; 0 for none. The data's own validation split goes before it.
        test: The same for the test part, of data without a test split.
        labelled: How many training labels to keep, evenly over the classes. None keeps all.
        seed: Chooses the parts and the labels that are kept.

    Raises:
        DataError: if the data or the tokenizer cannot be found or read, a column or a shard is
            missing, a label is no class, or a text is missing or not UTF-8.
        ValueError: if max_length leaves no room for a text.
    """
    if vocabulary not in ("whole", "used"):
        raise DataError(f"vocabulary is '{vocabulary}'. Use whole or used.")
    tokenization = Tokenization(tokenizer, max_length=max_length)
    files, name = files_of(path, unlabelled)
    rows = {
        split: read_rows(parts, f"{split} of {name}", text, label, groups)
        for split, parts in files.items()
    }
    class_names, labels = number_labels(
        {
            split: [None] * len(part.texts) if split == unlabelled else part.labels
            for split, part in rows.items()
        },
        classes if classes is not None else rows["train"].class_names,
        name,
    )
    members = {split: [split] for split in files if split != unlabelled}
    members["train"] += [] if unlabelled is None else [unlabelled]
    sets: dict[str, Identified] = {
        split: Texts(
            TextColumn.joined([rows[each].texts for each in joined], f"{split} of {name}"),
            tokenization,
            torch.cat([labels[each] for each in joined]),
            classes=class_names,
            ids=[f"{each}-{row}" for each in joined for row in range(len(rows[each].texts))],
            groups={g: [str(v) for each in joined for v in rows[each].groups[g]] for g in groups},
            name=f"{name}.{split}",
        )
        for split, joined in members.items()
    }
    splits = splits_from(sets, name, validation=validation, test=test, labelled=labelled, seed=seed)
    return tokenised(splits, cut=vocabulary == "used")


def files_of(path: str | Path, unlabelled: str | None) -> tuple[dict[str, list[Path]], str]:
    """The files of each split, and the data set's name."""
    file = Path(path)
    kind = file.suffix.lower()
    if unlabelled is not None and unlabelled.lower() in SPLIT_NAMES:
        raise DataError(
            f"unlabelled is '{unlabelled}', which is a split of its own. Name one of unlabelled "
            "texts, or leave it out."
        )
    if file.is_dir() or kind not in SUFFIXES:
        folder, name = located(str(path), SUFFIXES, "Parquet, CSV or JSON lines files")
        return split_files(folder, SUFFIXES, unlabelled), name
    if not file.is_file():
        raise DataError(f"no file {file}. Give a {', '.join(SUFFIXES)} file, or a folder of them.")
    if unlabelled is not None:
        raise DataError(
            f"{file} is one file, without a split '{unlabelled}'. Give a folder with a file for "
            "each split."
        )
    return {"train": [file]}, file.stem


def tokenised(splits: Splits, *, cut: bool) -> Splits:
    """The same splits, tokenised now, so that what is wrong with a text is known at once."""
    train = splits.train
    assert isinstance(train, Texts)
    tokenization = used_vocabulary(train) if cut else train.tokenization
    parts = {}
    for title, part in vars(splits).items():
        if isinstance(part, Texts):
            parts[title] = part.tokenised(tokenization)
            parts[title].tokens.make()
    return Splits(**parts)


def used_vocabulary(texts: Texts) -> Tokenization:
    """The tokenization cut to what these texts use, made once."""
    whole = texts.tokenization
    key = digest("vocabulary", texts.column.fingerprint, texts.positions, whole.fingerprint)

    def write(file: IO[bytes]) -> None:
        file.write(whole.cut(texts.texts).content().encode())

    path = cached(f"vocabulary-{key[:32]}.json", write)
    return Tokenization(path, max_length=whole.max_length)
