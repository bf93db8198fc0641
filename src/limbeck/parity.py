"""Whether an ONNX file says what a module says: the same rows through ONNX Runtime and torch."""

import math
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.predicting import MOST_NUMBERS
from limbeck.students.reading import lengths_of

__all__ = ["batches", "measure", "reason", "runtime_logits", "torch_logits"]

BATCH_SIZES = (1, 3, 64, 512)


def torch_logits(
    module: nn.Module, rows: Shaped[Tensor, "n ..."], padding: int | None = None
) -> Float[Tensor, "n c"]:
    """What the module answers, float32; raises if that is no finite (n, c)."""
    with torch.inference_mode():
        parts = [module(batch) for batch in batches(rows, padding)]
    shapes = {tuple(part.shape[1:]) for part in parts}
    if len(shapes) != 1 or parts[0].ndim != 2:
        raise LimbeckError(
            f"the student answers one row with shape {tuple(parts[0].shape)}; an exported "
            "classifier answers with (batch, classes)."
        )
    logits = torch.cat(parts).float()
    if not bool(logits.isfinite().all()):
        raise LimbeckError(
            "the student answers some rows with NaN or infinite logits. Train it again at a lower "
            "learning rate; it is of no use exported."
        )
    return logits


def measure(
    path: Path,
    rows: Shaped[Tensor, "n ..."],
    expected: Float[Tensor, "n c"],
    tolerance: float,
    padding: int | None = None,
) -> tuple[float, float]:
    """Largest logit difference and share of equal top classes; raises if they do not pass."""
    answers = runtime_logits(path, rows, padding)
    assert answers.shape == expected.shape
    difference = float((answers - expected).abs().max())
    same = answers.argmax(dim=1) == expected.argmax(dim=1)
    if expected.shape[1] > 1:
        best, second = expected.topk(2, dim=1).values.unbind(dim=1)
        flipped = int((~same & ~(best - second < tolerance)).sum())
    else:
        flipped = 0
    if not difference <= tolerance or flipped:
        raise LimbeckError(
            f"the exported file does not say what the student says: on {len(rows):,} rows its "
            f"logits differ by up to {difference:.1e} (tolerance {tolerance:.0e}) and {flipped:,} "
            "top classes differ. No file was written. Deploying it would serve another model than "
            "the one that was measured; a forward with randomness or Python branches does this."
        )
    return difference, float(same.double().mean())


def runtime_logits(
    path: Path, rows: Shaped[Tensor, "n ..."], padding: int | None = None
) -> Float[Tensor, "n c"]:
    """What ONNX Runtime answers, in batches of several sizes: a single row is also given twice."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        parts: list[Any] = [
            session.run(["logits"], {"inputs": batch.contiguous().numpy()})[0]
            for batch in batches(rows, padding)
        ]
        twice = torch.cat([rows[:1], rows[:1]])
        again = session.run(["logits"], {"inputs": twice.numpy()})[0]
    except Exception as error:
        raise LimbeckError(
            f"ONNX Runtime cannot run the exported student ({reason(error)}). No file was "
            "written. Its forward must accept any batch size."
        ) from error
    if again.shape[0] != 2:
        raise LimbeckError(
            "the exported student answers two rows with another number of rows. No file was "
            "written. Its forward must accept any batch size."
        )
    return torch.cat([torch.from_numpy(part) for part in parts])


def batches(
    rows: Shaped[Tensor, "n ..."], padding: int | None = None
) -> Iterator[Shaped[Tensor, "b ..."]]:
    """All rows in order, in batches of 1, 3, 64, and then 512, or 64 of large images.

    Rows of tokens are cut to the longest text of their batch.
    """
    *small, large = BATCH_SIZES
    large = max(small[-1], min(large, MOST_NUMBERS // max(1, math.prod(rows.shape[1:]))))
    start = 0
    for size in chain(small, repeat(large)):
        if start >= len(rows):
            return
        batch = rows[start : start + size]
        yield batch if padding is None else batch[:, : int(lengths_of(batch, padding).max())]
        start += size


def reason(error: BaseException) -> str:
    """The first plain line of the deepest cause; the exporter's own text is pages long."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    return f"{type(error).__name__}: {text}"[:200].rstrip(" :.")
