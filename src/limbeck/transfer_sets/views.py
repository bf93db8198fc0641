"""Augmentation that is replayed: view v of an example is a pure function of (seed, id, v).

The teacher's stored answer about a view is then about exactly the pixels that the student sees, in
any process, batch and order. The random numbers of an example hang on its id, not on its position,
so that a selection of examples keeps their views.

Storing a seed per view instead of the images: Wu et al., "TinyViT: Fast pretraining distillation
for small vision transformers", 2022, https://arxiv.org/abs/2207.10666, section 3.1.
"""

import inspect
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck import seeding
from limbeck.errors import DataError
from limbeck.fingerprint import digest
from limbeck.transfer_sets.transfer_set import TransferSet
from limbeck.types import Batch

__all__ = ["Flip", "Shift", "Transform", "Viewed", "Views"]

PROBES = 8


@runtime_checkable
class Transform(Protocol):
    """Changes inputs as some uniform random numbers say, and as nothing else says.

    Its constructor's parameters are its attributes, so that a store can name its settings.

    Attributes:
        draws: How many random numbers it takes per example.
    """

    draws: ClassVar[int]

    def __call__(self, inputs: Tensor, draws: Float[Tensor, "b draws"]) -> Tensor:
        """The changed inputs (b, ...), each row from its own draws in [0, 1) alone."""
        ...


@dataclass(frozen=True)
class Shift:
    """Move each image by whole pixels, up to this many in each direction, and fill with zeros.

    All (2 pixels + 1)^2 translations are equally likely, none included.

    Args:
        pixels: Largest translation in pixels, > 0.

    Raises:
        ValueError: if pixels is not a whole number above 0.
        DataError: if the inputs are not images (b, channels, h, w).
    """

    pixels: int = 2
    draws: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if not isinstance(self.pixels, int) or self.pixels < 1:
            raise ValueError(f"Shift has pixels={self.pixels}. Give a whole number above 0.")

    def __call__(
        self, inputs: Float[Tensor, "b ..."], draws: Float[Tensor, "b 2"]
    ) -> Float[Tensor, "b ..."]:
        """The images, each moved as its two draws (down, right) say."""
        check_images(inputs, self)
        p = self.pixels
        padded = torch.nn.functional.pad(inputs, (p, p, p, p))
        windows = padded.unfold(2, inputs.shape[2], 1).unfold(3, inputs.shape[3], 1)
        start = (draws * (2 * p + 1)).long()
        return windows[torch.arange(len(inputs)), :, start[:, 0], start[:, 1]]


@dataclass(frozen=True)
class Flip:
    """Mirror each image left to right with probability one half.

    Raises:
        DataError: if the inputs are not images (b, channels, h, w).
    """

    draws: ClassVar[int] = 1

    def __call__(
        self, inputs: Float[Tensor, "b ..."], draws: Float[Tensor, "b 1"]
    ) -> Float[Tensor, "b ..."]:
        """The images, those mirrored whose draw is below one half."""
        check_images(inputs, self)
        return torch.where((draws < 0.5).view(-1, 1, 1, 1), inputs.flip(-1), inputs)


class Views:
    """Deterministic augmentation of a transfer set.

    Args:
        transform: Shift, Flip, or any Transform; or several, applied in turn.
        count: How many views each example has, > 0; view 0 is augmented like the others. None: any
            view number goes, for a teacher trained from labels with fresh views in each epoch.
        seed: Chooses the views.

    Raises:
        ValueError: if there is no transform or the count is not above 0.

    Example:
        >>> train = Views(Shift(pixels=2), count=4).of(data.train)
    """

    def __init__(
        self,
        transform: Transform | tuple[Transform, ...],
        count: int | None = 4,
        seed: int = 0,
    ) -> None:
        if count is not None and count < 1:
            raise ValueError(f"Views has count={count}. Give a number above 0, or None.")
        self.transform = transform
        self.count = count
        self.seed = seed
        self.transforms = transform if isinstance(transform, tuple) else (transform,)
        if not self.transforms:
            raise ValueError("Views has no transform. Give one, such as Shift(pixels=2).")

    @property
    def description(self) -> str:
        """The transforms and their settings, such as "Shift(pixels=2) + Flip()"."""
        return " + ".join(described(transform) for transform in self.transforms)

    def of(self, transfer_set: TransferSet) -> "Viewed":
        """The same examples, augmented.

        Raises:
            DataError: if they are augmented already, or are texts.
        """
        return Viewed(transfer_set, self)

    def render(self, inputs: Tensor, keys: Int[Tensor, " b"], view: int) -> Tensor:
        """One view (b, ...) of these inputs, whose examples have these keys."""
        total = sum(transform.draws for transform in self.transforms)
        draws = seeding.uniforms(keys, total, self.seed, "view", view)
        used = 0
        for transform in self.transforms:
            inputs = transform(inputs, draws[:, used : used + transform.draws])
            used += transform.draws
        return inputs.contiguous()

    def __repr__(self) -> str:
        return f"Views({self.description}, count={self.count}, seed={self.seed})"


class Viewed(TransferSet):
    """A transfer set in several views; made by `Views.of`.

    Attributes:
        base: The set as it is.
        augmentation: The views.
    """

    def __init__(self, base: TransferSet, augmentation: Views) -> None:
        if base.views != 1:
            raise DataError(
                f"{base.name} has views already. Give all transforms to one Views, as a tuple."
            )
        if base.tokenization is not None:
            raise DataError(
                f"{base.name} holds texts, which have no views: an augmented text is another text. "
                "Leave the views out, or add the augmented texts to the data."
            )
        self.base = base
        self.augmentation = augmentation
        self.name = base.name
        self.classes = base.classes
        self.ids = base.ids
        self.labels = base.labels
        self.groups = base.groups
        self.input_shape = base.input_shape
        self.views = augmentation.count
        self._keys: Int[Tensor, " n"] | None = None

    def __len__(self) -> int:
        return len(self.base)

    def batch(self, rows: Int[Tensor, " b"], view: int = 0) -> Batch:
        """These examples in this view.

        Raises:
            DataError: if there is no such view.
        """
        if view < 0 or (self.views is not None and view >= self.views):
            raise DataError(
                f"{self.name} has no view {view}; it has {self.views}, from 0. Raise count."
            )
        batch = self.base.batch(rows)
        inputs = self.augmentation.render(batch.inputs, self.keys()[rows], view)
        return Batch(batch.rows, inputs, batch.labels, view)

    def keys(self) -> Int[Tensor, " n"]:
        """32 bits from each example's id, which its random numbers hang on, (n,)."""
        if self._keys is None:
            hashed = (blake2b(id.encode(), digest_size=4).digest() for id in self.ids)
            numbers = np.frombuffer(b"".join(hashed), dtype="<u4").astype(np.int64)
            self._keys = torch.from_numpy(numbers)
        return self._keys

    @property
    def transform(self) -> Transform | tuple[Transform, ...]:
        """What makes the views."""
        return self.augmentation.transform

    @property
    def description(self) -> str:
        """The transforms and their settings, such as "Shift(pixels=2)"."""
        return self.augmentation.description

    @property
    def seed(self) -> int:
        """What chooses the views."""
        return self.augmentation.seed

    @property
    def count(self) -> int | None:
        """How many views each example has; None if any number goes."""
        return self.augmentation.count

    def probe_hash(self) -> str:
        """What eight rendered views, of examples spread over the set, hash to.

        It changes where a transform's code, or a decoder, renders other pixels than before.
        """
        rendered = []
        for probe in range(PROBES):
            row = torch.tensor([probe * len(self) // PROBES])
            rendered.append(self.batch(row, probe % (self.views or PROBES)).inputs)
        return digest("probe views", *rendered)

    @property
    def fingerprint(self) -> str:
        """What the set's fingerprint and the views' transforms, count and seed hash to."""
        return digest("views", self.base.fingerprint, self.description, [self.count, self.seed])

    def checks(self) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
        """Those of the set as it is: the views are identified as a whole."""
        return self.base.checks()

    def select(self, rows: Int[Tensor, " s"], name: str = "") -> "Viewed":
        """These examples only, each in its own views."""
        return Viewed(self.base.select(rows, name), self.augmentation)


def described(transform: Transform) -> str:
    settings: dict[str, Any] = {
        name: getattr(transform, name) for name in inspect.signature(type(transform)).parameters
    }
    listed = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return f"{type(transform).__name__}({listed})"


def check_images(inputs: Tensor, transform: object) -> None:
    if inputs.ndim != 4:
        raise DataError(
            f"{type(transform).__name__} moves pixels, but an input has shape "
            f"{tuple(inputs.shape[1:])}. Give images (channels, height, width)."
        )
