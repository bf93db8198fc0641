"""An ONNX file with INT8 weights and activations, from one with float32: static quantization.

ONNX Runtime's own tool runs the file on real rows and writes down what range each activation has;
weights are rounded to signed bytes with a range per channel, activations to unsigned ones:
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, in its QDQ format.
Only what multiplies weights is quantised, and what passes bytes on. A GRU stays float32, for which
ONNX Runtime has no such operator. So does a product that nothing reads as bytes; above all the
logits, of which two would often tie in 255 steps.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Shaped
from torch import Tensor

from limbeck import parity
from limbeck.errors import LimbeckError
from limbeck.exporting import quiet

if TYPE_CHECKING:
    import onnx

__all__ = ["OPERATORS", "quantize_file"]

OPERATORS = (
    "Conv", "Gemm", "MatMul", "Gather",
    "Clip", "Flatten", "MaxPool", "Relu", "Reshape", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip
"""What is quantised: products with weights and embeddings; then what works on bytes as they are."""

FLOAT_ANSWERS = ("Gemm", "MatMul")
"""What ONNX Runtime multiplies in bytes and answers in float32, if asked to."""

LIMBECK = "limbeck."


def quantize_file(
    source: Path, target: Path, rows: Shaped[Tensor, "n ..."], padding: int | None = None
) -> None:
    """Write the INT8 twin of an exported student: same input, output and metadata.

    Args:
        source: What `export` wrote.
        target: Where the twin goes.
        rows: Real inputs as the file reads them, float32 or token ids, which set the ranges of the
            activations.
        padding: The id of the padding token, of a student of texts.

    Raises:
        LimbeckError: if ONNX Runtime cannot quantise the file, or nothing in it can be quantised.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder, quiet():
        prepared, found = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        try:
            quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(prepared),
                str(found),
                Rows(rows, padding),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATORS),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
            model = onnx.load(found)
        except Exception as error:  # onnxruntime has a class of its own for every cause
            raise LimbeckError(
                f"ONNX Runtime cannot quantise {source} ({parity.reason(error)}). Deploy the float "
                "file."
            ) from error
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise LimbeckError(
            f"{source} has nothing that ONNX Runtime can quantise: no product with a weight. "
            "Deploy the float file."
        )
    keep_floats(model)
    tidy(model)
    target.write_bytes(model.SerializeToString(deterministic=True))


class Rows:
    """The rows in batches, as ONNX Runtime's calibration asks for them."""

    def __init__(self, rows: Shaped[Tensor, "n ..."], padding: int | None) -> None:
        self.batches: Iterator[Tensor] = parity.batches(rows, padding)

    def get_next(self) -> "dict[str, object] | None":
        """The next batch; None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"inputs": batch.contiguous().numpy()}


def keep_floats(model: "onnx.ModelProto") -> None:
    """Take out the rounding of products that nothing reads as bytes, such as that of the logits."""
    nodes = model.graph.node
    makers = {name: node for node in nodes for name in node.output}
    readers: dict[str, list[str]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    for restored in [node for node in nodes if node.op_type == "DequantizeLinear"]:
        rounded = makers.get(restored.input[0])
        product = None if rounded is None else makers.get(rounded.input[0])
        if rounded is None or product is None or product.op_type not in FLOAT_ANSWERS:
            continue
        as_bytes = set(readers.get(restored.output[0], ())) & set(OPERATORS)
        if not as_bytes and len(readers[rounded.input[0]]) == len(readers[restored.input[0]]) == 1:
            nodes.remove(restored)
            nodes.remove(rounded)
            product.output[:] = restored.output


def tidy(model: "onnx.ModelProto") -> None:
    """Leave limbeck's metadata alone, and no initializer that is not read."""
    kept = [(entry.key, entry.value) for entry in model.metadata_props]
    del model.metadata_props[:]
    for key, value in sorted(kept):
        if key.startswith(LIMBECK):
            model.metadata_props.add(key=key, value=value)
    read = {name for node in model.graph.node for name in node.input}
    for tensor in list(model.graph.initializer):
        if tensor.name not in read:
            model.graph.initializer.remove(tensor)
    del model.graph.value_info[:]
