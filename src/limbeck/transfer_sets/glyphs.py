# ruff: noqa: RUF001 - that these characters look alike is what they are here for
"""Glyphs: some 300 characters of Latin, Greek and Cyrillic, many of which look alike.

Each image is a character in one of several fonts, shifted, turned, stretched, slanted, with thin
or thick strokes, weak or strong contrast, and noise. All of it is drawn from the seed, the class
and the number of the image, so that fewer classes or fewer images are the first of more.

There are enough classes for specialists (Hinton, Vinyals & Dean 2015, section 5), which are for
data sets with many classes of which some are often confused, and it needs no download.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

from limbeck import seeding
from limbeck.transfer_sets.arrays import Arrays
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.transfer_set import Splits
from limbeck.transfer_sets.typefaces import CANVAS, Drawing, find_fonts, tell_apart

__all__ = ["FAMILIES", "glyphs"]

FAMILIES = (
    *("AÀÁÂÃÄÅĀĂĄΛΔДЛ", "EÈÉÊËĒĔĖĘĚΣЭЄЗ", "OÒÓÔÕÖØŌŎŐΘФQ0", "UÙÚÛÜŨŪŬŮŰŲЏЦ"),
    *("aàáâãäåāăąαд", "eèéêëēĕėęěεєэ", "oòóôõöøōŏőσθф", "uùúûüũūŭůűųυцџμ"),
    *("IÌÍÎÏĨĪĬĮİ", "iìíîïĩīĭįıļl1", "CÇĆĈĊČG", "cçćĉċč", "NÑŃŅŇИЙ", "nñńņňηпий"),
    *("SŚŜŞŠ5", "sśŝşš", "ĜĞĠĢ6", "gĝğġģ9", "YÝŶŸΨЧ", "yýÿŷγч", "ZŹŻŽΞ2", "zźżžξ"),
    *("DĎĐЪЬ", "dďđ", "LĹĻĽŁĿ", "ĺľłŀ", "RŔŖŘЯ", "rŕŗřг", "TŢŤŦПЮ", "tţťŧτт"),
    *("KĶЖХ", "kķκж", "WŴШЩ", "wŵωшщ", "HĤĦЫ", "hĥħћђ", "JĴ", "jĵ", "Bßβ8Б", "bъьыю"),
    *("Pþρ", "Mm", "VvXx", "Ffq", "3л47бя", "ΓΩλπφψχδζιν"),
)
"""The characters, in the order in which they become classes; those of a family look alike."""

MOVES = 10
"""Random numbers an image takes, besides one for the noise of each pixel."""

STRIDE = 2**16
"""More images than a class may have: the number of an image is class x STRIDE + number."""

SUPERSAMPLING = 2


def glyphs(
    classes: int = 200,
    per_class: int = 300,
    *,
    size: int = 24,
    jitter: float = 1.0,
    fonts: str | Path | None = None,
    validation: Size = 0.1,
    test: Size = 1 / 6,
    labelled: int | None = None,
    seed: int = 0,
) -> Splits:
    """Images (b, 1, size, size) in [0, 1], kept as bytes, of characters in several fonts.

    Of an image, the font is in its group column "font". The same fonts and seed give the same
    bytes; other fonts give other bytes and so another fingerprint.

    Args:
        classes: How many characters, 2 to about 300. The first ones belong to few families of
            characters that look alike.
        per_class: Images of each, 1 to 65536, over all parts.
        size: Height and width in pixels, >= 8.
        jitter: How far all deformations go, >= 0; 0 for none.
        fonts: A folder of .ttf or .otf files; None: the six upright styles of DejaVu, else of
            Liberation, where the system or matplotlib has them.
        validation: Fraction (below 1) or count of the examples left after the test part; 0 for
            none.
        test: Fraction (below 1) or count of all examples.
        labelled: How many training labels to keep, evenly over the classes; the other examples
            become unlabelled. None keeps all.
        seed: Chooses the deformations, the parts and the labels that are kept.

    Raises:
        DataError: if no fonts are found, they hold fewer characters than classes, or the parts
            take all examples.
        ValueError: if a number is out of its range.
    """
    check_ranges(classes, per_class, size, jitter)
    paths = find_fonts(fonts)
    characters = list(dict.fromkeys("".join(FAMILIES)))
    drawings = tell_apart(paths, characters, classes)
    images, faces = rendered(drawings, per_class, size, jitter, seed)
    names = [path.stem for path in paths]
    whole = Arrays(
        images,
        np.repeat(np.arange(classes), per_class),
        classes=list(drawings),
        ids=[f"U+{ord(c):04X}-{number}" for c in drawings for number in range(per_class)],
        groups={"font": [names[face] for face in faces]},
        name="glyphs",
    )
    return splits_from(
        {"train": whole},
        "glyphs",
        validation=validation,
        test=test,
        labelled=labelled,
        seed=seed,
    )


def check_ranges(classes: int, per_class: int, size: int, jitter: float) -> None:
    most = len(set("".join(FAMILIES)))
    for name, value, least, greatest in (
        ("classes", classes, 2, most),
        ("per_class", per_class, 1, STRIDE),
        ("size", size, 8, CANVAS),
    ):
        if not least <= value <= greatest:
            raise ValueError(f"{name} is {value}; it must be from {least} to {greatest}.")
    if not 0 <= jitter < float("inf"):
        raise ValueError(f"jitter is {jitter}; it must be 0 (none) or more, and finite.")


def rendered(
    drawings: Mapping[str, Drawing], per_class: int, size: int, jitter: float, seed: int
) -> tuple[UInt8[np.ndarray, "n 1 h w"], list[int]]:
    """The images, class by class, and which font each is in."""
    images = np.empty((len(drawings), per_class, size, size), np.uint8)
    faces: list[int] = []
    for position, drawing in enumerate(drawings.values()):
        rows = torch.arange(per_class) + position * STRIDE
        draws = seeding.uniforms(rows, MOVES + size * size, seed, "glyphs").numpy()
        font = (draws[:, 0] * drawing.shape[0]).astype(int)
        stroke = (draws[:, 1] * drawing.shape[1]).astype(int)
        shapes = [[Image.fromarray(form) for form in forms] for forms in drawing]
        matrices = deformations(draws[:, 2:8], size, jitter)
        small = [
            deformed(shapes[f][s], matrix, size)
            for f, s, matrix in zip(font, stroke, matrices, strict=True)
        ]
        noise = draws[:, MOVES:].reshape(per_class, size, size)
        images[position] = shaded(np.stack(small), draws[:, 8:10], noise, jitter)
        faces += font.tolist()
    return images.reshape(-1, 1, size, size), faces


def deformations(
    draws: Float[np.ndarray, "n 6"], size: int, jitter: float
) -> Float[np.ndarray, "n 6"]:
    """For each image the six numbers that say which point of the canvas a pixel shows.

    Shifted by up to 1/12 of the image, turned by up to 15 degrees, width and height each changed
    by up to 15 %, and slanted by up to 0.2, times the jitter.
    """
    swing = (2 * draws - 1) * jitter
    angle, slant = np.radians(15) * swing[:, 2], 0.2 * swing[:, 5]
    wide, high = np.exp(0.15 * swing[:, 3]), np.exp(0.15 * swing[:, 4])
    pixel = CANVAS / (size * SUPERSAMPLING)
    cosine, sine = np.cos(angle) * pixel, np.sin(angle) * pixel
    a, b = (cosine + slant * sine) / wide, (slant * cosine - sine) / wide
    d, e = sine / high, cosine / high
    middle = size * SUPERSAMPLING / 2
    right, down = (middle + swing[:, i] * size * SUPERSAMPLING / 12 for i in (0, 1))
    centre = CANVAS / 2
    return np.stack([a, b, centre - a * right - b * down, d, e, centre - d * right - e * down], 1)


def deformed(
    shape: Image.Image, matrix: Float[np.ndarray, " 6"], size: int
) -> UInt8[np.ndarray, "h w"]:
    """One drawing, seen through a deformation, in the size of the data set."""
    side = size * SUPERSAMPLING
    large = shape.transform(
        (side, side), Image.Transform.AFFINE, tuple(matrix.tolist()), Image.Resampling.BILINEAR
    )
    return np.asarray(large.reduce(SUPERSAMPLING))


def shaded(
    images: UInt8[np.ndarray, "n h w"],
    draws: Float[np.ndarray, "n 2"],
    noise: Float[np.ndarray, "n h w"],
    jitter: float,
) -> UInt8[np.ndarray, "n h w"]:
    """Contrast down to a half, a background of up to 0.2, and noise of up to 0.25 either way."""
    contrast = 1 - min(0.5 * jitter, 0.9) * draws[:, 0]
    ground = 0.2 * jitter * draws[:, 1]
    light = images / 255 * contrast[:, None, None] + ground[:, None, None]
    light += 0.25 * jitter * (2 * noise - 1)
    shades: UInt8[np.ndarray, "n h w"] = np.rint(light.clip(0, 1) * 255).astype(np.uint8)
    return shades
