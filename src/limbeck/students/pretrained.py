"""Pretrained models of the transformers library, read without running anything they bring.

A model is a folder as the hub keeps it: config.json, model.safetensors (or several, with an index),
tokenizer.json or preprocessor_config.json. The configuration is read as data and the weights from
safetensors; code beside them, pickles, adapters, and what a configuration says about where to get
more of either, are never looked at.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError, nearest
from limbeck.students.weights import read_weights

__all__ = [
    "UNREAD",
    "Task",
    "built",
    "configuration",
    "filled_model",
    "folder_of",
    "longest_text",
    "read_json",
    "reason",
    "weight_files",
]

Task = Literal["text-classification", "image-classification"]

MOST_TOKENS, USUAL_TOKENS = 1_000_000, 512
"""More than this a tokenizer says for "any number"; this much where nothing is said."""

TOKENIZER = "tokenizer_config.json"
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
FILES = (
    CONFIG,
    WEIGHTS,
    INDEX,
    "model-*-of-*.safetensors",
    "tokenizer.json",
    TOKENIZER,
    "preprocessor_config.json",
)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")
UNREAD = (
    "_attn_implementation",
    "_name_or_path",
    "attn_implementation",
    "auto_map",
    "custom_pipelines",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "transformers_weights",
)
"""What a configuration may say of code and files; and where and with what it was written."""


def folder_of(model: str | Path) -> Path:
    """The model's folder, downloaded if it is a hub id.

    Raises:
        LimbeckError: if there is none, or the hub does not give it.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    name = str(model)
    if folder.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise LimbeckError(
            f"there is no model folder at {model}. Correct the path, or give an id of the hub."
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise LimbeckError(
            f"there is no folder {model}, and huggingface_hub, which gets models from the hub, is "
            "not installed. Install it with: pip install limbeck[hf]"
        ) from None
    try:
        return Path(snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:
        raise LimbeckError(
            f"there is no folder {model}, and the hub did not give it ({reason(error)}). Check the "
            "name and the connection, or give a folder."
        ) from error


def configuration(model: Path | Mapping[str, Any]) -> Any:
    """A model's configuration, from its folder or from the content of a config.json.

    Raises:
        LimbeckError: if transformers is not installed, or this is no configuration it knows.
    """
    where = "the configuration" if isinstance(model, Mapping) else str(model / CONFIG)
    facts = dict(model) if isinstance(model, Mapping) else read_json(model / CONFIG)
    known = require_transformers().CONFIG_MAPPING
    kind = facts.get("model_type")
    if not isinstance(kind, str) or kind not in known:
        hint = nearest(str(kind), known.keys())
        raise LimbeckError(
            f"{where} is of the model type {kind!r}, which transformers does not know. "
            f"{hint + ' ' if hint.startswith('Did') else ''}Give a model of the library itself; "
            "code that a model brings is never run."
        )
    if facts.get("quantization_config"):
        raise LimbeckError(
            f"{where} is of a quantised model, whose weights limbeck does not read. Give the model "
            "it was made from."
        )
    try:
        with quiet():
            return known[kind].from_dict({k: v for k, v in facts.items() if k not in UNREAD})
    except Exception as error:
        raise LimbeckError(
            f"{where} is no configuration that transformers takes ({reason(error)}). Get it again."
        ) from error


def weight_files(folder: Path) -> list[Path]:
    """The .safetensors files with the weights.

    Raises:
        LimbeckError: if there are none, or not all; pickles do not count.
    """
    if (folder / INDEX).is_file():
        shards = read_json(folder / INDEX).get("weight_map")
        names = sorted({str(v) for v in shards.values()}) if isinstance(shards, dict) else []
        missing = [n for n in names if Path(n).name != n or not (folder / n).is_file()]
        if names and not missing:
            return [folder / name for name in names]
        raise LimbeckError(
            f"{folder / INDEX} names weights that are not in the folder: "
            f"{', '.join(missing[:4]) or 'none at all'}. Get the model again, whole."
        )
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    held = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in held if name.endswith(PICKLES)]
    if pickles:
        raise LimbeckError(
            f"{folder} has its weights only in {pickles[0]}, a file that can run any code when it "
            f"is read, so limbeck never reads one. Have them saved as {WEIGHTS}, with "
            "model.save_pretrained(folder)."
        )
    raise LimbeckError(
        f"{folder} has no weights: no {WEIGHTS} among {', '.join(held[:8]) or 'no files'}. Give "
        "the folder that model.save_pretrained(folder) wrote."
    )


def longest_text(folder: Path, config: Any) -> int:
    """The most tokens that a model reads: what its tokenizer says, and its positions allow."""
    limits = [getattr(config, "max_position_embeddings", None)]
    if (folder / TOKENIZER).is_file():
        limits.append(read_json(folder / TOKENIZER).get("model_max_length"))
    known = [int(n) for n in limits if isinstance(n, (int, float)) and 0 < n <= MOST_TOKENS]
    return min(known, default=USUAL_TOKENS)


def built(task: Task, config: Any) -> nn.Module:
    """An untrained classifier; its weights are drawn from torch's generator.

    Raises:
        LimbeckError: if there is no classifier of this kind, or the configuration makes none.
    """
    kind = classifier(task, config)
    try:
        with quiet():
            model: nn.Module = kind._from_config(config, dtype=torch.float32)
    except Exception as error:
        raise LimbeckError(
            f"transformers cannot build a {kind.__name__} ({reason(error)}). Correct its "
            "configuration."
        ) from error
    return model


def filled_model(
    task: Task,
    config: Any,
    folder: Path,
    *,
    dtype: torch.dtype = torch.float32,
    attention: Literal["eager"] | None = None,
) -> tuple[Any, set[str]]:
    """A classifier with the folder's weights, in evaluation mode, and the names of those it lacks.

    Args:
        task: What it classifies.
        config: What `configuration` returned for the folder, or that with changes.
        folder: The model's.
        dtype: Of its weights.
        attention: "eager" where its attention maps are to be read; None: the fastest.

    Raises:
        LimbeckError: if the weights cannot be read, or are of another model.
    """
    kind = classifier(task, config)
    tensors: dict[str, Tensor] = {}
    for file in weight_files(folder):
        tensors |= read_weights(file)
    try:
        with quiet():
            model, report = kind.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                dtype=dtype,
                attn_implementation=attention,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:
        raise LimbeckError(
            f"the weights in {folder} cannot be put into a {kind.__name__} ({reason(error)}). Get "
            "the model again, whole."
        ) from error
    mismatched = {name for name, *_ in report["mismatched_keys"]}
    return model, set(report["missing_keys"]) | mismatched


def classifier(task: Task, config: Any) -> Any:
    """The class of the library that classifies with such a model."""
    library = require_transformers()
    kinds = {
        "text-classification": library.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
        "image-classification": library.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING,
    }
    try:
        found = kinds[task][type(config)]
    except KeyError:
        what = task.split("-")[0]
        raise LimbeckError(
            f"transformers has no classifier of {what}s for the model type "
            f"'{config.model_type}'. Give another model, or say task=..."
        ) from None
    return found[0] if isinstance(found, tuple) else found


def require_transformers() -> Any:
    """The library, or one sentence on how to get it."""
    try:
        import transformers
    except ImportError:
        raise LimbeckError(
            "pretrained models need the transformers library, which is not installed. Install it "
            "with: pip install limbeck[hf]"
        ) from None
    return transformers


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a model's folder."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        held = ", ".join(sorted(file.name for file in path.parent.iterdir())[:8]) or "nothing"
        raise LimbeckError(
            f"{path.parent} is no model: it has no {path.name}; it holds {held}. Give a folder "
            "that save_pretrained wrote, of the model and of what prepares its inputs."
        ) from None
    except (OSError, ValueError) as error:
        raise LimbeckError(f"{path} cannot be read ({reason(error)}). Get it again.") from error
    if not isinstance(content, dict):
        raise LimbeckError(f"{path} holds no object. Get it again.")
    return content


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bars and load reports; what matters of them is raised."""
    import transformers

    logging: Any = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def reason(error: BaseException) -> str:
    """The first line of another library's error, and its kind, to quote in a sentence."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip().rstrip(".:") if lines else ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
