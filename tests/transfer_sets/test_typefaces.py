"""Fonts: found or asked for, and drawings that can be told apart."""

from pathlib import Path

import numpy as np
import pytest

from limbeck.errors import DataError
from limbeck.transfer_sets import typefaces
from limbeck.transfer_sets.typefaces import CANVAS, MISSING, drawn, find_fonts, tell_apart


@pytest.fixture(scope="module")
def fonts() -> tuple[Path, ...]:
    try:
        return find_fonts()
    except DataError as error:
        pytest.skip(str(error))


def test_no_fonts_at_all_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents an OSError from deep within Pillow on a system without fonts."""
    monkeypatch.setattr(typefaces, "font_homes", list)
    with pytest.raises(DataError, match=r"no fonts were found .*apt install fonts-dejavu-core"):
        find_fonts()


def test_a_folder_without_fonts_is_refused(tmp_path: Path) -> None:
    """Prevents falling back to other fonts than the user asked for."""
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(DataError, match=r"holds no .ttf or .otf file. Give a folder of fonts"):
        find_fonts(tmp_path)


def test_a_file_that_is_no_font_is_named(tmp_path: Path) -> None:
    """Prevents 'unknown file format' without the file's name."""
    (tmp_path / "broken.ttf").write_text("not a font")
    with pytest.raises(DataError, match=r"a font among broken.ttf cannot be read"):
        drawn(find_fonts(tmp_path), "A")


def test_thicker_strokes_cover_more(fonts: tuple[Path, ...]) -> None:
    """Prevents stroke variants that are all the same."""
    drawing = drawn(fonts[:2], "l")
    assert drawing.shape == (2, len(typefaces.STROKES), CANVAS, CANVAS)
    for strokes in drawing:
        ink = [int(form.astype(int).sum()) for form in strokes]
        assert ink == sorted(set(ink))


def test_letters_that_scripts_share_become_one_class(fonts: tuple[Path, ...]) -> None:
    """Prevents two classes that nobody can tell apart: Latin and Greek A, Latin and Cyrillic x."""
    found = tell_apart(fonts, ["A", "\u0391", "x", "\u0445", "B", MISSING, "C"], 4)
    assert list(found) == ["A", "x", "B", "C"]
    shapes = [form[0].tobytes() for form in found.values()]
    assert len(set(shapes)) == 4
    assert all(np.asarray(form).any() for form in found.values())


def test_more_classes_than_the_fonts_can_draw_are_refused(fonts: tuple[Path, ...]) -> None:
    """Prevents a data set with fewer classes than asked for."""
    with pytest.raises(DataError, match=r"draw 1 of 2 characters .* Ask for at most 1"):
        tell_apart(fonts, ["A", "\u0391"], 2)
