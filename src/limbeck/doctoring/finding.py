"""What the doctor found: one sentence with the figure and what to do."""

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One fault of a recipe.

    Attributes:
        check: Which check found it, as docs/doctor.md names it.
        sentence: What was measured, and what to do.
        wasted: Whether a run would be wasted; False for mere advice.
    """

    check: str
    sentence: str
    wasted: bool

    def __str__(self) -> str:
        return f"{'WASTED' if self.wasted else 'advice'}  {self.check}: {self.sentence}"
