"""What a folder of a transformers model says: task, tokenizer, normalisation, class names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from limbeck.errors import TeacherError
from limbeck.students.pretrained import Task, longest_text, read_json, reason
from limbeck.teachers.preprocessing import Normalisation
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["class_names", "image_normalisation", "settled_task", "text_tokenization"]

KINDS: dict[str, Task] = {
    "SequenceClassification": "text-classification",
    "ImageClassification": "image-classification",
}
"""How the names of the library's classes of classifiers end."""


def settled_task(task: Task | Literal["auto"], folder: Path, facts: Mapping[str, Any]) -> Task:
    """What the model classifies."""
    if task != "auto":
        if task not in KINDS.values():
            raise ValueError(f"task is {task!r}; it is 'auto' or {' or '.join(KINDS.values())}.")
        return task
    named = facts.get("architectures") or []
    for name in named:
        for ending, found in KINDS.items():
            if str(name).endswith(ending):
                return found
    raise TeacherError(
        f"{folder / 'config.json'} names no classifier among its architectures "
        f"({', '.join(map(str, named)) or 'none'}). Train one first, with "
        "students.transformers_classifier(folder, classes), or say task=..."
    )


def text_tokenization(folder: Path, config: Any, max_length: int | None) -> Tokenization:
    """The tokenizer the model came with, reading as much as was asked for."""
    positions = getattr(config, "max_position_embeddings", None)
    if max_length is not None and positions is not None and max_length > positions:
        raise TeacherError(f"max_length is {max_length} and the model reads {positions} tokens.")
    longest = longest_text(folder, config)
    tokenization = Tokenization(folder, max_length=max_length or longest)
    added = tokenization.padding >= config.vocab_size
    if tokenization.vocabulary - added > config.vocab_size:
        raise TeacherError(
            f"the tokenizer in {folder} makes {tokenization.vocabulary:,} tokens and the model "
            f"knows {config.vocab_size:,}. They are of different models; get them again."
        )
    return tokenization


def image_normalisation(folder: Path) -> Normalisation:
    """What preprocessor_config.json says about pixels, for pixels in [0, 1].

    The file speaks of pixels from 0 to 255, which are multiplied by `rescale_factor` first.
    """
    facts = read_json(folder / "preprocessor_config.json")
    factor = facts.get("rescale_factor", 1 / 255) if facts.get("do_rescale", True) else 1.0
    mean: Any = [0.0]
    std: Any = [1.0]
    if facts.get("do_normalize", True):
        mean, std = facts.get("image_mean"), facts.get("image_std")
    try:
        scale = 255 * float(factor)
        return Normalisation([m / scale for m in mean], [s / scale for s in std])
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise TeacherError(
            f"{folder / 'preprocessor_config.json'} says nothing usable of image_mean, image_std "
            f"and rescale_factor ({reason(error)}). Get the model again."
        ) from error


def class_names(config: Any) -> tuple[str, ...] | None:
    """The class names in a configuration; None if they are made up."""
    names = tuple(str(config.id2label[i]) for i in sorted(config.id2label))
    made_up = all(re.fullmatch(r"LABEL_\d+", name) for name in names)
    return None if made_up or len(set(names)) != len(names) else names
