"""Examples held in memory, and NumPy's .npz files.

A file holds either one set, in `inputs` and perhaps `labels`, `ids` and `group_<column>`; or one
for each split, in `train_inputs`, `train_labels`, ..., `validation_inputs`, ..., `test_inputs`, ...
`classes` names the classes. Nothing in it is unpickled.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.class_names import number_labels
from limbeck.transfer_sets.identified import Identified, Labels
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.transfer_set import Splits
from limbeck.types import Batch

__all__ = ["Arrays", "arrays"]

SPLITS = ("train", "validation", "test")
PARTS = ("inputs", "labels", "ids")


class Arrays(Identified):
    """Examples in memory: one gather per batch.

    Args:
        inputs: (n, ...): bytes (uint8), which stay bytes in memory and become float32 batch by
            batch, or numbers, which become float32 once.
        labels: Class numbers (n,), -1 where there is none; None if there are none at all.
        classes: Class names, in the order of the label numbers.
        ids: A unique name per example; None for "0", "1", ...
        groups: Columns of one string per example, by which fairness is judged.
        name: What reports call the set.
        scale: What inputs are divided by, > 0. None is 255 for bytes and 1 for numbers.
        preprocessing: How the inputs were made, as JSON values; part of the fingerprint.

    Raises:
        DataError: if the set is empty, an input is NaN or infinite, or labels, classes, ids or
            groups do not fit.
    """

    def __init__(
        self,
        inputs: Tensor | np.ndarray,
        labels: Labels | None = None,
        *,
        classes: Sequence[str],
        ids: Sequence[str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        name: str = "arrays",
        scale: float | None = None,
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        stored = torch.as_tensor(inputs).detach().cpu()
        if stored.ndim < 2 or stored.is_complex():
            raise DataError(
                f"the inputs of {name} are {str(stored.dtype).removeprefix('torch.')} of shape "
                f"{tuple(stored.shape)}. Give real numbers (examples, features) or "
                "(examples, channels, height, width)."
            )
        super().__init__(len(stored), labels, classes=classes, ids=ids, groups=groups, name=name)
        is_bytes = stored.dtype == torch.uint8
        self.scale = (255.0 if is_bytes else 1.0) if scale is None else float(scale)
        if not 0 < self.scale < float("inf"):
            raise DataError(f"scale is {scale}; inputs are divided by it. Give a number above 0.")
        if not is_bytes:
            stored = stored.to(torch.float32)
            stored = stored / self.scale if self.scale != 1.0 else stored
        self.inputs = stored.contiguous()
        self.input_shape = tuple(stored.shape[1:])
        self._preprocessing = dict(preprocessing or {})
        check_finite(self.inputs, self.ids, name)

    def batch(self, rows: Int[Tensor, " b"], view: int = 0) -> Batch:
        """These examples; there is one view."""
        inputs = self.inputs.index_select(0, rows)
        if inputs.dtype == torch.uint8:
            inputs = inputs.to(torch.float32).div_(self.scale)
        return Batch(rows, inputs, self.labels.index_select(0, rows), view)

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """The stored type, the scale, and how the inputs were made."""
        dtype = str(self.inputs.dtype).removeprefix("torch.")
        return {"dtype": dtype, "scale": self.scale, **self._preprocessing}

    def payload(self, row: int) -> Any:
        """The example's values as stored."""
        return self.inputs.numpy()[row]

    def take(self, rows: Int[Tensor, " s"]) -> None:
        """Keep the inputs of these rows only."""
        self.inputs = self.inputs.index_select(0, rows)


def check_finite(inputs: Tensor, ids: Sequence[str], name: str) -> None:
    for start in range(0, len(inputs), 65536):
        chunk = inputs[start : start + 65536]
        if not chunk.is_floating_point() or chunk.isfinite().all():
            continue
        wrong = (~chunk.isfinite().flatten(1).all(dim=1)).nonzero().flatten()
        raise DataError(
            f"the inputs of {name} hold NaN or infinite values (first: id "
            f"'{ids[start + int(wrong[0])]}'). Fill them in or leave these examples out."
        )


def arrays(
    path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    scale: float | None = None,
    validation: Size = 0.1,
    test: Size = 0.2,
    labelled: int | None = None,
    seed: int = 0,
) -> Splits:
    """Read an .npz file of arrays.

    Args:
        path: The file. Its keys are `inputs` and optionally `labels`, `ids`, `group_<column>`; or
            the same with `train_`, `validation_` and `test_` before them; and optionally `classes`.
            Byte images of shape (n, height, width) get a channel axis.
        classes: Class names, in the order of the label numbers; None takes those in the file, else
            the labels that occur, sorted.
        scale: What inputs are divided by; None is 255 for bytes and 1 for numbers.
        validation: Fraction (below 1) or count of the labelled training examples to keep apart,
            class by class; 0 for none. The file's own validation split goes before it.
        test: The same for the test part, of a file without a test split.
        labelled: How many training labels to keep, evenly over the classes; the other examples
            become unlabelled. None keeps all.
        seed: Chooses the parts and the labels that are kept.

    Raises:
        DataError: if the file is missing, unreadable, has other keys, or its values do not fit.
    """
    path = Path(path)
    content = read(path)
    sources = split_keys(content, path)
    if classes is None and "classes" in content:
        classes = [str(name) for name in content["classes"].tolist()]
    names, labels = number_labels(
        {
            split: part["labels"].tolist() if "labels" in part else [None] * len(part["inputs"])
            for split, part in sources.items()
        },
        classes,
        path.name,
    )
    sets: dict[str, Identified] = {}
    for split, part in sources.items():
        count = len(part["inputs"])
        default = [f"{split}-{row}" for row in range(count)] if len(sources) > 1 else None
        sets[split] = Arrays(
            part["inputs"],
            labels[split],
            classes=names,
            ids=part["ids"].tolist() if "ids" in part else default,
            groups={
                key.removeprefix("group_"): [str(value) for value in part[key].tolist()]
                for key in part
                if key.startswith("group_")
            },
            name=f"{path.stem}.{split}",
            scale=scale,
        )
    return splits_from(
        sets, path.stem, validation=validation, test=test, labelled=labelled, seed=seed
    )


def read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(f"no file {path}. Give an .npz file with 'inputs' and 'labels'.")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:
        raise DataError(
            f"{path} cannot be read as .npz of plain arrays ({error}). Write it with "
            "numpy.savez(path, inputs=..., labels=...), numbers and strings only."
        ) from error


def split_keys(content: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """The arrays of each split; the whole is the train split of a file without splits."""
    has_splits = any(f"{split}_inputs" in content for split in SPLITS)
    sources: dict[str, dict[str, Any]] = {}
    for key, value in content.items():
        split, _, part = key.partition("_") if has_splits else ("train", "", key)
        if key == "classes":
            continue
        if split not in SPLITS or not (part in PARTS or part.startswith("group_")):
            known = [f"{s}_{p}" for s in SPLITS for p in PARTS] if has_splits else list(PARTS)
            raise DataError(
                f"{path} has a key '{key}' that limbeck does not know. "
                f"{nearest(key, [*known, 'classes'])}"
            )
        sources.setdefault(split, {})[part] = image_axes(value, path) if part == "inputs" else value
    for split in ["train", *sources]:
        if "inputs" not in sources.get(split, {}):
            needed = f"{split}_inputs" if has_splits else "inputs"
            raise DataError(
                f"{path} has no '{needed}'; it holds {sorted(content)}. Add it, (examples, ...)."
            )
    return sources


def image_axes(inputs: Any, path: Path) -> Any:
    if inputs.dtype.kind not in "biuf" or inputs.ndim == 0:
        raise DataError(
            f"the inputs in {path} are {inputs.dtype} of shape {inputs.shape}. Give numbers "
            "(examples, ...)."
        )
    if inputs.dtype != np.uint8:
        return inputs
    if inputs.ndim == 4 and inputs.shape[-1] in (1, 3) and inputs.shape[1] not in (1, 3):
        raise DataError(
            f"the images in {path} have shape {inputs.shape}, channels last. Write them as "
            "(examples, channels, height, width), with inputs.transpose(0, 3, 1, 2)."
        )
    return inputs[:, None] if inputs.ndim == 3 else inputs
