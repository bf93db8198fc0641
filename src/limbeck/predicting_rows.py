"""Rows of numbers to predict on: read from a file, shaped and scaled as the model says."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from limbeck.errors import DataError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["NUMPY_TYPES", "prepared", "read_rows"]

NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


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
