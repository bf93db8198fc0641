"""A pretrained encoder of the transformers library as a student, with a fresh output layer.

It starts from the weights of a folder or of the hub, reads texts with the tokenizer it came with,
and is saved with its configuration, so that it comes back without them. Devlin et al., "BERT:
pre-training of deep bidirectional transformers for language understanding", NAACL 2019,
https://arxiv.org/abs/1810.04805, section 3.2.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students.mlp import check_count, check_dropout
from limbeck.students.pretrained import (
    UNREAD,
    built,
    configuration,
    filled_model,
    folder_of,
    longest_text,
)
from limbeck.students.reading import real
from limbeck.students.student import Student
from limbeck.students.text_parts import TextModule
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["TransformersClassifier", "transformers_classifier"]

UNKEPT = (*UNREAD, "architectures", "id2label", "label2id", "problem_type")
"""What a student's configuration does not say: its classes are the transfer set's."""


def transformers_classifier(
    model: str | Path | Mapping[str, Any],
    classes: int,
    *,
    freeze: int = 0,
    dropout: float | None = None,
    max_length: int | None = None,
) -> Student:
    """A transformer encoder with an output layer for these classes, drawn from the run's seed.

    Its layers' module paths are those of the library's model under "model", such as
    "model.bert.encoder.layer.0".

    Args:
        model: A folder with config.json, model.safetensors and tokenizer.json, or an id of the hub
            (for which huggingface_hub must be installed). Or the content of a config.json: then all
            weights are drawn, and texts are read as the transfer set tokenises them.
        classes: How many classes, >= 2.
        freeze: So many layers, from the first, are left as they are, and the embeddings with them;
            0 trains everything.
        dropout: Share of the units dropped in training wherever the model drops any, in [0, 1);
            None: as its configuration says.
        max_length: The most tokens of a text, special ones included; None: the most that the model
            reads. Without a transfer set of the same tokenizer and length, texts are tokenised
            again for every batch.

    Raises:
        LimbeckError: if there is no such model, it has no weights in safetensors, or transformers
            is not installed.
        ValueError: if a number is out of its range.

    Example:
        >>> config = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2,
        ...           "num_attention_heads": 2, "intermediate_size": 64}
        >>> student = transformers_classifier(config, 2)
    """
    check_count("classes", classes, least=2)
    folder = None if isinstance(model, Mapping) else folder_of(model)
    config = configuration(model if folder is None else folder)  # type: ignore[arg-type]
    config.num_labels = classes
    if dropout is not None:
        check_dropout("dropout", dropout)
        set_dropout(config, dropout)
    tokenization = None
    if folder is not None:
        longest = longest_text(folder, config)
        tokenization = Tokenization(folder, max_length=max_length or longest)
        config.pad_token_id = tokenization.padding
    build = functools.partial(build_classifier, config, folder)
    arguments = {
        "model": kept(config),
        "classes": classes,
        "freeze": freeze,
        "dropout": None,
        "max_length": max_length,
    }
    student = Student(
        build,
        architecture={"transformers_classifier": arguments},
        frozen=frozen_layers(config, freeze),
        tokenization=tokenization,
    )
    if tokenization is not None:
        assert isinstance(student.module, TransformersClassifier)
        student.module.check(tokenization)
    return student


class TransformersClassifier(TextModule):
    """A classifier of the library that is given tokens alone, and answers with logits alone.

    Args:
        model: Any of its models for sequence classification.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.vocabulary = int(model.config.vocab_size)
        self.padding = model.config.pad_token_id or 0
        self.longest = getattr(model.config, "max_position_embeddings", None)

    def forward(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b c"]:
        """The logits."""
        mask = real(tokens, self.padding)
        logits: Tensor = self.model(input_ids=tokens, attention_mask=mask.long()).logits
        return logits

    def extra_repr(self) -> str:
        """What decides how tokens are read."""
        return f"padding={self.padding}"


def build_classifier(config: Any, folder: Path | None) -> nn.Module:
    """The module with the weights of a folder, but for its output layer."""
    model: Any = built("text-classification", config)
    if folder is not None:
        loaded, lacking = filled_model("text-classification", config, folder)
        body = f"{model.base_model_prefix}."
        absent = sorted(n for n in lacking if n.startswith(body) and "pooler" not in n)
        state = {
            name: value
            for name, value in loaded.state_dict().items()
            if name.startswith(body) and name not in lacking
        }
        if absent or not state:
            raise LimbeckError(
                f"{folder} lacks weights of a {type(model).__name__}, such as "
                f"{(absent or [body])[0]}; they would start at random. Give a model of this kind."
            )
        model.load_state_dict(state, strict=False)
    return TransformersClassifier(model)


def set_dropout(config: Any, dropout: float) -> None:
    """Set every share of dropped units that a configuration has."""
    for name, value in config.to_dict().items():
        if "dropout" in name and isinstance(value, (int, float)) and not isinstance(value, bool):
            setattr(config, name, dropout)


def kept(config: Any) -> dict[str, Any]:
    """A configuration as student.json holds it."""
    facts = json.loads(config.to_json_string(use_diff=False))
    return {name: value for name, value in facts.items() if name not in UNKEPT}


def frozen_layers(config: Any, freeze: int) -> tuple[str, ...]:
    """Module paths of the embeddings and the first layers; none where nothing is frozen."""
    check_count("freeze", freeze, least=0)
    if freeze == 0:
        return ()
    with torch.device("meta"):
        model: Any = built("text-classification", config)
    count = int(getattr(config, "num_hidden_layers", 0))
    layers = next(
        (
            name
            for name, module in model.base_model.named_modules()
            if isinstance(module, nn.ModuleList) and len(module) == count
        ),
        None,
    )
    if layers is None:
        raise LimbeckError(
            f"a {type(model).__name__} has no list of layers to freeze. Leave freeze at 0."
        )
    if freeze > count:
        raise ValueError(f"freeze is {freeze}, and the model has {count} layers.")
    base, children = model.base_model, dict(model.base_model.named_children())
    given = base.get_input_embeddings()
    inside = next(n for n, m in base.named_modules() if m is given)
    embeddings = "embeddings" if "embeddings" in children else inside
    prefix = f"model.{model.base_model_prefix}"
    return tuple(
        f"{prefix}.{path}" for path in (embeddings, *(f"{layers}.{i}" for i in range(freeze)))
    )
