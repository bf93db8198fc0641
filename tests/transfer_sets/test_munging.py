"""MUNGE and RANDOM, against loops over single examples and cases worked on paper."""

import math

import numpy as np
import pytest
import torch

from limbeck import seeding
from limbeck.errors import DataError
from limbeck.transfer_sets import Arrays, Shift, Views, digits, marginals, munge
from limbeck.transfer_sets.attributes import attributes_of
from limbeck.transfer_sets.munging import nearest


def numbers(count: int = 30, wide: int = 5) -> Arrays:
    inputs = torch.randn((count, wide), generator=seeding.generator("munge test", count))
    return Arrays(inputs * torch.tensor([1.0, 10.0, 0.1, 1.0, 5.0])[:wide], classes="ab")


def mixed(count: int = 40) -> Arrays:
    """A number, a category of three values as a one-hot code, and one of two in one input."""
    source = seeding.generator("mixed", count)
    inputs = torch.zeros(count, 5)
    inputs[:, 0] = torch.rand(count, generator=source)
    inputs[torch.arange(count), 1 + torch.randint(3, (count,), generator=source)] = 1.0
    inputs[:, 4] = torch.randint(2, (count,), generator=source).float()
    return Arrays(inputs, torch.zeros(count, dtype=torch.int64), classes="ab", name="mixed")


BLOCKS = [[1, 2, 3], [4]]


def as_before(data: Arrays, times: int, *, probability: float, sharpness: float) -> np.ndarray:
    """The rule of the paper, one example, copy and attribute at a time."""
    given = data.inputs.double().numpy()
    count, wide = given.shape
    low, high = given.min(axis=0), given.max(axis=0)
    partner = []
    for row in range(count):
        far = [
            sum(((given[row, a] - given[o, a]) / (high[a] - low[a])) ** 2 for a in range(wide))
            if o != row
            else math.inf
            for o in range(count)
        ]
        partner.append(far.index(min(far)))
    source = seeding.generator(0, "munge")
    copies = np.stack([given] * times)
    for row in range(count):
        chosen = torch.rand((times, wide), generator=source, dtype=torch.float64) < probability
        noise = torch.randn((2, times, wide), generator=source, dtype=torch.float64)
        for k in range(times):
            for a in range(wide):
                if chosen[k, a]:
                    e, other = copies[k, row, a], copies[k, partner[row], a]
                    spread = abs(e - other) / sharpness
                    copies[k, row, a] = other + spread * float(noise[0, k, a])
                    copies[k, partner[row], a] = e + spread * float(noise[1, k, a])
    return copies.reshape(times * count, wide)


def test_numbers_are_traded_as_the_rule_says():
    """Prevents a second draw around the new value, or distances in the attributes' own units."""
    data = numbers()
    found = munge(data, 3, probability=0.6, sharpness=2.0)
    wanted = as_before(data, 3, probability=0.6, sharpness=2.0)
    np.testing.assert_allclose(found.inputs.numpy(), wanted.astype(np.float32), rtol=1e-5)


def test_with_probability_0_every_copy_is_the_original():
    """Prevents noise where nothing was traded."""
    data = numbers()
    found = munge(data, 4, probability=0.0)
    assert torch.equal(found.inputs, data.inputs.repeat(4, 1))


def test_two_examples_are_swapped_and_swapped_back():
    """The case worked on paper: with certainty and without noise the set stays what it was."""
    data = Arrays(torch.tensor([[0.0, 5.0], [1.0, 7.0]]), classes="ab")
    found = munge(data, 1, probability=1.0, sharpness=math.inf)
    assert torch.equal(found.inputs, data.inputs)


def test_values_of_a_category_are_neither_lost_nor_made():
    """Prevents one half of a swap, and one-hot codes with two ones."""
    data = mixed(8)  # so few that neighbours differ in their categories
    found = munge(data, 5, probability=0.7, nominal=BLOCKS).inputs.reshape(5, 8, 5)
    for copy in found:
        assert torch.equal(copy[:, 1:4].sum(dim=1), torch.ones(8))
        for block in BLOCKS:
            rows = sorted(map(tuple, copy[:, block].tolist()))
            assert rows == sorted(map(tuple, data.inputs[:, block].tolist()))
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[:, :, 1:4], data.inputs[:, 1:4].expand(5, 8, 3))


def test_without_noise_numbers_are_swapped_too():
    """The limit of sharp trades keeps each column's values."""
    data = numbers()
    found = munge(data, 2, probability=0.5, sharpness=math.inf).inputs.reshape(2, 30, 5)
    for copy in found:
        assert torch.equal(copy.sort(dim=0).values, data.inputs.sort(dim=0).values)


def test_categories_count_one_each_in_the_distance():
    """A one-hot code differs in two inputs and is one attribute."""
    data = mixed()
    found = nearest(data.inputs.double(), attributes_of(5, BLOCKS))
    span = float(data.inputs[:, 0].max() - data.inputs[:, 0].min())
    for row, partner in enumerate(found.tolist()):
        far = []
        for other in range(40):
            one, two = data.inputs[row], data.inputs[other]
            squared = (float(one[0] - two[0]) / span) ** 2
            squared += float(not torch.equal(one[1:4], two[1:4])) + float(one[4] != two[4])
            far.append(math.inf if other == row else squared)
        assert far[partner] == pytest.approx(min(far), rel=1e-9)


def test_a_set_of_categories_alone_has_neighbours():
    """Prevents a distance over no numbers that is not a number."""
    data = mixed().inputs[:, 1:]
    found = nearest(data.double(), attributes_of(4, [[0, 1, 2], [3]]))
    assert all(row != partner for row, partner in enumerate(found.tolist()))


def test_the_set_is_unlabelled_and_keeps_shape_classes_and_names():
    """A made-up example has no label, and is told from its original."""
    train = digits().train.select(torch.arange(20), "few")
    found = munge(train, 3)
    assert found.input_shape == (1, 8, 8)
    assert found.classes == train.classes
    assert (found.labels == -1).all()
    assert found.ids[0] == f"{train.ids[0]}/munged-0"
    assert found.ids[-1] == f"{train.ids[-1]}/munged-2"
    assert found.name == "few.munged"


def test_a_seed_chooses_the_examples():
    """The same call must give the same store; another seed another set."""
    data = numbers()
    assert munge(data, 2).fingerprint == munge(data, 2).fingerprint
    assert munge(data, 2).fingerprint != munge(data, 2, seed=1).fingerprint
    assert marginals(data, 9).fingerprint == marginals(data, 9).fingerprint
    assert not torch.equal(marginals(data, 9).inputs, marginals(data, 9, seed=1).inputs)


def test_marginals_draw_every_attribute_apart_and_categories_whole():
    """The baseline must keep each column's values, and nothing that ties columns together."""
    tied = torch.linspace(0, 1, 50)[:, None].repeat(1, 2)
    found = marginals(Arrays(tied, classes="ab"), 4000).inputs
    assert set(found[:, 0].tolist()) <= set(tied[:, 0].tolist())
    assert abs(float(torch.corrcoef(found.T)[0, 1])) < 0.06
    assert float(found[:, 1].mean()) == pytest.approx(0.5, abs=0.03)
    codes = marginals(mixed(), 200, nominal=BLOCKS).inputs[:, 1:4]
    assert torch.equal(codes.sum(dim=1), torch.ones(200))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"times": 0}, "times is 0, probability 0.5 and sharpness 2.0"),
        ({"probability": 1.5}, "probability 1.5"),
        ({"sharpness": 0.0}, "sharpness 0.0; they are 1 or more"),
        ({"sharpness": math.nan}, "sharpness nan"),
        ({"nominal": [[0, 1], [1]]}, "each is a list of inputs that no other has"),
        ({"nominal": [[]]}, "Give every category its own inputs"),
        ({"nominal": [[7]]}, "there is no input 7 among 5, numbered from 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, match):
    """A wrong place would trade another attribute without a word."""
    with pytest.raises(ValueError, match=match):
        munge(numbers(), **{"times": 1, **settings})


def test_sets_that_cannot_be_munged_are_refused():
    """One example is its own neighbour; views are no examples."""
    with pytest.raises(DataError, match="has one example, which has no neighbour"):
        munge(numbers(1), 1)
    viewed = Views(Shift(1), count=2).of(digits().train)
    with pytest.raises(DataError, match="digits.train has views"):
        munge(viewed, 1)
    with pytest.raises(ValueError, match="count is 0; it must be 1 or more"):
        marginals(numbers(), 0)
