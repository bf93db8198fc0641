"""Students: a module, the hidden layers to read, and how to build it afresh for a seed."""

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limbeck import seeding
from limbeck.errors import LimbeckError
from limbeck.students.capture import capture, check_layers, logits_of
from limbeck.students.reading import inputs_for, lengths_by_layer
from limbeck.students.word_vectors import fill_embedding
from limbeck.transfer_sets.tokenization import Tokenization
from limbeck.types import Batch, Outputs

if TYPE_CHECKING:
    from limbeck.students.pruned import Pruning

__all__ = ["Student"]


class Student:
    """A model to train.

    Args:
        module: A module, whose present weights are where every run starts (a pretrained student);
            or a function without arguments that builds one, called anew with each run's seed.
        hidden: Module paths of the layers that `outputs` returns, such as ("layer2",).
        architecture: What a recipe calls it, {"mlp": {"inputs": 64, ...}}, so that a saved student
            can be built again; {} for a module given as such.
        frozen: Module paths of the layers that training leaves as they are: without gradient or
            decay, and in evaluation mode, so that batch statistics stay still too.
        tokenization: How it reads texts, where its module came with a tokenizer; None: as the texts
            it is trained on are tokenised.

    Raises:
        LimbeckError: if a layer does not exist (the closest is named), the function builds no
            module, or every weight is frozen.

    Attributes:
        classes: Class names, known once it is trained.
        input_shape: Shape of one example, known once it is trained.
        tokenization: Of a student of texts, how it reads them, known once it is trained.
        pruning: What it loses while it is trained, as `lb.prune` says; None: nothing.
        word_vectors: What the embedding of every fresh copy begins as, (vocabulary, width), brought
            to its own width; None: it is drawn.
        probe: Some real inputs (at most 256 examples), to check an export with.
    """

    def __init__(
        self,
        module: nn.Module | Callable[[], nn.Module],
        *,
        hidden: tuple[str, ...] = (),
        architecture: Mapping[str, Any] | None = None,
        frozen: tuple[str, ...] = (),
        tokenization: Tokenization | None = None,
    ) -> None:
        self.build = module if not isinstance(module, nn.Module) else None
        self.module = module if isinstance(module, nn.Module) else built(module, 0)
        check_layers(self.module, hidden)
        check_frozen(self.module, frozen)
        self.hidden = tuple(hidden)
        self.frozen = tuple(frozen)
        if frozen and self.build is None:
            self.module = copy.deepcopy(self.module)  # the module that was given stays trainable
        self.freeze()
        self.architecture = dict(architecture or {})
        self.tokenization = tokenization
        self.classes: tuple[str, ...] = ()
        self.input_shape: tuple[int, ...] = ()
        self.pruning: Pruning | None = None
        self.word_vectors: Tensor | None = None
        self.probe: Tensor | None = None

    def fresh(self, seed: int) -> "Student":
        """An untrained copy: built with this seed's weights, or with the weights it was given."""
        student = copy.copy(self)
        given = self.build is None
        student.module = copy.deepcopy(self.module) if given else built(self.build, seed)
        if self.word_vectors is not None:
            fill_embedding(student.module, self.word_vectors)
        student.freeze()
        return student

    def start_embedding(self, vectors: Float[Tensor, "vocabulary width"]) -> None:
        """Let the embedding of this student, and of every fresh copy, begin as word vectors."""
        fill_embedding(self.module, vectors)
        self.word_vectors = vectors

    def freeze(self) -> None:
        """Switch the gradients of the frozen layers off."""
        for path in self.frozen:
            self.module.get_submodule(path).requires_grad_(False)

    def train(self) -> None:
        """Put the module into training mode, and its frozen layers into evaluation mode."""
        self.module.train()
        for path in self.frozen:
            self.module.get_submodule(path).eval()

    def outputs(self, batch: Batch) -> Outputs:
        """Its logits and hidden features for a batch, in the mode the module is in.

        Raises:
            LimbeckError: if it reads texts and the batch has none.
        """
        inputs = self.inputs(batch)
        if not self.hidden:
            answer = self.module(inputs)
            return Outputs(answer if isinstance(answer, Tensor) else logits_of(answer))
        with capture(self.module, self.hidden) as features:
            logits = logits_of(self.module(inputs))
        tokenization = self.tokenization or batch.tokenization
        return Outputs(logits, features, lengths_by_layer(features, inputs, tokenization))

    def inputs(self, batch: Batch) -> Tensor:
        """What the module is given: the batch's inputs, or its texts in tokens of the student's."""
        return inputs_for(self.tokenization, batch, whose="the student")

    def parameters_count(self) -> int:
        """How many weights it has, trained or frozen; buffers do not count."""
        return sum(p.numel() for p in self.module.parameters())

    def to(self, device: torch.device | str) -> "Student":
        """Move the module to a device."""
        self.module.to(device)
        return self


def check_frozen(module: nn.Module, frozen: tuple[str, ...]) -> None:
    """Raise a LimbeckError unless these layers exist and leave a weight to train."""
    if not frozen:
        return
    check_layers(module, frozen)
    kept = {id(p) for path in frozen for p in module.get_submodule(path).parameters()}
    if all(id(p) in kept for p in module.parameters()):
        raise LimbeckError(
            f"every weight of the student is in a frozen layer ({', '.join(frozen)}), so there is "
            "nothing to train. Freeze fewer layers."
        )


def built(build: Callable[[], nn.Module] | None, seed: int) -> nn.Module:
    """The module that a function builds with this seed's initial weights."""
    if not callable(build):
        raise LimbeckError(
            f"a student is a torch.nn.Module or a function that builds one; found {build!r}."
        )
    with seeding.seeded(seed, "weights"):
        module = build()
    if not isinstance(module, nn.Module):
        raise LimbeckError(
            f"the function that builds the student returned {type(module).__name__}, not a "
            "torch.nn.Module. Return the model."
        )
    return module
