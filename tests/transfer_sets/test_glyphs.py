"""Glyphs: the same bytes for a seed, and deformations as announced."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from limbeck.errors import DataError
from limbeck.transfer_sets import Splits, glyphs
from limbeck.transfer_sets.glyphs import FAMILIES, deformations, shaded
from limbeck.transfer_sets.typefaces import CANVAS, find_fonts


@pytest.fixture(scope="module")
def fonts() -> tuple[Path, ...]:
    try:
        return find_fonts()
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def few(fonts: tuple[Path, ...]) -> Splits:
    return glyphs(12, 20)


def by_id(splits: Splits) -> dict[str, bytes]:
    found = {}
    for part in (splits.train, splits.validation, splits.test):
        inputs = part.batch(torch.arange(len(part))).inputs.numpy()
        found |= {id: image.tobytes() for id, image in zip(part.ids, inputs, strict=True)}
    return found


def test_the_parts_hold_every_class_and_no_image_twice(few: Splits) -> None:
    """Prevents test images that were trained on, and classes that are never tested."""
    sizes = [len(part) for part in (few.train, few.validation, few.test)]
    assert sizes == [180, 20, 40]
    assert len(by_id(few)) == 240
    assert few.test.labels.bincount(minlength=12).min() >= 3
    assert few.train.input_shape == (1, 24, 24)
    assert set(few.train.groups["font"]) <= {path.stem for path in find_fonts()}


def test_labels_are_the_characters_of_the_ids(few: Splits) -> None:
    """Prevents images that are numbered in another order than their labels."""
    for id, label in zip(few.train.ids, few.train.labels.tolist(), strict=True):
        assert chr(int(id.split("-")[0][2:], 16)) == few.train.classes[label]


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(few: Splits) -> None:
    """Prevents a data set that no second run can have."""
    again, other = glyphs(12, 20), glyphs(12, 20, seed=1)
    assert again.train.fingerprint == few.train.fingerprint
    assert by_id(again) == by_id(few)
    assert all(by_id(other)[id] != image for id, image in by_id(few).items())


def test_fewer_classes_and_images_are_the_first_of_more(few: Splits) -> None:
    """Prevents a small data set that says nothing about the large one."""
    large, small = by_id(few), by_id(glyphs(5, 10))
    assert len(small) == 50
    assert all(large[id] == image for id, image in small.items())


def test_two_images_of_a_class_are_deformed_differently(few: Splits) -> None:
    """Prevents test images that are copies of training images."""
    images = by_id(few)
    assert len(set(images.values())) == len(images)


def test_without_jitter_a_class_has_one_image_per_font_and_stroke(fonts: tuple[Path, ...]) -> None:
    """Prevents noise that the jitter does not turn off."""
    still = glyphs(2, 100, jitter=0.0, validation=0, test=0).train
    ofs = still.inputs[still.labels == 0]
    assert len(ofs.flatten(1).unique(dim=0)) == 3 * len(fonts)


def test_other_fonts_give_another_fingerprint(fonts: tuple[Path, ...], tmp_path: Path) -> None:
    """Prevents a store about one font's images that passes for another's."""
    shutil.copy(fonts[0], tmp_path)
    one = glyphs(12, 20, fonts=tmp_path)
    assert set(one.train.groups["font"]) == {fonts[0].stem}
    assert one.train.fingerprint != glyphs(12, 20).train.fingerprint


def test_every_family_is_of_characters_that_occur_once() -> None:
    """Prevents a class that is listed twice and then left out without a word."""
    characters = "".join(FAMILIES)
    assert len(set(characters)) == len(characters)


def test_a_deformation_is_turn_slant_stretch_and_shift_about_the_middle() -> None:
    """Prevents shears for rotations, and characters that swing out of the image."""
    draws = np.random.default_rng(0).random((20, 6))
    for draw, matrix in zip(draws, deformations(draws, 24, 1.0), strict=True):
        right, down, turn, wide, high, slant = (2 * u - 1 for u in draw)
        angle = math.radians(15 * turn)
        inverse = np.diag([math.exp(-0.15 * wide), math.exp(-0.15 * high)])
        inverse = inverse @ np.array([[1, 0.2 * slant], [0, 1]])
        turned = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        inverse = inverse @ np.array(turned)
        for x, y in ((3.0, 7.0), (40.0, 20.0)):
            seen = np.array([x - 24 - 4 * right, y - 24 - 4 * down]) * CANVAS / 48
            expected = inverse @ seen + CANVAS / 2
            a, b, c, d, e, f = matrix
            np.testing.assert_allclose([a * x + b * y + c, d * x + e * y + f], expected)


def test_shades_are_contrast_ground_and_noise_within_a_byte() -> None:
    """Prevents bytes that wrap around where noise goes beyond white."""
    images = np.array([[[0, 255]], [[0, 255]]], np.uint8)
    draws = np.array([[0.0, 0.0], [1.0, 1.0]])
    noise = np.array([[[0.0, 1.0]], [[0.5, 0.5]]])
    found = shaded(images, draws, noise, 1.0)
    expected = [[[0, 255]], [[round(0.2 * 255), round(0.7 * 255)]]]
    np.testing.assert_allclose(found, expected, atol=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": 1}, "classes is 1; it must be from 2 to"),
        ({"classes": 10**4}, "classes is 10000; it must be from 2 to"),
        ({"per_class": 0}, "per_class is 0; it must be from 1 to"),
        ({"size": 4}, "size is 4; it must be from 8 to"),
        ({"jitter": -1.0}, "jitter is -1.0; it must be 0"),
    ],
)
def test_numbers_out_of_their_range_are_refused(arguments: dict, message: str) -> None:
    """Prevents an index error, or an empty data set."""
    with pytest.raises(ValueError, match=message):
        glyphs(**arguments)
