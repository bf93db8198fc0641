"""Finding fonts, and drawing characters with them: what `glyphs` renders from.

No font is part of limbeck. DejaVu or Liberation are on most Linux systems, and DejaVu comes with
matplotlib; both hold Latin, Greek and Cyrillic in several styles.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from limbeck.errors import DataError

__all__ = ["CANVAS", "drawn", "find_fonts", "tell_apart"]

CANVAS = 96
"""Height and width in pixels at which a character is drawn before it is moved and made small."""

EM = 64
BASELINE = 68
STROKES = (0, 1, 2)
"""By how many pixels of the canvas the strokes grow on each side, from thin to thick."""

FAMILIES = (
    (
        *("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
        *("DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf"),
        *("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf"),
    ),
    (
        *("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
        *("LiberationSerif-Regular.ttf", "LiberationSerif-Bold.ttf"),
        *("LiberationMono-Regular.ttf", "LiberationMono-Bold.ttf"),
    ),
)
HOMES = (
    *("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    *("/Library/Fonts", "~/Library/Fonts", "C:/Windows/Fonts"),
)
MISSING = "\ufffe"
"""Never a character, so that a font draws its sign for a missing one."""

Drawing = UInt8[np.ndarray, "fonts strokes canvas canvas"]


def find_fonts(folder: str | Path | None = None) -> tuple[Path, ...]:
    """Font files: those of a folder, or a family at the places where systems keep their fonts.

    Args:
        folder: A folder of .ttf or .otf files; None: the six upright styles of DejaVu, else of
            Liberation, wherever they are found.

    Raises:
        DataError: if there are none.
    """
    if folder is not None:
        found = [p for p in Path(folder).glob("*") if p.suffix.lower() in (".ttf", ".otf")]
        if not found:
            raise DataError(f"{folder} holds no .ttf or .otf file. Give a folder of fonts.")
        return tuple(sorted(found))
    for family in FAMILIES:
        for home in font_homes():
            places = {path.name: path for path in sorted(home.rglob("*.ttf"), reverse=True)}
            if all(name in places for name in family):
                return tuple(places[name] for name in family)
    raise DataError(
        "no fonts were found to draw glyphs with: neither DejaVu nor Liberation, each in six "
        "styles. Install one (apt install fonts-dejavu-core, or pip install matplotlib, which "
        "brings DejaVu), or give fonts= a folder of .ttf files."
    )


def font_homes() -> list[Path]:
    """The folders that exist of those where fonts lie."""
    homes = [Path(home).expanduser() for home in HOMES]
    package = importlib.util.find_spec("matplotlib")
    if package is not None and package.origin is not None:
        homes.append(Path(package.origin).parent / "mpl-data" / "fonts" / "ttf")
    return [home for home in homes if home.is_dir()]


def drawn(fonts: Sequence[Path], character: str) -> Drawing:
    """A character in every font and stroke, white on black, its baseline always at one height.

    Raises:
        DataError: if a file is not a font.
    """
    try:
        faces = [
            ImageFont.truetype(str(path), EM, layout_engine=ImageFont.Layout.BASIC)
            for path in fonts
        ]
    except OSError as error:
        names = ", ".join(path.name for path in fonts)
        raise DataError(
            f"a font among {names} cannot be read ({error}). Remove it from the folder."
        ) from error
    return np.stack([[sketch(face, character, stroke) for stroke in STROKES] for face in faces])


def sketch(face: ImageFont.FreeTypeFont, character: str, stroke: int) -> UInt8[np.ndarray, "h w"]:
    image = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(image).text(
        (CANVAS / 2, BASELINE), character, fill=255, font=face, anchor="ms", stroke_width=stroke
    )
    return np.asarray(image)


def tell_apart(fonts: Sequence[Path], characters: Sequence[str], count: int) -> dict[str, Drawing]:
    """The drawings of the first characters that every font has and draws unlike the others.

    Greek and Cyrillic share letters with Latin; the same drawing twice would be two classes that
    nobody can tell apart.

    Args:
        fonts: Font files.
        characters: In order of preference.
        count: How many are needed.

    Raises:
        DataError: if there are fewer, or a file is not a font.
    """
    missing = drawn(fonts, MISSING)
    taken: list[set[bytes]] = [{form[0].tobytes()} for form in missing]
    found: dict[str, Drawing] = {}
    for character in characters:
        if len(found) == count:
            break
        drawing = drawn(fonts, character)
        forms = [form[0].tobytes() for form in drawing]
        if any(form in others for form, others in zip(forms, taken, strict=True)):
            continue
        for form, others in zip(forms, taken, strict=True):
            others.add(form)
        found[character] = drawing
    if len(found) < count:
        raise DataError(
            f"these fonts draw {len(found)} of {len(characters)} characters so that they can be "
            f"told apart, and {count} classes were asked for. Ask for at most {len(found)}, or "
            "give fonts with Latin, Greek and Cyrillic."
        )
    return found
