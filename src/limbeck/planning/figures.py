"""What a plan says: of every step its rows, rows per second and hours; of the store its bytes."""

from dataclasses import dataclass

from limbeck.evaluation.wording import size

__all__ = ["Plan", "Stage", "StoreSize"]

MINUTE, HOUR = 60.0, 3600.0
COLUMNS = "{:<34}{:>14}{:>12}{:>14}"


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes:
        what: Such as "annotate".
        rows: Examples it goes through, each as often as it does.
        seconds: How long that takes on this machine; 0 where it is done already.
        at_most: Whether it may end earlier: by patience, or as runs are trained together.
        done: Whether a finished run left it, so that it is reused.
    """

    what: str
    rows: int
    seconds: float
    at_most: bool = False
    done: bool = False

    @property
    def rows_per_second(self) -> float | None:
        """None where nothing is to be done."""
        return self.rows / self.seconds if self.seconds > 0 else None

    @property
    def hours(self) -> float:
        """How long it takes."""
        return self.seconds / HOUR

    def __str__(self) -> str:
        if self.done:
            return COLUMNS.format(self.what, f"{self.rows:,}", "", "done")
        speed = "" if self.rows_per_second is None else f"{self.rows_per_second:,.0f}"
        least = "<= " if self.at_most else ""
        return COLUMNS.format(self.what, f"{self.rows:,}", speed, least + lasting(self.seconds))


@dataclass(frozen=True)
class StoreSize:
    """How large a store gets.

    Attributes:
        kept: What is kept of each answer: "all classes" or "the top 10".
        size: In bytes, on disk.
        chosen: Whether this is what the recipe asks for.
    """

    kept: str
    size: int
    chosen: bool

    def __str__(self) -> str:
        words = f"{size(self.size)} with {self.kept}"
        return f"{words} (as the recipe has it)" if self.chosen else words


@dataclass(frozen=True)
class Plan:
    """What a recipe will take on this machine.

    Attributes:
        recipe: Its name.
        stages: In the order of the run.
        stores: What the recipe's store will take, first, and what it would with another encoding;
            empty where nothing is stored.
        machine: The processor and its threads.
    """

    recipe: str
    stages: tuple[Stage, ...]
    stores: tuple[StoreSize, ...]
    machine: str

    @property
    def hours(self) -> float:
        """Of everything that is not done yet."""
        return sum(stage.hours for stage in self.stages)

    def stage(self, what: str) -> Stage:
        """The step of this name.

        Raises:
            KeyError: if there is none.
        """
        found = {stage.what: stage for stage in self.stages}
        return found[what]

    def __str__(self) -> str:
        most = "at most " if any(stage.at_most for stage in self.stages) else ""
        lines = [
            COLUMNS.format(self.recipe, "rows", "rows/s", "time"),
            *map(str, self.stages),
            *(["store: " + "; ".join(map(str, self.stores))] if self.stores else []),
            f"in all {most}{lasting(self.hours * HOUR)} on {self.machine}",
        ]
        return "\n".join(lines)


def lasting(seconds: float) -> str:
    """In seconds, minutes or hours, as a person would say it."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"
