"""Views: the right pixels, the same every time, bound to the example."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from limbeck.errors import DataError
from limbeck.transfer_sets import Arrays, Flip, Shift, Views
from limbeck.transfer_sets.views import Viewed

IMAGES = torch.rand(40, 2, 5, 7, generator=torch.Generator().manual_seed(0))


def images() -> Arrays:
    return Arrays(IMAGES, [0, 1] * 20, classes=("a", "b"))


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """One translation written as loops."""
    out = np.zeros_like(image)
    channels, height, width = image.shape
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                if 0 <= y - down < height and 0 <= x - right < width:
                    out[c, y, x] = image[c, y - down, x - right]
    return out


@pytest.mark.parametrize("pixels", [1, 2, 9])
def test_shift_moves_whole_pixels_and_fills_with_zeros(pixels: int) -> None:
    """Prevents wrapped edges, a swap of axes and a blurred image."""
    draws = torch.rand(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    shifted = Shift(pixels)(IMAGES, draws).numpy()
    for image, draw, found in zip(IMAGES.numpy(), draws.numpy(), shifted, strict=True):
        down, right = (pixels - np.floor(draw * (2 * pixels + 1))).astype(int)
        np.testing.assert_array_equal(found, moved(image, down, right))


def test_shift_takes_every_translation_equally_often() -> None:
    """Prevents a translation that never occurs, or occurs twice as often."""
    dot = torch.zeros(1, 5, 5)
    dot[0, 2, 2] = 1
    many = Arrays(dot.expand(5000, 1, 5, 5), classes=("a", "b"))
    counts = Views(Shift(2)).of(many).batch(torch.arange(5000), 1).inputs.sum(0)[0]
    assert counts.sum() == 5000
    chi_squared = ((counts - 200) ** 2 / 200).sum()
    assert chi_squared < 51.2  # 24 degrees of freedom, p = 0.001


def test_flip_mirrors_about_half_of_the_images() -> None:
    """Prevents a flip upside down, or of all images."""
    draws = torch.tensor([[0.0], [0.49], [0.5], [0.99]], dtype=torch.float64)
    found = Flip()(IMAGES[:4], draws)
    np.testing.assert_array_equal(found[:2].numpy(), IMAGES[:2].numpy()[..., ::-1])
    assert torch.equal(found[2:], IMAGES[2:4])


def test_views_differ_from_each_other_between_examples_and_seeds() -> None:
    """Prevents one augmentation for all."""
    viewed = Views(Shift(2), count=3).of(images())
    rows = torch.arange(40)
    batches = [viewed.batch(rows, view).inputs for view in range(3)]
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[0], IMAGES)
    other = Views(Shift(2), count=3, seed=1).of(images()).batch(rows, 0).inputs
    assert not torch.equal(batches[0], other)
    same = Arrays(IMAGES[:1].expand(40, 2, 5, 7), classes=("a", "b"))
    rendered = Views(Shift(2)).of(same).batch(rows).inputs
    assert len(rendered.unique(dim=0)) > 10


def test_a_view_hangs_on_the_id_and_not_on_the_position() -> None:
    """Prevents a subset whose pixels are not those that the teacher saw."""
    viewed = Views(Shift(2)).of(images())
    rows = torch.tensor([31, 4, 17])
    part = viewed.select(rows).select(torch.tensor([2, 0]))
    expected = viewed.batch(torch.tensor([17, 31]), 3).inputs
    assert torch.equal(part.batch(torch.tensor([0, 1]), 3).inputs, expected)


def test_several_transforms_are_applied_in_turn_with_their_own_draws() -> None:
    """Prevents a flip that is tied to the shift's direction."""
    both = Views((Shift(1), Flip())).of(images()).batch(torch.arange(40), 2).inputs
    shifted = Views(Shift(1)).of(images()).batch(torch.arange(40), 2).inputs
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(both, shifted, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(both, shifted, strict=True)]
    assert all(a or b for a, b in zip(mirrored, kept, strict=True))
    assert 8 < sum(mirrored) < 32


def test_uncounted_views_go_on_for_ever() -> None:
    """Prevents a teacher that sees the same few views in each epoch."""
    viewed = Views(Shift(2), count=None).of(images())
    assert viewed.views is None
    rows = torch.arange(40)
    assert not torch.equal(viewed.batch(rows, 0).inputs, viewed.batch(rows, 100_000).inputs)


@pytest.mark.parametrize("view", [-1, 4])
def test_a_view_beyond_the_count_is_refused(view: int) -> None:
    """Prevents a student from seeing a view that no teacher has seen."""
    with pytest.raises(DataError, match=f"arrays has no view {view}; it has 4, from 0"):
        Views(Shift(2), count=4).of(images()).batch(torch.tensor([0]), view)


@pytest.mark.parametrize(
    "other", [Views(Shift(1)), Views(Shift(2), count=5), Views(Shift(2), seed=1), Views(Flip())]
)
def test_transform_count_and_seed_are_part_of_the_fingerprint(other: Views) -> None:
    """Prevents a store from being read under another augmentation."""
    viewed = Views(Shift(2)).of(images())
    assert viewed.fingerprint == Views(Shift(2)).of(images()).fingerprint
    assert len({viewed.fingerprint, other.of(images()).fingerprint, images().fingerprint}) == 3


def test_a_viewed_set_says_how_it_was_made() -> None:
    """Prevents a manifest that cannot name the views."""
    viewed = Views((Shift(2), Flip()), count=7, seed=3).of(images())
    assert viewed.description == "Shift(pixels=2) + Flip()"
    assert (viewed.seed, viewed.count, viewed.views) == (3, 7, 7)
    assert viewed.transform == (Shift(2), Flip())
    assert repr(viewed.augmentation) == "Views(Shift(pixels=2) + Flip(), count=7, seed=3)"
    assert isinstance(viewed.labelled(), Viewed)


@dataclass(frozen=True)
class Brighten:
    """A user's own transform, whose code can change without its name."""

    draws: ClassVar[int] = 1
    factor: ClassVar[float] = 1.0

    def __call__(self, inputs: Tensor, draws: Tensor) -> Tensor:
        return inputs * draws.float().view(-1, 1, 1, 1) * self.factor


def test_the_probe_hash_sees_changed_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents knowledge about views that today's code no longer renders."""
    viewed = Views(Brighten()).of(images())
    before = viewed.probe_hash()
    assert viewed.probe_hash() == before
    monkeypatch.setattr(Brighten, "factor", 1.5)
    assert viewed.probe_hash() != before
    assert viewed.description == "Brighten()"
    assert Views(Shift(2), count=None).of(images()).probe_hash() != before


def test_flat_inputs_views_of_views_and_bad_settings_are_refused() -> None:
    """Prevents pixels moved along the wrong axis, and augmentation applied twice unseen."""
    flat = Arrays(torch.rand(3, 9), classes=("a", "b"))
    for transform, name in ((Shift(2), "Shift"), (Flip(), "Flip")):
        with pytest.raises(DataError, match=rf"{name} moves pixels, .* shape \(9,\)"):
            Views(transform).of(flat).batch(torch.tensor([0]))
    with pytest.raises(DataError, match="arrays has views already"):
        Views(Flip()).of(Views(Shift(2)).of(images()))
    with pytest.raises(ValueError, match="Views has count=0. Give a number above 0, or None"):
        Views(Flip(), count=0)
    with pytest.raises(ValueError, match="Views has no transform"):
        Views(())
    for pixels in (0, -1):
        with pytest.raises(ValueError, match=f"Shift has pixels={pixels}"):
            Shift(pixels)
