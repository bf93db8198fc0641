"""Classifiers of the transformers library as teachers: of texts, or of images.

They are read as `limbeck.students.pretrained` says: from safetensors alone, and no code that a
model brings is ever run. A text teacher has the tokenizer it came with, so that it may read the
texts of a transfer set whose students have another; the attention mask is always passed. An image
teacher normalises as its preprocessor_config.json says.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.errors import LimbeckError, TeacherError
from limbeck.fingerprint import digest
from limbeck.students import pretrained
from limbeck.students.capture import capture, check_layers
from limbeck.students.pretrained import Task
from limbeck.students.reading import inputs_for, lengths_by_layer, real
from limbeck.teachers.answers import checked_classes, checked_logits, checked_name, name_from
from limbeck.teachers.onnx_model import content_digest
from limbeck.teachers.preprocessing import Normalisation
from limbeck.teachers.teacher import Precision, Teacher, dtype_of
from limbeck.teachers.torch_module import in_full_precision
from limbeck.teachers.transformers_folder import (
    class_names,
    image_normalisation,
    settled_task,
    text_tokenization,
)
from limbeck.types import Batch, Outputs

__all__ = ["Transformers"]

RECORDED = re.compile(r"(hidden_states|attentions)\.(\d+)")


class Transformers(Teacher):
    """A text or image classifier from a folder or the hub, read when it is first needed.

    Args:
        model: A folder with config.json, model.safetensors and tokenizer.json (of images:
            preprocessor_config.json), or an id of the hub (huggingface_hub must be installed).
        task: What it classifies; "auto": what its configuration says.
        max_length: The most tokens that it reads of a text; None: as many as it can.
        hidden: What it also answers with: "hidden_states.0" (the embeddings), "hidden_states.1"
            (after the first layer), ...; "attentions.0", ... (the maps of a layer, computed the
            slow way); or module paths of the library's model.
        classes: Names of its classes in the order of its columns; None: those in its
            configuration, or the transfer set's order if they are LABEL_0, LABEL_1, ...
        name: What reports and stores call it; None: the folder's or the model's name.
        device: Where it runs: "cpu", "cuda", ...
        precision: Of its weights and activations; its answers are float32.

    Attributes:
        folder: Where its files are.

    Raises:
        TeacherError: if there is no such model, the hub does not give it, it has no classifier, it
            has no weights in safetensors, or another number of classes; or if transformers is not
            installed.
        ValueError: if the name, the classes or the length are not as above.

    Example:
        teacher = Transformers("bert-sst2/", max_length=256, hidden=("hidden_states.6",))
    """

    def __init__(
        self,
        model: str | Path,
        *,
        task: Task | Literal["auto"] = "auto",
        max_length: int | None = None,
        hidden: Sequence[str] = (),
        classes: Sequence[str] | None = None,
        name: str | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.name = checked_name(name_from(Path(model).name) if name is None else name)
        self.hidden = (hidden,) if isinstance(hidden, str) else tuple(hidden)
        self.device = torch.device(device)
        self.precision, self.dtype = precision, dtype_of(precision)
        self.normalisation = Normalisation(None, None)
        self.loaded: nn.Module | None = None
        self.content = ""
        try:
            self.folder = pretrained.folder_of(model)
            self.config = pretrained.configuration(self.folder)
            self.files = pretrained.weight_files(self.folder)
            self.facts = pretrained.read_json(self.folder / "config.json")
            self.task = settled_task(task, self.folder, self.facts)
            if self.task == "text-classification":
                self.tokenization = text_tokenization(self.folder, self.config, max_length)
            else:
                self.normalisation = image_normalisation(self.folder)
        except LimbeckError as error:
            raise TeacherError(f"teacher '{self.name}': {error}") from error
        self.classes = checked_classes(classes) or class_names(self.config)
        self.check_classes()
        self.check_recorded()

    @cached_property
    def fingerprint(self) -> str:
        """What weights, configuration, tokenizer or normalisation and class names hash to."""
        self.check_content()
        unread = (*pretrained.UNREAD, "id2label", "label2id")
        tokenization = self.tokenization
        return digest(
            "transformers",
            self.task,
            self.content,
            {name: value for name, value in self.facts.items() if name not in unread},
            None if tokenization is None else tokenization.fingerprint,
            self.normalisation.settings,
            self.classes,
            self.precision,
        )

    @property
    def module(self) -> nn.Module:
        """The library's model in evaluation mode, read if need be."""
        if self.loaded is None:
            self.loaded = self.read()
        if any(layer.training for layer in self.loaded.modules()):  # eval() alone costs more
            self.loaded.eval()
        return self.loaded

    def outputs(self, batch: Batch) -> Outputs:
        """Its logits and hidden features for a batch, float32, on its device.

        Raises:
            TeacherError: if it fails on the inputs, or the batch has no texts where it reads some.
        """
        whose = f"teacher '{self.name}'"
        recorded = [RECORDED.fullmatch(name) for name in self.hidden]
        paths = [n for n, found in zip(self.hidden, recorded, strict=True) if found is None]
        kinds = {found[1] for found in recorded if found is not None}
        module = self.module
        inputs = batch.inputs
        try:
            inputs = inputs_for(self.tokenization, batch, whose=whose).to(self.device)
            with (
                torch.no_grad(),
                in_full_precision(self.device.type),
                capture(module, paths, whose=whose) as features,
            ):
                given = self.given(inputs)
                answer = module(**given, **{f"output_{kind}": True for kind in kinds})
        except LimbeckError as error:
            raise TeacherError(str(error)) from error
        except Exception as error:
            raise TeacherError(
                f"{whose} failed on inputs of shape {tuple(inputs.shape)} "
                f"({pretrained.reason(error)}). {self.wants()}"
            ) from error
        logits = checked_logits(answer.logits, len(batch), self.classes, self.name)
        hidden = {name: self.layer(name, answer, features).float() for name in self.hidden}
        return Outputs(logits, hidden, lengths_by_layer(hidden, inputs, self.tokenization))

    def given(self, inputs: Tensor) -> dict[str, Tensor]:
        """The arguments of the library's model."""
        if self.tokenization is None:
            pixels = self.normalisation(inputs, self.name)
            return {"pixel_values": pixels.to(self.dtype)}
        padding, own = self.tokenization.padding, self.config.pad_token_id
        if own is None:
            own = min(padding, self.config.vocab_size - 1)
        return {
            "input_ids": inputs.where(inputs != padding, own),
            "attention_mask": real(inputs, padding).long(),
        }

    def layer(
        self, name: str, answer: Any, features: Mapping[str, Tensor]
    ) -> Float[Tensor, "b ..."]:
        """One of the hidden features."""
        found = RECORDED.fullmatch(name)
        if found is None:
            return features[name]
        values = getattr(answer, found[1], None)
        if not values or not isinstance(values[int(found[2])], Tensor):
            raise TeacherError(
                f"teacher '{self.name}' does not tell its {found[1]}. Name module paths instead."
            )
        value: Tensor = values[int(found[2])]
        return value

    def release(self) -> None:
        """Forget the weights; they are read again when next needed."""
        self.loaded = None

    def read(self) -> nn.Module:
        """The model with all its weights, layers checked, on its device, in evaluation mode."""
        self.check_content()
        maps = any(name.startswith("attentions.") for name in self.hidden)
        paths = [name for name in self.hidden if RECORDED.fullmatch(name) is None]
        try:
            model, lacking = pretrained.filled_model(
                self.task,
                self.config,
                self.folder,
                dtype=self.dtype,
                attention="eager" if maps else None,
            )
            check_layers(model, paths, whose=f"teacher '{self.name}'")
        except LimbeckError as error:
            raise TeacherError(str(error)) from error
        if lacking:
            raise TeacherError(
                f"teacher '{self.name}': the weights in {self.folder} lack "
                f"{sorted(lacking)[0]} of a {type(model).__name__}, which would answer at random. "
                "Train a classifier first: students.transformers_classifier(folder, classes)"
            )
        module: nn.Module = model.to(self.device).eval()
        return module.requires_grad_(False)

    def check_content(self) -> None:
        """Raise a TeacherError if the weights changed since they were first read."""
        content = digest([content_digest(file) for file in self.files])
        if self.content not in ("", content):
            raise TeacherError(
                f"the weights in {self.folder} changed since they were first read. Start again "
                "with one of them."
            )
        self.content = content

    def check_classes(self) -> None:
        """Raise a TeacherError unless the model has as many classes as there are names."""
        count = self.config.num_labels
        if self.classes is not None and len(self.classes) != count:
            raise TeacherError(
                f"teacher '{self.name}' scores {count} classes and was given "
                f"{len(self.classes)} class names. Give it one name per column, in the order of "
                "its columns."
            )
        if self.config.problem_type == "multi_label_classification":
            raise TeacherError(
                f"teacher '{self.name}' says of each class whether an example is of it, and not "
                "which one it is (multi_label_classification). Give a teacher that chooses one."
            )

    def check_recorded(self) -> None:
        """Raise a TeacherError unless the model has the numbered layers that are asked for."""
        layers = getattr(self.config, "num_hidden_layers", None)
        for name in self.hidden:
            found = RECORDED.fullmatch(name)
            if found is None or layers is None:
                continue
            last = layers if found[1] == "hidden_states" else layers - 1
            if int(found[2]) > last:
                raise TeacherError(
                    f"teacher '{self.name}' has no {name}; its last is {found[1]}.{last}. Name "
                    "one up to that."
                )

    def wants(self) -> str:
        """What inputs it takes."""
        if self.tokenization is not None:
            return f"It reads texts of up to {self.tokenization.max_length} tokens."
        size, channels = getattr(self.config, "image_size", "?"), self.config.num_channels
        return f"It reads images of {channels} channels, {size} x {size} pixels."
