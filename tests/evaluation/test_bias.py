"""CEV and SDE against scikit-learn's confusion matrix, in loops, and against cases on paper."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError
from sklearn.metrics import confusion_matrix, mean_squared_error

from limbeck.errors import LimbeckError
from limbeck.evaluation import Bias, bias, flipped

NAMES = ["a", "b", "c", "d"]
NOTICED = (LimbeckError, TypeCheckError)
"""With --jaxtyping-packages=limbeck the type hook is the first to notice."""


def answers(seed: int, examples: int = 240, runs: int = 3) -> tuple[np.ndarray, ...]:
    """Labels, a teacher that errs on 1 in 10, and runs of a student that err on 1 in 4."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, examples)

    def model(errors: float) -> np.ndarray:
        wrong = generator.random(examples) < errors
        return np.where(wrong, generator.integers(0, 4, examples), labels)

    return labels, model(0.1), np.stack([model(0.25) for _ in range(runs)])


def measured(teacher: np.ndarray, students: np.ndarray, labels: np.ndarray, **more) -> Bias:
    tensors = map(torch.as_tensor, (teacher, students, labels))
    return bias(*tensors, NAMES, **more)


def rates(labels: np.ndarray, predicted: np.ndarray) -> list[tuple[float, float]]:
    """FPR and FNR of every class, from the confusion matrix."""
    table = confusion_matrix(labels, predicted, labels=range(4))
    found = []
    for i in range(4):
        hits, missed = table[i, i], table[i].sum() - table[i, i]
        alarms = table[:, i].sum() - hits
        others = table.sum() - table[i].sum()
        found.append((alarms / others, missed / (missed + hits)))
    return found


def reference(labels: np.ndarray, teacher: np.ndarray, students: np.ndarray) -> np.ndarray:
    """The percent changes, a point for each class."""
    before = rates(labels, teacher)
    after = [rates(labels, run) for run in students]
    points = []
    for i in range(4):
        floors = 1 / (labels != i).sum(), 1 / (labels == i).sum()
        point = []
        for kind in (0, 1):
            mean = sum(run[i][kind] for run in after) / len(after)
            old = before[i][kind]
            point.append(100 * (mean - old) / (old if old > 0 else floors[kind]))
        points.append(point)
    return np.array(points)


@pytest.mark.parametrize("seed", range(5))
def test_cev_and_sde_are_those_of_the_confusion_matrices(seed: int) -> None:
    """Rates of the wrong denominator, a mean of changes for a change of means, or a lost 100."""
    labels, teacher, students = answers(seed)
    points = reference(labels, teacher, students)
    found = measured(teacher, students, labels)
    centre = points.mean(axis=0)
    assert found.cev == pytest.approx(sum(((p - centre) ** 2).sum() for p in points) / 4)
    assert found.sde == pytest.approx(sum(abs(p[0] - p[1]) for p in points) / 4 / math.sqrt(2))
    assert found.runs == 3
    for row, point in zip(found.per_class, points, strict=True):
        assert (row.fpr_change_percent, row.fnr_change_percent) == pytest.approx(tuple(point))


def test_the_official_code_has_the_mean_over_both_coordinates() -> None:
    """Figures that differ from the published ones by a factor of two."""
    labels, teacher, students = answers(1)
    points = reference(labels, teacher, students)
    centroids = np.repeat(points.mean(axis=0, keepdims=True), 4, axis=0)
    found = measured(teacher, students, labels, reduction="official_code")
    assert found.cev == pytest.approx(mean_squared_error(points, centroids))
    assert found.reduction == "official_code"
    assert found.cev == pytest.approx(measured(teacher, students, labels).cev / 2)


def test_a_model_compared_with_itself_has_no_bias() -> None:
    """A floor that turns no change into a change."""
    labels, teacher, _ = answers(2)
    teacher[labels == 3] = 3  # a class without misses
    found = measured(teacher, teacher[None], labels)
    assert (found.cev, found.sde, found.flips_per_run, found.changed_in_all_runs) == (0, 0, 0, 0)
    assert found.floored_classes == 1


def test_doubling_every_rate_is_no_bias() -> None:
    """A variance about zero instead of about the mean, or a distance from the axes."""
    labels = np.repeat(np.arange(4), 20)
    once, twice = labels.copy(), labels.copy()
    for i in range(4):
        once[20 * i] = twice[20 * i] = twice[20 * i + 1] = (i + 1) % 4
    found = measured(once, twice[None], labels)
    assert [row.fnr_change_percent for row in found.per_class] == pytest.approx([100] * 4)
    assert found.cev == pytest.approx(0, abs=1e-18)
    assert found.sde == pytest.approx(0, abs=1e-9)


def test_a_class_that_pays_alone_is_named() -> None:
    """A worst class by the size of the change, which a floor makes large for good classes."""
    labels = np.repeat(np.arange(4), 50)
    teacher, student = labels.copy(), labels.copy()
    teacher[100:110] = 0  # the teacher misses 10 of c, the student 20
    student[100:120] = 0
    student[0:2] = 1  # and 2 of a, of which the teacher misses none: 200 percent
    worst = measured(teacher, student[None], labels).worst
    assert worst is not None
    assert worst.name == "c"
    assert worst.missed_more_points == pytest.approx(20.0)


def test_a_class_without_examples_is_left_out() -> None:
    """NaN in the place of the whole measure."""
    labels, teacher, students = answers(3)
    keep = labels != 2
    found = measured(teacher[keep], students[:, keep], labels[keep])
    assert [row.name for row in found.per_class] == ["a", "b", "d"]
    assert math.isfinite(found.cev)
    alone = labels == 2
    one = measured(teacher[alone], students[:, alone], labels[alone])
    assert (one.cev, one.sde, one.per_class, one.worst) == (None, None, (), None)
    assert one.flips_per_run > 0


def test_groups_are_measured_as_if_alone() -> None:
    """Rates of all examples in the place of the group's."""
    labels, teacher, students = answers(4)
    values = np.where(np.arange(240) % 3 == 0, "rare", "common")
    found = measured(teacher, students, labels, groups={"kind": values.tolist()})
    assert [(g.column, g.value, g.examples) for g in found.groups] == [
        ("kind", "common", 160),
        ("kind", "rare", 80),
    ]
    for group in found.groups:
        of = values == group.value
        alone = measured(teacher[of], students[:, of], labels[of])
        assert (group.cev, group.sde, group.flips_per_run) == pytest.approx(
            (alone.cev, alone.sde, alone.flips_per_run)
        )
    assert Bias.from_dict(json.loads(json.dumps(asdict(found)))) == found


def test_examples_that_change_in_every_run_are_counted() -> None:
    """A union in the place of the intersection."""
    labels, teacher, students = answers(5)
    expected = sum(all(run[i] != teacher[i] for run in students) for i in range(240))
    assert measured(teacher, students, labels).changed_in_all_runs == expected > 0


def test_flips_are_listed_with_their_rows() -> None:
    """Examples that the teacher misses too, or answers of the runs that are right."""
    labels, teacher, students = answers(6, runs=5)
    ids = [f"row {i}" for i in range(240)]
    found = flipped(*map(torch.as_tensor, (teacher, students, labels)), ids, NAMES)
    expected = {}
    for i in range(240):
        wrong = [int(run[i]) for run in students if teacher[i] == labels[i] != run[i]]
        if wrong:
            most = max(sorted(set(wrong)), key=wrong.count)
            expected[f"row {i}"] = (NAMES[labels[i]], NAMES[most], len(wrong))
    assert {f.id: (f.label, f.answer, f.runs) for f in found} == expected
    assert [f.runs for f in found] == sorted((f.runs for f in found), reverse=True)
    total = measured(teacher, students, labels).flips_per_run * 5
    assert sum(f.runs for f in found) == pytest.approx(total)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, s, y: (t, s[0], y), r"\(240,\) \(students\)"),
        (lambda t, s, y: (t[:-1], s, y), r"\(239,\) \(teacher\)"),
        (lambda t, s, y: (t[:0], s[:, :0], y[:0]), "at least one of each"),
        (lambda t, s, y: (t, s, y - 1), "labels go from -1 to 2, and there are 4 classes"),
        (lambda t, s, y: (t, s + 1, y), "students go from 1 to 4"),
    ],
)
def test_answers_that_do_not_fit_are_refused(change, words) -> None:
    """Unlabelled examples that count as errors, or broadcasting over runs."""
    labels, teacher, students = answers(7)
    with pytest.raises(NOTICED, match=f"{words}|Type-check error"):
        measured(*change(teacher, students, labels))


def test_an_unknown_reduction_is_refused() -> None:
    """A misspelt one that counts as the other."""
    labels, teacher, students = answers(8)
    with pytest.raises(NOTICED, match="no reduction 'official'. Use 'paper' or|Type-check error"):
        measured(teacher, students, labels, reduction="official")
