"""Use an exported student: ONNX Runtime and numpy, without torch.

Deploying the file needs nothing of limbeck; this is the shortest way to try it.
"""

import csv
import json
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from limbeck.errors import DataError, LimbeckError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Predictions", "predict"]

NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


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
    model_path: str | Path, rows_path: str | Path, *, batch_size: int = 1024
) -> Predictions:
    """Classify the rows of a file with an ONNX model.

    Args:
        model_path: A file that `export` wrote, or any ONNX classifier with one input. The answers
            of the latter are taken as probabilities if each row is non-negative and sums to 1, as
            logits otherwise.
        rows_path: A `.npz` file with an array "inputs" (n, ...), or with only one array; or a
            `.npy` file. uint8 is scaled as the model's metadata says (divided by 255); other
            numbers are taken as they are.
        batch_size: Rows at a time, >= 1.

    Raises:
        DataError: if the rows cannot be read, do not have the model's shape, or hold NaN.
        LimbeckError: if the model cannot be read or is not a classifier of one input.
        ValueError: if the batch size is below 1.

    Example:
        >>> print(predict("student.onnx", "rows.npz"))  # doctest: +SKIP
        3 rows: 2 cat, 1 dog
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; at least one row goes at a time.")
    model_path, rows_path = Path(model_path), Path(rows_path)
    session = opened(model_path)
    metadata = described(session, model_path)
    inputs = prepared(read_rows(rows_path), session, metadata, model_path, rows_path)
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
    if kind not in NUMPY_TYPES:
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
            for name in ("classes", "input_shape", "input_scale")
            if f"limbeck.{name}" in found
        }
        for name in ("classes", "input_shape"):
            if name in metadata:
                kind = str if name == "classes" else int
                metadata[name] = tuple(kind(value) for value in metadata[name])
        if "input_scale" in metadata:
            metadata["input_scale"] = float(metadata["input_scale"]["uint8"])
    except (ValueError, TypeError, KeyError) as error:
        raise LimbeckError(
            f"the limbeck metadata of {path} is damaged. Export the student again."
        ) from error
    return metadata


def read_rows(path: Path) -> Shaped[np.ndarray, "n ..."]:
    """The array of rows in a file; never unpickles."""
    if not path.is_file():
        raise DataError(f"no rows at {path}. Give a .npz file with an array 'inputs'.")
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            rows = loaded if isinstance(loaded, np.ndarray) else chosen(loaded, path)
    except DataError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not a .npz or .npy file of numbers that can be read. Write it with: "
            "numpy.savez(path, inputs=array)"
        ) from error
    if rows.dtype.kind not in "biuf":
        raise DataError(f"{path} holds {rows.dtype}; rows are numbers, float32 or uint8.")
    return rows


def chosen(archive: Any, path: Path) -> np.ndarray:
    """The array "inputs" of an .npz archive, or its only one."""
    names = archive.files
    name = names[0] if len(names) == 1 else "inputs"
    if name not in names:
        raise DataError(
            f"{path} holds the arrays {', '.join(names) or 'none'}. Call the rows 'inputs', or "
            "keep them alone in the file."
        )
    array: np.ndarray = archive[name]
    return array


def prepared(
    rows: Shaped[np.ndarray, "n ..."],
    session: "onnxruntime.InferenceSession",
    metadata: dict[str, Any],
    model_path: Path,
    rows_path: Path,
) -> Shaped[np.ndarray, "n ..."]:
    """The rows as the model wants them: shape and finiteness checked, bytes scaled."""
    wanted = session.get_inputs()[0]
    shape = metadata.get("input_shape", tuple(wanted.shape[1:]))
    fits = rows.ndim == len(shape) + 1 and all(
        have == need or not isinstance(need, int)
        for have, need in zip(rows.shape[1:], shape, strict=True)
    )
    if not fits:
        axes = ", ".join(str(axis) for axis in ("rows", *shape))
        alone = " For a single row, add the axis: inputs[None]." if rows.shape == shape else ""
        raise DataError(
            f"{rows_path} has shape {rows.shape} and {model_path} reads ({axes}). Give it rows of "
            f"that shape.{alone}"
        )
    if len(rows) == 0:
        raise DataError(f"{rows_path} has no rows. Give at least one.")
    if rows.dtype.kind == "f":
        broken = ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        if broken.any():
            raise DataError(
                f"{rows_path} has NaN or infinite numbers in {int(broken.sum()):,} rows (first: "
                f"row {int(broken.argmax())}). Fill or drop them."
            )
    kind = NUMPY_TYPES[wanted.type]
    if rows.dtype == np.uint8 and kind is not np.uint8:
        if "input_scale" not in metadata:
            raise DataError(
                f"{rows_path} holds uint8 and {model_path} does not say what bytes are divided "
                "by. Give float32 rows in the range it was trained on."
            )
        rows = rows.astype(np.float32) / np.float32(metadata["input_scale"])
    values: Shaped[np.ndarray, "n ..."] = rows.astype(kind, copy=False)
    return values


def run_all(
    session: "onnxruntime.InferenceSession",
    inputs: Shaped[np.ndarray, "n ..."],
    batch_size: int,
    path: Path,
) -> Float[np.ndarray, "n c"]:
    """The model's answers, batch by batch; a model with a fixed batch gets it, padded."""
    given, answers = session.get_inputs()[0], session.get_outputs()
    name = next(
        (value.name for value in answers if value.name == "logits"),
        next((v.name for v in answers if "float" in v.type and len(v.shape) == 2), None),
    )
    if name is None:
        raise LimbeckError(f"{path} has no output of scores (rows, classes); it is no classifier.")
    fixed = given.shape[0] if isinstance(given.shape[0], int) else None
    parts: list[np.ndarray] = []
    for start in range(0, len(inputs), fixed or batch_size):
        batch = inputs[start : start + (fixed or batch_size)]
        count = len(batch)
        if fixed and count < fixed:
            batch = np.concatenate([batch, np.repeat(batch[:1], fixed - count, axis=0)])
        try:
            answer = session.run([name], {given.name: np.ascontiguousarray(batch)})[0]
        except Exception as error:
            raise LimbeckError(
                f"{path} failed on rows {start} to {start + count - 1}. Its input is "
                f"{given.name} {given.shape}."
            ) from error
        parts.append(answer[:count].astype(np.float32))
    scores = np.concatenate(parts)
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
