"""Use an exported student: ONNX Runtime and numpy, of texts also tokenizers, without torch.

Deploying the file needs nothing of limbeck; this is the shortest way to try it.
"""

import csv
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from limbeck.errors import DataError, LimbeckError
from limbeck.predicting_rows import NUMPY_TYPES, prepared, read_rows
from limbeck.predicting_texts import batches_of_tokens, read_texts, tokenised

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["MOST_NUMBERS", "Predictions", "predict"]

MOST_NUMBERS = 2**22
"""How many numbers a batch of rows holds at most, unless one row alone has more."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says about rows.

    Attributes:
        labels: The name of each row's most probable class, (n,).
        probabilities: (n, c), rows summing to 1, classes in the order of `classes`.
        classes: Class names; "0", "1", ... where the file does not name them.
    """

    labels: tuple[str, ...]
    probabilities: Float[np.ndarray, "n c"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        counts = ", ".join(
            f"{count:,} {name}" for name, count in Counter(self.labels).most_common()
        )
        return f"{len(self):,} row{'' if len(self) == 1 else 's'}: {counts}"

    def save(self, path: str | Path) -> Path:
        """Write them as CSV: the label, its probability, then one column per class.

        Raises:
            LimbeckError: if the file cannot be written.
        """
        path = Path(path)
        try:
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(["row", "label", "probability", *self.classes])
                for row, (label, chances) in enumerate(
                    zip(self.labels, self.probabilities, strict=True)
                ):
                    numbers = [f"{chance:.6g}" for chance in (chances.max(), *chances)]
                    writer.writerow([row, label, *numbers])
        except OSError as error:
            raise LimbeckError(
                f"{path} cannot be written ({error.strerror}). Give a file name in a folder that "
                "exists."
            ) from error
        return path


def predict(
    model_path: str | Path,
    rows_path: str | Path | None = None,
    *,
    texts: Sequence[str] | None = None,
    column: str = "text",
    batch_size: int = 1024,
) -> Predictions:
    """Classify the rows of a file, or texts, with an ONNX model.

    Args:
        model_path: A file that `export` wrote, or any ONNX classifier with one input. The answers
            of the latter are taken as probabilities if each row is non-negative and sums to 1, as
            logits otherwise. A student of texts needs the tokenizer.json that was written beside.
        rows_path: A `.npz` file with an array "inputs" (n, ...), or with only one array; or a
            `.npy` file. uint8 is scaled as the model's metadata says (divided by 255); other
            numbers are taken as they are. For a student of texts a `.txt` file with a text per
            line, or a column of a `.csv`, `.jsonl` or `.parquet` file.
        texts: For a student of texts, in place of a file.
        column: The column of texts in the file.
        batch_size: Rows at a time, >= 1; of long texts and large images fewer.

    Raises:
        DataError: if the rows cannot be read, do not have the model's shape, or hold NaN.
        LimbeckError: if the model cannot be read, is not a classifier of one input, or lacks its
            tokenizer.
        ValueError: if the batch size is below 1.

    Example:
        >>> print(predict("student.onnx", "rows.npz"))  # doctest: +SKIP
        3 rows: 2 cat, 1 dog
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; at least one row goes at a time.")
    model_path = Path(model_path)
    session = opened(model_path)
    metadata = described(session, model_path)
    if (rows_path is None) == (texts is None):
        raise DataError("give either a file of rows or texts, and not both.")
    if "tokenizer" in metadata:
        given = list(texts) if texts is not None else read_texts(Path(str(rows_path)), column)
        answers = scores_of_texts(session, given, metadata["tokenizer"], batch_size, model_path)
    elif rows_path is None:
        raise DataError(
            f"{model_path} reads numbers and no texts: it has no tokenizer. Give it a file of rows."
        )
    else:
        rows = read_rows(Path(rows_path))
        inputs = prepared(rows, session, metadata, model_path, Path(rows_path))
        answers = run_all(session, inputs, batch_size, model_path)
    own = "limbeck.version" in session.get_modelmeta().custom_metadata_map
    probabilities = softmax(answers, perhaps_probabilities=not own)
    classes = metadata.get("classes") or tuple(str(number) for number in range(answers.shape[1]))
    if len(classes) != answers.shape[1]:
        raise LimbeckError(
            f"{model_path} names {len(classes)} classes and answers with {answers.shape[1]}. "
            "Export the student again."
        )
    labels = tuple(classes[number] for number in probabilities.argmax(axis=1))
    return Predictions(labels, probabilities, tuple(classes))


def opened(path: Path) -> "onnxruntime.InferenceSession":
    """The model, ready to run on the CPU."""
    try:
        import onnxruntime
    except ImportError:
        raise LimbeckError(
            "predicting needs onnxruntime. Install it with: pip install 'limbeck[onnx]'"
        ) from None
    if not path.is_file():
        raise LimbeckError(f"no model at {path}. Write one with: limbeck export")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has a class of its own for every cause
        raise LimbeckError(
            f"{path} is not an ONNX model that this onnxruntime can run. Write one with: limbeck "
            "export"
        ) from error
    if len(session.get_inputs()) != 1:
        names = ", ".join(value.name for value in session.get_inputs())
        raise LimbeckError(f"{path} has the inputs {names}; a model to predict with has one.")
    kind = session.get_inputs()[0].type
    of_texts = "limbeck.tokenizer" in session.get_modelmeta().custom_metadata_map
    if kind not in NUMPY_TYPES and not of_texts:
        raise LimbeckError(
            f"{path} reads {kind}; a model to predict with reads one of {', '.join(NUMPY_TYPES)}."
        )
    return session


def described(session: "onnxruntime.InferenceSession", path: Path) -> dict[str, Any]:
    """The metadata limbeck wrote, without its prefix; empty for another's model."""
    found = session.get_modelmeta().custom_metadata_map
    try:
        metadata: dict[str, Any] = {
            name: json.loads(found[f"limbeck.{name}"])
            for name in ("classes", "input_shape", "input_scale", "tokenizer")
            if f"limbeck.{name}" in found
        }
        for name in ("classes", "input_shape"):
            if name in metadata:
                kind = str if name == "classes" else int
                metadata[name] = tuple(kind(value) for value in metadata[name])
        if "input_scale" in metadata:
            metadata["input_scale"] = float(metadata["input_scale"]["uint8"])
        if "tokenizer" in metadata:
            metadata["tokenizer"] = {k: metadata["tokenizer"][k] for k in ("padding", "sha256")}
    except (ValueError, TypeError, KeyError) as error:
        raise LimbeckError(
            f"the limbeck metadata of {path} is damaged. Export the student again."
        ) from error
    return metadata


def run_all(
    session: "onnxruntime.InferenceSession",
    inputs: Shaped[np.ndarray, "n ..."],
    batch_size: int,
    path: Path,
) -> Float[np.ndarray, "n c"]:
    """The model's answers, batch by batch; a model with a fixed batch gets it, padded."""
    given = session.get_inputs()[0]
    fixed = given.shape[0] if isinstance(given.shape[0], int) else None
    at_once = fixed or max(1, min(batch_size, MOST_NUMBERS // max(1, math.prod(inputs.shape[1:]))))
    parts: list[np.ndarray] = []
    for start in range(0, len(inputs), at_once):
        batch = inputs[start : start + at_once]
        count = len(batch)
        if fixed and count < fixed:
            batch = np.concatenate([batch, np.repeat(batch[:1], fixed - count, axis=0)])
        where = f"rows {start} to {start + count - 1}"
        parts.append(run(session, batch, path, where)[:count])
    return checked(np.concatenate(parts), path)


def scores_of_texts(
    session: "onnxruntime.InferenceSession",
    texts: Sequence[str],
    tokenizer: dict[str, Any],
    batch_size: int,
    path: Path,
) -> Float[np.ndarray, "n c"]:
    """The model's answers for texts, those of like length together, in the order of the texts."""
    if not texts:
        raise DataError("there is no text. Give at least one.")
    tokens = tokenised(texts, path.with_name("tokenizer.json"), tokenizer["sha256"])
    found: dict[int, np.ndarray] = {}
    for rows, batch in batches_of_tokens(tokens, tokenizer["padding"], batch_size):
        answers = run(session, batch, path, f"text {rows[0]} and others")
        found.update(zip(rows, answers, strict=True))
    return checked(np.stack([found[row] for row in range(len(texts))]), path)


def run(
    session: "onnxruntime.InferenceSession",
    batch: Shaped[np.ndarray, "b ..."],
    path: Path,
    where: str,
) -> Float[np.ndarray, "b c"]:
    """The model's answers for a batch."""
    given, answers = session.get_inputs()[0], session.get_outputs()
    name = next(
        (value.name for value in answers if value.name == "logits"),
        next((v.name for v in answers if "float" in v.type and len(v.shape) == 2), None),
    )
    if name is None:
        raise LimbeckError(f"{path} has no output of scores (rows, classes); it is no classifier.")
    try:
        answer = session.run([name], {given.name: np.ascontiguousarray(batch)})[0]
    except Exception as error:
        raise LimbeckError(
            f"{path} failed on {where}. Its input is {given.name} {given.shape}."
        ) from error
    scores: Float[np.ndarray, "b c"] = answer.astype(np.float32)
    return scores


def checked(scores: Float[np.ndarray, "n c"], path: Path) -> Float[np.ndarray, "n c"]:
    """The scores; a LimbeckError unless all are finite."""
    if not np.isfinite(scores).all():
        raise LimbeckError(
            f"{path} answers some rows with NaN or infinite scores. Were the rows scaled as those "
            "it was trained on?"
        )
    return scores


def softmax(
    scores: Float[np.ndarray, "n c"], *, perhaps_probabilities: bool
) -> Float[np.ndarray, "n c"]:
    """Probabilities from logits, float32; or the scores, where they are probabilities already."""
    if perhaps_probabilities and (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-4):
        return scores
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    chances: Float[np.ndarray, "n c"] = (powers / powers.sum(axis=1, keepdims=True)).astype(
        np.float32
    )
    return chances
