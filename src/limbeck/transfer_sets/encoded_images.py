"""Image files, on disk or in a Parquet column, decoded by pillow into a cache or per batch.

The files' bytes identify the examples, so the fingerprint does not depend on whether the pixels
were cached.
"""

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from limbeck.errors import DataError
from limbeck.transfer_sets.identified import Identified
from limbeck.types import Batch

__all__ = ["Decoding", "EncodedImages", "Files", "FilesOnDisk", "as_size"]

GREY_MODES = ("1", "L", "LA")
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")
WORTH_THREADS = 64 * 64
"""Pixels above which decoding releases the interpreter long enough for threads to gain."""


@runtime_checkable
class Files(Protocol):
    """Encoded images by position."""

    def __len__(self) -> int: ...

    def read(self, position: int) -> Any:
        """A file's bytes."""
        ...

    def where(self, position: int) -> str:
        """What an error calls the file."""
        ...


@dataclass(frozen=True)
class FilesOnDisk:
    """Images in files of their own."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, position: int) -> bytes:
        """A file's bytes."""
        try:
            return self.paths[position].read_bytes()
        except OSError as error:
            raise DataError(
                f"{self.paths[position]} cannot be read ({error.strerror}). It was there when the "
                "folder was listed: put it back, or load the folder again."
            ) from error

    def where(self, position: int) -> str:
        """The path."""
        return str(self.paths[position])


@dataclass(frozen=True)
class Decoding:
    """How a file becomes pixels, the same for all files of a data set.

    Attributes:
        shape: (channels, height, width) of what comes out; 1 channel, grey, or 3, colour.
        resized: Whether files of other sizes are brought to it (bilinear), or refused.
        convert: Whether coloured files are brought to one channel, or refused.
    """

    shape: tuple[int, int, int]
    resized: bool
    convert: bool

    @classmethod
    def like(cls, files: Files, size: tuple[int, int] | None, greyscale: bool | None) -> "Decoding":
        """What the settings say, and where they leave it open, as the first file is."""
        image = opened(files, 0)
        grey = image.mode in GREY_MODES if greyscale is None else greyscale
        height, width = (image.height, image.width) if size is None else size
        return cls((1 if grey else 3, height, width), size is not None, greyscale is not None)

    def pixels(self, files: Files, position: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        """One image's pixels, of this shape.

        Raises:
            DataError: if the file is no image, or has another size, or colours where the others
                have none, and the settings do not say to convert it.
        """
        channels, height, width = self.shape
        image = opened(files, position)
        if image.mode in DEEP_MODES:
            raise DataError(
                f"{files.where(position)} has pixels of more than 8 bits ({image.mode}). Convert "
                "the images to 8 bits, or give them as arrays."
            )
        if channels == 1 and image.mode not in GREY_MODES and not self.convert:
            raise DataError(
                f"{files.where(position)} is in colour ({image.mode}) where the first image is "
                "grey. Say greyscale=True or greyscale=False."
            )
        if (image.height, image.width) != (height, width) and not self.resized:
            raise DataError(
                f"{files.where(position)} is {image.height} x {image.width} pixels where the first "
                f"image is {height} x {width} (height x width). Give size=({height}, {width}) to "
                "bring them to one size."
            )
        if image.mode == "P":
            image = image.convert("RGBA")
        image = image.convert("L" if channels == 1 else "RGB")
        if self.resized and image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        array = np.asarray(image)
        return array[None] if channels == 1 else array.transpose(2, 0, 1)

    def all_pixels(self, files: Files, positions: Sequence[int]) -> Tensor:
        """The pixels of several images, uint8, (b, channels, height, width)."""
        out = np.empty((len(positions), *self.shape), dtype=np.uint8)

        def fill(row: int) -> None:
            out[row] = self.pixels(files, positions[row])

        if self.shape[1] * self.shape[2] > WORTH_THREADS and len(positions) > 1:
            with ThreadPoolExecutor() as threads:
                list(threads.map(fill, range(len(positions))))
        else:
            for row in range(len(positions)):
                fill(row)
        return torch.from_numpy(out)


class EncodedImages(Identified):
    """Images (channels, height, width) in [0, 1] from encoded files.

    Args:
        files: The encoded images; a selection shares them with the set it was selected from.
        decoding: How they become pixels.
        labels: Class numbers (n,), -1 where there is none.
        classes: Class names, in the order of the label numbers.
        ids: A unique name per example.
        groups: Columns of one string per example.
        name: What reports call the set.
        memory: The most that cached pixels may take, in GB; beyond it every batch is decoded anew.

    Raises:
        DataError: if the set is empty, or labels, classes, ids or groups do not fit.
    """

    def __init__(
        self,
        files: Files,
        decoding: Decoding,
        labels: Int[Tensor, " n"],
        *,
        classes: Sequence[str],
        ids: Sequence[str],
        groups: Mapping[str, Sequence[str]] | None = None,
        name: str,
        memory: float = 4.0,
    ) -> None:
        super().__init__(len(files), labels, classes=classes, ids=ids, groups=groups, name=name)
        self.files = files
        self.decoding = decoding
        self.input_shape = decoding.shape
        self.positions = torch.arange(len(files))
        fits = len(files) * np.prod(decoding.shape) <= memory * 1e9
        self.cache = Cache(files, decoding) if fits else None

    def decode(self) -> "EncodedImages":
        """Fill the cache now, where there is one, so that a damaged image is found at once."""
        if self.cache is not None:
            self.cache.fill(self.positions)
        return self

    def batch(self, rows: Int[Tensor, " b"], view: int = 0) -> Batch:
        """These examples; there is one view.

        Raises:
            DataError: if a file is no image or does not fit the others.
        """
        positions = self.positions.index_select(0, rows)
        if self.cache is None:
            pixels = self.decoding.all_pixels(self.files, positions.tolist())
        else:
            pixels = self.cache.pixels(positions)
        inputs = pixels.to(torch.float32).div_(255)
        return Batch(rows, inputs, self.labels.index_select(0, rows), view)

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """The shape the images are brought to, and the scale."""
        return {"image": self.decoding.shape, "resized": self.decoding.resized, "scale": 255}

    def payload(self, row: int) -> Any:
        """The file's bytes."""
        return self.files.read(int(self.positions[row]))

    def take(self, rows: Int[Tensor, " s"]) -> None:
        """Keep these rows only; the files and the cache stay shared."""
        self.positions = self.positions.index_select(0, rows)


class Cache:
    """Pixels of all files, decoded when first asked for."""

    def __init__(self, files: Files, decoding: Decoding) -> None:
        self.files = files
        self.decoding = decoding
        self.stored = torch.empty((len(files), *decoding.shape), dtype=torch.uint8)
        self.known = torch.zeros(len(files), dtype=torch.bool)
        self.complete = False

    def pixels(self, positions: Int[Tensor, " b"]) -> Tensor:
        if not self.complete:
            self.fill(positions)
        return self.stored.index_select(0, positions)

    def fill(self, positions: Int[Tensor, " b"]) -> None:
        missing = positions[~self.known[positions]]
        if len(missing):
            self.stored[missing] = self.decoding.all_pixels(self.files, missing.tolist())
            self.known[missing] = True
        self.complete = bool(self.known.all())


def opened(files: Files, position: int) -> Image.Image:
    data = files.read(position)
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        return image
    except Exception as error:
        raise DataError(
            f"{files.where(position)} cannot be read as an image ({error or 'damaged'}). Replace "
            "it or take it out."
        ) from error


def as_size(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """(height, width) from what a user gives: one number for a square, two, or None.

    Raises:
        DataError: if it is anything else.
    """
    if size is None:
        return None
    numbers = [size, size] if isinstance(size, int) else list(size)
    if len(numbers) != 2 or not all(isinstance(n, int) and n > 0 for n in numbers):
        raise DataError(f"size is {size}. Give (height, width) in pixels, or one number.")
    return numbers[0], numbers[1]
