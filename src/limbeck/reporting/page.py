"""What the template prints: sentences, numbers already worded, and chart specifications."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Cell", "Figure", "Page", "Row", "Section", "Table", "Tile"]


@dataclass(frozen=True)
class Tile:
    """One of the few large numbers under the verdict."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Cell:
    """A number of the table, and its interval or unit in small print."""

    value: str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A measure, for every model."""

    name: str
    note: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """The models side by side; a folded one shows its note alone until it is asked for."""

    note: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    folded: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart with its heading and its caption."""

    id: str
    specification: dict[str, Any]
    heading: str = ""
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, a legend of the models drawn, charts and tables.

    The layout is "wide", "narrow", or "grid" for charts side by side where there is room.
    """

    id: str
    title: str
    note: str
    charts: tuple[Figure, ...]
    legend: tuple[str, ...] = ()
    layout: Literal["wide", "narrow", "grid"] = "wide"
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Page:
    """All of a report, in the order in which it is read."""

    title: str
    kicker: str
    verdict: str
    sign: str
    sentence: str
    tiles: tuple[Tile, ...]
    table: Table
    sections: tuple[Section, ...]
    advice: tuple[str, ...]
    export: tuple[tuple[str, str], ...]
    recipe: str
    facts: tuple[tuple[str, str], ...]
    version: str
