"""The common answer: known values, slow gradient descent, and its limits."""

import numpy as np
import torch

from limbeck.specialists import Opinion, combined


def softmax(z: np.ndarray) -> np.ndarray:
    exponentials = np.exp(z - z.max())
    return exponentials / exponentials.sum()


def descended(
    general: np.ndarray, opinions: list[tuple[tuple[int, ...], np.ndarray]], steps: int
) -> np.ndarray:
    """One image's q by gradient descent on its logits, as the paper does it."""
    z = np.log(general)
    for _ in range(steps):
        q = softmax(z)
        gradient = q - general
        for special, said in opinions:
            outside = [i for i in range(len(q)) if i not in special]
            target = np.zeros(len(q))
            for position, number in enumerate(special):
                target[number] = said[position]
            for number in outside:
                target[number] = said[-1] * q[number] / q[outside].sum()
            gradient = gradient + q - target
        z = z - 0.5 * gradient
    return softmax(z)


def random_opinions(
    seed: int, classes: int, sets: list[tuple[int, ...]]
) -> tuple[np.ndarray, list[tuple[tuple[int, ...], np.ndarray]]]:
    generator = np.random.default_rng(seed)
    general = generator.dirichlet(np.full(classes, 0.5))
    return general, [(s, generator.dirichlet(np.full(len(s) + 1, 0.7))) for s in sets]


def test_one_specialist_has_the_known_answer() -> None:
    """Prevents a dustbin whose mass is spread evenly, or counted for one class."""
    general = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    said = torch.tensor([[0.1, 0.6, 0.3]], dtype=torch.float64)
    q = combined(general, [Opinion(torch.tensor([0]), (0, 1), said)])
    torch.testing.assert_close(q, torch.tensor([[0.25, 0.45, 0.2, 0.1]], dtype=torch.float64))


def test_several_overlapping_specialists_agree_with_gradient_descent() -> None:
    """Prevents a solver that stops early, or solves another problem where sets overlap."""
    sets = [(0, 1, 2), (2, 3), (1, 2, 5)]
    cases = [random_opinions(seed, 7, sets) for seed in range(4)]
    general = torch.tensor(np.stack([g for g, _ in cases]))
    opinions = [
        Opinion(torch.arange(4), special, torch.tensor(np.stack([o[m][1] for _, o in cases])))
        for m, special in enumerate(sets)
    ]
    q = combined(general, opinions, tolerance=1e-13)
    for row, (one, said) in enumerate(cases):
        np.testing.assert_allclose(q[row].numpy(), descended(one, said, 4000), atol=1e-5)


def test_specialists_are_heard_only_for_their_own_images() -> None:
    """Prevents a specialist's answer about one image from counting for its neighbour."""
    sets = [(0, 1), (1, 2)]
    general, said = random_opinions(9, 5, sets)
    both = torch.tensor(np.stack([general] * 4))
    q = combined(
        both,
        [
            Opinion(torch.tensor([1, 3]), sets[0], torch.tensor(np.stack([said[0][1]] * 2))),
            Opinion(torch.tensor([2, 3]), sets[1], torch.tensor(np.stack([said[1][1]] * 2))),
        ],
        tolerance=1e-13,
    ).numpy()
    np.testing.assert_allclose(q[0], general, atol=1e-12)
    for row, heard in ((1, said[:1]), (2, said[1:]), (3, said)):
        np.testing.assert_allclose(q[row], descended(general, heard, 4000), atol=1e-4)


def test_specialists_with_all_classes_are_averaged() -> None:
    """Prevents a full distribution from being treated as one with an empty dustbin of its own."""
    generator = np.random.default_rng(3)
    said = generator.dirichlet(np.ones(4), size=3)
    full = [
        Opinion(torch.tensor([0]), (0, 1, 2, 3), torch.tensor([[*each, 0.0]])) for each in said[1:]
    ]
    q = combined(torch.tensor(said[:1]), full)
    np.testing.assert_allclose(q[0].numpy(), said.mean(axis=0), atol=1e-12)


def test_the_answer_is_a_distribution_even_where_a_probability_is_zero() -> None:
    """Prevents NaN from a class that the generalist or a specialist rules out."""
    general = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    said = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    q = combined(general, [Opinion(torch.tensor([0]), (0,), said)])
    assert bool(q.isfinite().all())
    torch.testing.assert_close(q.sum(dim=1), torch.ones(1, dtype=torch.float64))
    torch.testing.assert_close(q[0, 0], torch.tensor(0.5, dtype=torch.float64))


def test_many_overlapping_specialists_reach_the_optimum() -> None:
    """Prevents a limit of steps that is too low for what the paper has: ten and more per class."""
    sets = [tuple(range(m, m + 6)) for m in range(12)]
    general, said = random_opinions(5, 30, sets)
    opinions = [Opinion(torch.tensor([0]), s, torch.tensor(p).unsqueeze(0)) for s, p in said]
    q = combined(torch.tensor(general).unsqueeze(0), opinions)[0].numpy()
    gradient = q - general
    for special, p in said:
        target = p[-1] * q / np.delete(q, special).sum()
        target[list(special)] = p[:-1]
        gradient = gradient + q - target
    assert np.abs(gradient).max() < 1e-7
