"""Export a student to ONNX, and prove on real rows that the file says what the student says.

The file stands alone: weights inside, a dynamic batch, and in its metadata what its user needs.

    limbeck.classes      JSON: class names in the order of the logits
    limbeck.input_shape  JSON: shape of one example, without the batch axis
    limbeck.input_scale  JSON: {"uint8": 255}, what stored bytes are divided by
    limbeck.tokenizer    JSON, of a student of texts: max_length, padding, and the sha256 of
                         tokenizer.json, which is written beside the file
    limbeck.version      the limbeck that wrote it

It is run in ONNX Runtime and compared with torch before it gets its name: a file whose answers
differ never exists under the path that was asked for.
"""

import copy
import hashlib
import importlib
import json
import logging
import math
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

import limbeck
from limbeck import parity
from limbeck.errors import LimbeckError
from limbeck.exported import Export
from limbeck.exporting_gru import with_onnx_grus
from limbeck.students.student import Student
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.transfer_sets.transfer_set import TransferSet

if TYPE_CHECKING:
    import onnx

__all__ = ["Export", "export"]

MOST_EXAMPLES, LEAST_EXAMPLES, MOST_WORK = 10_000, 1_000, 3e10
"""Of a larger transfer set 10,000 rows are checked, evenly spread; of a student with many weights
fewer, down to 1,000, so that weights times rows stay below the last: a transformer's minute."""
MOST_NUMBERS = 2**28
"""So many numbers the rows have at most, 1 GiB: of photographs 1,783."""

LARGEST_FILE = 2 * 10**9
INPUT_SCALE = {"uint8": 255}
TOKENIZER = "tokenizer.json"


def export(
    student: Student,
    path: str | Path,
    *,
    data: TransferSet | None = None,
    tolerance: float = 1e-4,
) -> Export:
    """Write a student as one ONNX file and check it in ONNX Runtime.

    The student is exported in evaluation mode, from a copy on the CPU: the student itself is not
    touched. Input "inputs" is float32 (batch, ...), output "logits" is (batch, classes). Of a
    student of texts, "inputs" is int64 (batch, tokens), token ids of any length up to its own, and
    tokenizer.json beside the file makes them from texts.

    Args:
        student: A trained student.
        path: Where the file goes; an older one there is replaced, once the new one has passed.
        data: Real rows to compare on, all of them up to 10,000, or up to 1,000 where the student
            has tens of millions of weights. Without it, the student's own `probe`.
        tolerance: Largest absolute difference of a logit that passes, > 0. Where torch's two best
            classes are closer than this, either may win.

    Raises:
        LimbeckError: if there are no rows to check with, if the student cannot be written as ONNX
            (a forward that depends on the values or the number of its inputs), if the file's
            answers differ from the student's, or if another tokenizer.json lies where its own
            belongs. No file is left then.
        ValueError: if the tolerance is not positive and finite.

    Example:
        >>> print(export(run.student, "student.onnx", data=splits.test))  # doctest: +SKIP
    """
    if not 0 < tolerance < float("inf"):
        raise ValueError(f"tolerance is {tolerance}; a difference that passes is > 0 and finite.")
    require_onnx()
    path = Path(path)
    tokenization = student.tokenization or (None if data is None else data.tokenization)
    check_beside(path, tokenization)
    rows = real_rows(student, data)
    classes = student.classes or (data.classes if data is not None else ())
    module = copy.deepcopy(student.module).cpu().eval()
    padding = None if tokenization is None else tokenization.padding
    logits = parity.torch_logits(module, rows, padding)
    if not classes:
        classes = tuple(str(number) for number in range(logits.shape[1]))
    if len(classes) != logits.shape[1]:
        raise LimbeckError(
            f"the student answers with {logits.shape[1]} logits and its data has {len(classes)} "
            "classes. Export it with the data it was trained for."
        )
    model = onnx_model(with_onnx_grus(module), rows, tokenization)
    shape = tuple(rows.shape[1:]) if tokenization is None else (tokenization.max_length,)
    describe(model, classes, shape, tokenization)
    with arriving(path) as part:
        part.write_bytes(model.SerializeToString(deterministic=True))
        difference, agreement = parity.measure(part, rows, logits, tolerance, padding)
        beside = None if tokenization is None else tokenization.save(path.parent)
    size = path.stat().st_size
    return Export(path, size, difference, agreement, len(rows), shape, tuple(classes), beside)


def require_onnx() -> None:
    """Importing the three optional libraries, or one sentence on how to get them."""
    try:
        for name in ("onnx", "onnxscript", "onnxruntime"):
            importlib.import_module(name)
    except ImportError as error:
        raise LimbeckError(
            f"exporting needs onnx, onnxscript and onnxruntime, and {error.name} is missing. "
            "Install them with: pip install 'limbeck[onnx]'"
        ) from None


def check_beside(path: Path, tokenization: Tokenization | None) -> None:
    """Refuse to overwrite a tokenizer.json that is not an earlier export's."""
    beside = path.with_name(TOKENIZER)
    if tokenization is None or path.exists() or not beside.exists():
        return
    if beside.read_bytes() != tokenization.content().encode():
        raise LimbeckError(
            f"{beside} is another model's tokenizer, and the student's belongs there. Export it "
            "into a folder of its own."
        )


def real_rows(student: Student, data: TransferSet | None) -> Shaped[Tensor, "n ..."]:
    """The inputs to compare on."""
    if data is None:
        if student.probe is None or len(student.probe) == 0:
            raise LimbeckError(
                "this student has no real rows of its own to check an export with. Pass some: "
                "export(student, path, data=splits.test)"
            )
        return in_full(student.probe)
    if len(data) == 0:
        raise LimbeckError(f"{data.name} has no rows. An export is checked on real ones.")
    affordable = int(MOST_WORK / max(1, student.parameters_count()))
    affordable = min(affordable, MOST_NUMBERS // max(1, math.prod(data.input_shape)))
    count = min(len(data), MOST_EXAMPLES, max(LEAST_EXAMPLES, affordable))
    rows = torch.linspace(0, len(data) - 1, count, dtype=torch.float64).round().long()
    rows_inputs = in_full(student.inputs(data.batch(rows)))
    of_texts = student.tokenization is not None
    if not of_texts and student.input_shape not in ((), tuple(rows_inputs.shape[1:])):
        raise LimbeckError(
            f"{data.name} has inputs of shape {tuple(rows_inputs.shape[1:])} and the student was "
            f"trained on {student.input_shape}. Check the export on rows of its own kind."
        )
    return rows_inputs


def in_full(inputs: Tensor) -> Shaped[Tensor, "n ..."]:
    """Inputs as the exported file takes them: float32, or token ids as they are."""
    inputs = inputs.detach().cpu()
    return inputs.float() if inputs.is_floating_point() else inputs


def onnx_model(
    module: nn.Module, rows: Shaped[Tensor, "n ..."], tokenization: Tokenization | None
) -> "onnx.ModelProto":
    """The module as ONNX with a dynamic batch, of texts with a dynamic length, weights inside."""
    size = sum(value.nbytes for value in module.state_dict().values())
    if size > LARGEST_FILE:
        raise LimbeckError(
            f"the student's weights take {size / 1e9:.1f} GB and an ONNX file holds 2 GB. "
            "Distil a smaller student."
        )
    example = rows[:1].repeat(2, *(1 for _ in rows.shape[1:]))  # torch takes a 1 for a constant
    axes = {0: torch.export.Dim("batch")}
    if tokenization is not None:
        axes[1] = torch.export.Dim("tokens", max=tokenization.max_length)
    with quiet():
        try:
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=["inputs"],
                output_names=["logits"],
                dynamic_shapes=(axes,),
                verbose=False,
            )
        except Exception as error:
            raise LimbeckError(
                f"torch cannot write this student as ONNX ({parity.reason(error)}). Its "
                "forward must be the same operations for every input and any batch size."
            ) from error
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    return model


@contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's warnings and log lines about its own insides."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)


def describe(
    model: "onnx.ModelProto",
    classes: tuple[str, ...],
    input_shape: tuple[int, ...],
    tokenization: Tokenization | None,
) -> None:
    """Write limbeck's metadata, and remove the exporter's: it names files of this machine."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    for value in graph.value_info:
        del value.metadata_props[:]
    metadata = {
        "limbeck.classes": json.dumps(list(classes), ensure_ascii=False),
        "limbeck.input_shape": json.dumps(list(input_shape)),
        "limbeck.input_scale": json.dumps(INPUT_SCALE),
        "limbeck.version": limbeck.__version__,
    }
    if tokenization is not None:
        del metadata["limbeck.input_scale"]
        facts = {
            "max_length": tokenization.max_length,
            "padding": tokenization.padding,
            "sha256": hashlib.sha256(tokenization.content().encode()).hexdigest(),
        }
        metadata["limbeck.tokenizer"] = json.dumps(facts)
    for key, text in metadata.items():
        model.metadata_props.add(key=key, value=text)


@contextmanager
def arriving(path: Path) -> Iterator[Path]:
    """A temporary file beside the path, which takes its name if the block succeeds."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise LimbeckError(
            f"{path} cannot be written ({error.strerror}). Give a file name in a folder that can."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
