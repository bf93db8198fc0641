"""Any ONNX classifier as a teacher, run by onnxruntime on the CPU."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.fingerprint import digest
from limbeck.teachers.answers import (
    check_not_probabilities,
    checked_classes,
    checked_logits,
    checked_name,
    first_line,
    log_of,
    name_from,
)
from limbeck.teachers.preprocessing import Normalisation
from limbeck.teachers.teacher import Teacher
from limbeck.types import Batch, Outputs

__all__ = ["OnnxModel"]

FLOATS = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}


class OnnxModel(Teacher):
    """An ONNX file with one input and one output of class scores.

    A model with a fixed batch size is given full batches, the last one filled up with a repeated
    row. One that takes (examples, features) is given flattened inputs.

    Args:
        path: The .onnx file.
        classes: Names of its classes in the order of its columns; None: those that limbeck's
            export wrote into the file, or else the transfer set's order.
        name: What reports and stores call it; None: the file's name.
        mean: Subtracted from the inputs, one number per channel; None: inputs as they are.
        std: What they are then divided by, > 0, one number per channel.
        output: Whether its scores are "logits" or "probabilities". Of probabilities the logits are
            log p, each p at least `PROBABILITY_FLOOR` (1e-7).
        output_name: Which output holds the scores, where there are several; None: the only one,
            or the one called "logits".

    Raises:
        TeacherError: if the file is missing or is no such model, or onnxruntime is not installed.
        ValueError: if `output`, the name, the classes or mean and std are not as above.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        classes: Sequence[str] | None = None,
        name: str | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        output: Literal["logits", "probabilities"] = "logits",
        output_name: str | None = None,
    ) -> None:
        if output not in ("logits", "probabilities"):
            raise ValueError(f"output is {output!r}; it is 'logits' or 'probabilities'.")
        self.path = Path(path)
        self.name = checked_name(name_from(self.path.stem) if name is None else name)
        self.normalisation = Normalisation(mean, std)
        self.output = output
        self.session: Any = None
        self.content = content_digest(self.path)
        session = self.opened()
        self.input = only_input(session, self.path)
        self.output_name = score_output(session, self.path, output_name)
        self.classes = checked_classes(classes) or classes_in(session)

    @property
    def fingerprint(self) -> str:
        """What the file, the output that is read, class names and normalisation hash to."""
        return digest(
            "onnx_model",
            self.content,
            self.output,
            self.output_name,
            self.classes,
            self.normalisation.settings,
        )

    def outputs(self, batch: Batch) -> Outputs:
        """Its logits for a batch, float32, on the CPU.

        Raises:
            TeacherError: if it fails on the inputs, or answers with something else than one score
                per class.
        """
        inputs = self.normalisation(batch.inputs.detach().cpu(), self.name)
        rows = fitting(inputs, self.input.shape).numpy().astype(FLOATS[self.input.type])
        try:
            scores = self.scores(self.opened(), rows)
        except TeacherError:
            raise
        except Exception as error:
            raise TeacherError(
                f"teacher '{self.name}' failed on inputs of shape {tuple(inputs.shape)}: it takes "
                f"{self.input.shape}. Give it a transfer set of that shape. ({first_line(error)})"
            ) from error
        scores = checked_logits(scores, len(batch), self.classes, self.name)
        if self.output == "probabilities":
            return Outputs(log_of(self.checked_probabilities(scores)))
        check_not_probabilities(scores, self.name, "Say so: OnnxModel(..., output='probabilities')")
        return Outputs(scores)

    def release(self) -> None:
        """Close the session; it is opened again when next needed."""
        self.session = None

    def scores(self, session: Any, rows: Float[np.ndarray, "b ..."]) -> Tensor:
        """The model's answers, in chunks of its batch size where that is fixed."""
        fixed = self.input.shape[0] if self.input.shape else None
        size = fixed if isinstance(fixed, int) and fixed > 0 else max(1, len(rows))
        parts = []
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            filled = chunk
            if isinstance(fixed, int) and len(chunk) < size:
                filled = np.concatenate([chunk, np.repeat(chunk[-1:], size - len(chunk), axis=0)])
            (answer,) = session.run([self.output_name], {self.input.name: filled})
            if len(answer) != len(filled):
                raise TeacherError(
                    f"teacher '{self.name}' gave an answer of shape {answer.shape} for "
                    f"{len(filled)} examples; one row of class scores per example is needed. "
                    "Name another output (output_name=...)."
                )
            parts.append(torch.from_numpy(answer[: len(chunk)].astype(np.float32)))
        return torch.cat(parts)

    def checked_probabilities(self, scores: Tensor) -> Tensor:
        """The scores; a TeacherError unless each row sums to 1 (NaN is for the store to judge)."""
        sums = scores.sum(dim=1)
        wrong = ((scores < 0).any(dim=1) | ((sums - 1).abs() > 1e-2)).nonzero().flatten()
        if len(wrong):
            raise TeacherError(
                f"teacher '{self.name}' was said to answer with probabilities, and an example's "
                f"sum to {float(sums[wrong[0]]):.4g}. Leave out output='probabilities' if they "
                "are logits."
            )
        return scores

    def opened(self) -> Any:
        """The session, opened if need be; a TeacherError if the file changed meanwhile."""
        if self.session is None:
            if content_digest(self.path) != self.content:
                raise TeacherError(
                    f"{self.path} changed since it was first read. Start again with one of them."
                )
            self.session = open_session(self.path)
        return self.session


def open_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise TeacherError(
            f"onnxruntime is needed to run {path}. Install it: pip install 'limbeck[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise TeacherError(
            f"{path} is not an ONNX model that onnxruntime can run: {first_line(error)}. Export "
            "it again."
        ) from error


def only_input(session: Any, path: Path) -> Any:
    """The model's one input, which takes floats."""
    inputs = session.get_inputs()
    listed = ", ".join(f"{value.name} ({value.type})" for value in inputs)
    if len(inputs) != 1:
        raise TeacherError(
            f"{path} has {len(inputs)} inputs: {listed or 'none'}. A teacher takes one. Export it "
            "with a single input."
        )
    if inputs[0].type not in FLOATS:
        raise TeacherError(f"{path} takes {listed}. Export it with a float input.")
    return inputs[0]


def score_output(session: Any, path: Path, wanted: str | None) -> str:
    """The name of the output that holds the class scores."""
    outputs = {value.name: value for value in session.get_outputs()}
    listed = ", ".join(f"{value.name} ({value.type})" for value in outputs.values())
    if wanted is None and len(outputs) > 1 and "logits" not in outputs:
        raise TeacherError(
            f"{path} has {len(outputs)} outputs: {listed}. Name the one with the class scores: "
            "OnnxModel(..., output_name='probabilities', output='probabilities')"
        )
    name = wanted or ("logits" if "logits" in outputs else next(iter(outputs)))
    if name not in outputs:
        raise TeacherError(f"{path} has no output '{name}'. It has: {listed}.")
    if outputs[name].type not in FLOATS:
        raise TeacherError(
            f"the output '{name}' of {path} is {outputs[name].type}, not a tensor of class "
            "scores. From scikit-learn, convert with options={'zipmap': False}."
        )
    return name


def classes_in(session: Any) -> tuple[str, ...] | None:
    """The class names that limbeck's export wrote into the file."""
    text = session.get_modelmeta().custom_metadata_map.get("limbeck.classes", "null")
    try:
        names = json.loads(text)
    except ValueError:
        return None
    return tuple(str(name) for name in names) if isinstance(names, list) and names else None


def fitting(inputs: Tensor, shape: Sequence[int | str | None]) -> Tensor:
    """The inputs, flattened where the model takes (examples, features)."""
    return inputs.flatten(1) if len(shape) == 2 and inputs.ndim > 2 else inputs


def content_digest(path: Path) -> str:
    """The SHA-256 of the model's file, and of the file beside it that may hold its weights."""
    state = hashlib.sha256()
    beside = path.with_name(path.name + ".data")
    try:
        for part in (path, beside) if beside.is_file() else (path,):
            with part.open("rb") as file:
                for block in iter(lambda: file.read(1 << 20), b""):
                    state.update(block)
    except OSError as error:
        raise TeacherError(
            f"{path} cannot be read: {error.strerror or error}. Correct the path."
        ) from error
    return state.hexdigest()
