"""Candidates: families and the user's own lists."""

from pathlib import Path

import pytest
import torch

import limbeck as lb
from limbeck.budgeting.candidates import Candidate, as_candidates, family, from_functions
from limbeck.errors import LimbeckError


@pytest.mark.parametrize(
    "student",
    [
        lb.students.mlp(64, [100, 100], 10),
        lb.students.cnn((1, 8, 8), [16, 32], 10),
        lb.students.text_cnn(500, 2, 64),
        lb.students.text_gru(500, 2, 64),
        lb.students.text_transformer(500, 2, 64, layers=1),
    ],
)
def test_a_family_begins_with_the_student_and_holds_smaller_and_larger(student: lb.Student) -> None:
    """A search that never tries anything larger, or forgets the student to beat."""
    found = list(family(student).values())
    assert found[0] is student
    sizes = [other.parameters_count() for other in found]
    assert min(sizes) < sizes[0] < max(sizes)


def test_the_widths_and_depths_of_a_family_by_hand() -> None:
    """Layers that are scaled twice, or a depth that is never tried."""
    names = list(family(lb.students.mlp(64, [100, 100], 10)))
    expected = ["mlp 100-100"]
    for depth in (1, 2, 3):
        for units in (24, 48, 72, 100, 144, 200):
            expected += [f"mlp {'-'.join([str(units)] * depth)}"]
    expected.remove("mlp 100-100")
    expected.insert(0, "mlp 100-100")
    assert names == list(dict.fromkeys(expected))


def test_images_are_not_halved_to_nothing() -> None:
    """A family that ends in an error of its deepest member."""
    names = family(lb.students.cnn((1, 8, 8), [8, 8, 8], 10))
    assert max(name.count("-") for name in names) == 2


def test_a_module_has_no_family() -> None:
    """An empty search."""
    with pytest.raises(LimbeckError, match="a module given as such, of which no other widths"):
        family(lb.Student(torch.nn.Linear(4, 2)))
    with pytest.raises(LimbeckError, match="there is no student to fit"):
        as_candidates({})


OWN = """
from torch import nn

def students(inputs, classes):
    def net(width):
        return nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, classes))
    return {"narrow": lambda: net(4), "wide": lambda: net(12)}

def modules():
    return {"one": nn.Linear(2, 2)}

def nothing():
    return []
"""


def test_a_list_of_the_users_own(tmp_path: Path) -> None:
    """Students that all start from one module's weights, or that know nothing of the data."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    found = from_functions(f"{path}:students", {"inputs": 64, "classes": 10, "vocabulary": 3})
    assert list(found) == ["narrow", "wide"]
    count = 64 * 12 + 12 + 12 * 10 + 10
    assert found["wide"].parameters_count() == count
    first, second = (
        torch.nn.utils.parameters_to_vector(found["wide"].fresh(seed).module.parameters())
        for seed in (0, 1)
    )
    assert not torch.equal(first, second)
    for name, message in (
        ("modules", "lists Linear as 'one'; every seed needs fresh weights"),
        ("nothing", "returned list; it needs to return a mapping"),
    ):
        with pytest.raises(LimbeckError, match=message):
            from_functions(f"{path}:{name}", {})


def test_the_users_file_is_part_of_a_candidates_identity(tmp_path: Path) -> None:
    """An old latency for a forward that has changed."""
    path = tmp_path / "own.py"
    identities = []
    for text in (OWN, OWN.replace("nn.ReLU()", "nn.ReLU(), nn.ReLU()"), OWN + "\n"):
        path.write_text(text)
        found = from_functions(f"{path}:students", {"inputs": 64, "classes": 10})
        identities.append(Candidate("wide", found["wide"]).identity)
    assert len(set(identities)) == 3
