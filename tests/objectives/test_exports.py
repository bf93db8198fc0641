"""Every file in objectives/ holds one exported, cited class; the cards show it."""

import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import get_origin

import pytest

import limbeck.objectives as package
from limbeck.objectives import Hints, Objective, SoftTargets, WeightedSum
from limbeck.objectives.cards import cards

MODULES = [
    importlib.import_module(f"{package.__name__}.{found.name}")
    for found in pkgutil.iter_modules(package.__path__)
]


def objectives_of(module: ModuleType) -> list[type[Objective]]:
    return [
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        # Python 3.10 takes an alias such as Mapping[str, int] for a class
        if get_origin(kind) is None
        and issubclass(kind, Objective)
        and kind.__module__ == module.__name__
    ]


OBJECTIVE_FILES = [
    module
    for module in MODULES
    if objectives_of(module) and not module.__name__.endswith(".objective")
]
every_file = pytest.mark.parametrize(
    "module", OBJECTIVE_FILES, ids=lambda module: module.__name__.rpartition(".")[2]
)


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def test_the_files_are_found() -> None:
    """An empty list of files would make every check below pass."""
    assert len(OBJECTIVE_FILES) >= 9


@every_file
def test_a_files_class_is_exported(module: ModuleType) -> None:
    """An objective that recipes cannot find."""
    file = module.__name__.rpartition(".")[2]
    (kind,) = objectives_of(module)
    assert kind.__name__ == camel(file)
    line = f"from limbeck.objectives.{file} import {kind.__name__}"
    assert kind.__name__ in package.__all__, f"add to objectives/__init__.py and __all__: {line}"
    assert getattr(package, kind.__name__) is kind


@every_file
def test_a_file_tells_its_formula_and_cites_its_paper(module: ModuleType) -> None:
    """A formula whose source nobody can look up."""
    story = inspect.getdoc(module) or ""
    assert re.search(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}", story)
    assert re.search(r"\b(19|20)\d\d\b", story)
    assert re.search(r"section \d", story)
    assert re.search(r"^ {4}\S", story, flags=re.MULTILINE)


def test_there_is_a_card_for_every_file() -> None:
    """An objective that `limbeck objectives` does not list."""
    assert [card.name for card in cards()] == sorted(
        module.__name__.rpartition(".")[2] for module in OBJECTIVE_FILES
    )


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_card_is_complete(card: tuple[str, str, str, tuple[tuple[str, str], ...], str]) -> None:
    """A docstring whose layout the cards cannot read, so that a part stays empty."""
    name, summary, formula, parameters, citation = card
    assert summary.endswith(".")
    assert "\n" not in summary
    assert any(re.match(r"\S", line) for line in formula.splitlines())
    assert "https://" in citation
    assert "\n" not in citation
    kind = getattr(package, camel(name))
    taken = [] if kind.__init__ is Objective.__init__ else list(inspect.signature(kind).parameters)
    assert [text.split(":")[0] for text, _ in parameters] == taken
    for text, meaning in parameters:
        assert meaning, f"{kind.__name__}'s docstring does not say what {text} is"


def test_a_card_reads_as_its_docstring() -> None:
    """Arguments cut at their first line, or given another one's meaning."""
    found = {card.name: card for card in cards()}
    soft = found["soft_targets"]
    assert soft.summary == "Match the teacher's softened class probabilities."
    assert soft.formula == "T^2 * KL( softmax(z_teacher / T) || softmax(z_student / T) )"
    ((text, meaning),) = soft.parameters
    assert text == "temperature: float = 4.0"
    assert meaning.startswith("T above, > 0. Higher is softer;")
    assert meaning.endswith("Towards 0 only the largest logit counts.")
    assert soft.citation.endswith("https://arxiv.org/abs/1503.02531, section 2.")
    assert [text for text, _ in found["hints"].parameters] == [
        "teacher_layer: str",
        "student_layer: str",
    ]
    ((text, meaning),) = found["logit_matching"].parameters
    assert text.startswith("deviations: ")
    assert meaning.endswith("() divides by nothing.")
    assert found["relational_distances"].formula.count("\n") == 1


@pytest.mark.parametrize("kind", [Objective, WeightedSum, SoftTargets, Hints])
def test_every_public_name_has_a_docstring(kind: type[Objective]) -> None:
    """A card without a sentence."""
    assert inspect.getdoc(kind)
    assert inspect.getdoc(kind.forward)
