"""The objectives' cards, taken from their docstrings."""

import inspect
import re
import textwrap
from typing import NamedTuple

from limbeck.objectives.objective import Objective, WeightedSum, constructor_parameters

__all__ = ["Card", "cards", "recipe_name"]


class Card(NamedTuple):
    """What a person needs to know to choose an objective.

    Attributes:
        name: Its key in a recipe, such as soft_targets.
        summary: What it does, in one sentence.
        formula: In plain text, perhaps over several lines.
        parameters: "temperature: float = 4.0" and what it means, for each constructor parameter.
        citation: Authors, title, year, link and section.
    """

    name: str
    summary: str
    formula: str
    parameters: tuple[tuple[str, str], ...]
    citation: str


def cards() -> list[Card]:
    """One card for each objective that limbeck ships, by name."""
    import limbeck.objectives as package

    kinds = [getattr(package, name) for name in package.__all__]
    return sorted(
        card(kind)
        for kind in kinds
        if isinstance(kind, type)
        and issubclass(kind, Objective)
        and kind not in (Objective, WeightedSum)
    )


def card(kind: type[Objective]) -> Card:
    """The card of one objective, from its own docstring and its module's."""
    story = inspect.getdoc(inspect.getmodule(kind)) or ""
    paragraphs = story.split("\n\n")
    formula = [part for part in paragraphs[1:] if part.startswith(" ")]
    citation = [part for part in paragraphs if "https://" in part]
    return Card(
        name=recipe_name(kind),
        summary=(inspect.getdoc(kind) or "").split("\n", maxsplit=1)[0],
        formula=textwrap.dedent("\n\n".join(formula)),
        parameters=parameters(kind),
        citation=" ".join(" ".join(citation).split()),
    )


def recipe_name(kind: type) -> str:
    """The class's name as recipes write it: SoftTargets is soft_targets."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


def parameters(kind: type) -> tuple[tuple[str, str], ...]:
    """Each constructor parameter as in a signature, and its line in the docstring's Args."""
    meanings = arguments(inspect.getdoc(kind) or "")
    return tuple(
        (str(each), meanings.get(name, "")) for name, each in constructor_parameters(kind).items()
    )


def arguments(docstring: str) -> dict[str, str]:
    """The Args section of a Google docstring: what each argument means, on one line."""
    section = re.search(r"^Args:\n((?: +.*\n?|\n)*)", docstring, flags=re.MULTILINE)
    if section is None:
        return {}
    entries = re.split(r"^ {4}(?=\S)", section[1], flags=re.MULTILINE)[1:]
    pairs = (entry.split(":", maxsplit=1) for entry in entries)
    return {name: " ".join(meaning.split()) for name, meaning in pairs}
