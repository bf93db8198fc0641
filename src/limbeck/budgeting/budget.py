"""A budget in words: "2 ms p95, batch 1, 1 thread", and a size such as "1MB"."""

import math
import re
from dataclasses import dataclass, replace

from limbeck.errors import LimbeckError

__all__ = ["CURRENT", "Budget"]

CURRENT = "current"
"""The word for the latency of the student that is deployed now."""

UNITS_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
UNITS_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
NUMBER = r"(\d+(?:\.\d+)?)\s*"
TIME = re.compile(NUMBER + r"(us|µs|ms|s)")
PERCENTILE = re.compile(r"p(\d+)")
BATCH = re.compile(r"batch\s*(?:of\s*)?(\d+)")
THREADS = re.compile(r"(\d+)\s*threads?")
SIZE = re.compile(NUMBER + r"(b|kb|mb|gb)", re.IGNORECASE)
NEEDED = "It needs a time, and may say how it is measured: '2 ms p95, batch 1, 1 thread'"


@dataclass(frozen=True)
class Budget:
    """What an answer may take, and how that is measured.

    Attributes:
        milliseconds: The longest that one pass may take, > 0; None: as long as the current student.
        percentile: Which of the timed passes must keep to it: 50 or 95.
        batch: Examples per pass, >= 1.
        threads: Of ONNX Runtime, >= 1.
        bytes: The largest file, >= 1; None: any.

    Raises:
        LimbeckError: if a number is out of its range.
    """

    milliseconds: float | None = None
    percentile: int = 95
    batch: int = 1
    threads: int = 1
    bytes: int | None = None

    def __post_init__(self) -> None:
        if self.milliseconds is not None and not 0 < self.milliseconds < math.inf:
            raise LimbeckError(
                f"the budget's latency is {self.milliseconds} ms; it is above 0 and finite."
            )
        if self.percentile not in (50, 95):
            raise LimbeckError(
                f"the budget names p{self.percentile}; what is measured is p50 (the median) and "
                "p95. Choose one."
            )
        for name, value in (("batch", self.batch), ("threads", self.threads), ("size", self.bytes)):
            if value is not None and value < 1:
                raise LimbeckError(f"the budget's {name} is {value}; it is 1 or more.")

    @staticmethod
    def parse(latency: str = CURRENT, size: str | None = None) -> "Budget":
        """Read a budget.

        Args:
            latency: A time in us, ms or s, or the word "current"; then, in any order, p50 or p95
                (default p95), "batch N" (default 1) and "N threads" (default 1).
            size: Of the file, in B, kB, MB or GB, each 1000 of the one before; None: any.

        Raises:
            LimbeckError: saying which part is not understood and what is needed.

        Example:
            >>> Budget.parse("2 ms p95, batch 1, 1 thread", "1MB").bytes
            1000000
        """
        rest = " ".join(latency.replace(",", " ").split())
        rest, time = taken(rest, re.compile(f"{TIME.pattern}|({CURRENT})"), latency)
        rest, percentile = taken(rest, PERCENTILE, latency)
        rest, batch = taken(rest, BATCH, latency)
        rest, threads = taken(rest, THREADS, latency)
        if rest:
            raise LimbeckError(f"the budget '{latency}' has '{rest}' in it. {NEEDED}.")
        if time is None:
            raise LimbeckError(f"the budget '{latency}' says no time. {NEEDED}.")
        return Budget(
            milliseconds=None if time[3] else float(time[1]) * UNITS_MS[time[2]],
            percentile=int(percentile[1]) if percentile else 95,
            batch=int(batch[1]) if batch else 1,
            threads=int(threads[1]) if threads else 1,
            bytes=None if size is None else size_in_bytes(size),
        )

    def within(self, milliseconds: float) -> "Budget":
        """The same with this latency where it was left to the current student's."""
        return self if self.milliseconds is not None else replace(self, milliseconds=milliseconds)

    def excess(self, milliseconds: float, bytes: int) -> float:
        """How many times too slow or too large a student is, the worse of both; <= 1 fits."""
        slow = 0.0 if self.milliseconds is None else milliseconds / self.milliseconds
        return max(slow, 0.0 if self.bytes is None else bytes / self.bytes)

    def __str__(self) -> str:
        time = CURRENT if self.milliseconds is None else f"{self.milliseconds:.4g} ms"
        plural = "s" if self.threads > 1 else ""
        text = f"{time} p{self.percentile}, batch {self.batch}, {self.threads} thread{plural}"
        return text if self.bytes is None else f"{text}, {self.bytes:,} bytes"


def taken(text: str, part: re.Pattern[str], whole: str) -> tuple[str, "re.Match[str] | None"]:
    """The text without the one place where the part stands in it, and that place."""
    found = list(re.finditer(rf"(?<!\S)(?:{part.pattern})(?!\S)", text))
    if len(found) > 1:
        raise LimbeckError(
            f"the budget '{whole}' says both '{found[0][0]}' and '{found[1][0]}'. Keep one."
        )
    if not found:
        return text, None
    left = f"{text[: found[0].start()]} {text[found[0].end() :]}"
    return " ".join(left.split()), found[0]


def size_in_bytes(text: str) -> int:
    """The bytes that a size means."""
    found = SIZE.fullmatch(text.strip())
    if found is None:
        raise LimbeckError(
            f"the size '{text}' is not understood. It needs a number and B, kB, MB or GB: '1MB'."
        )
    return int(float(found[1]) * UNITS_BYTES[found[2].lower()])
