# ruff: noqa: RUF001  (a true minus sign and dash, as readers see them)
"""Numbers as a reader wants them: units, a true minus sign, as many digits as the data carry."""

import math

__all__ = [
    "NONE",
    "count",
    "interval",
    "milliseconds",
    "number",
    "percent",
    "points",
    "size",
]

MINUS = "−"
NONE = "–"


def number(value: float, digits: int) -> str:
    """With thousands separators and a true minus sign; infinity as its sign."""
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:,.{digits}f}"
    if text.startswith("-"):
        return text[1:] if float(text.replace(",", "")) == 0 else MINUS + text[1:]
    return text


def percent(share: float, digits: int = 2) -> str:
    """A share in [0, 1] in percent."""
    return f"{number(100 * share, digits)}%"


def points(difference: float, digits: int = 2) -> str:
    """A difference in percentage points, signed."""
    text = number(difference, digits)
    return text if text.startswith(MINUS) or float(text) == 0 else f"+{text}"


def interval(low: str, high: str) -> str:
    """Two worded ends: "93.1–95.0%" where the unit is said once, "−0.2 to +1.6" with signs."""
    if low.endswith("%") and high.endswith("%"):
        low = low[:-1]
    signed = low[0] in f"+{MINUS}" or high[0] in f"+{MINUS}"
    return f"{low} to {high}" if signed else f"{low}–{high}"


def count(value: int) -> str:
    """With thousands separators."""
    return f"{value:,}"


def size(value: int) -> str:
    """Bytes, kB, MB or GB, in powers of 1000, three digits."""
    amount = float(value)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 999.5 or unit == "GB":
            break
        amount /= 1000
    return f"{number(amount, 0 if unit == 'bytes' or amount >= 99.5 else 1)} {unit}"


def milliseconds(value: float) -> str:
    """Two or three significant digits, at most three after the point."""
    digits = 0 if value >= 99.5 else 1 if value >= 9.95 else 2 if value >= 0.0995 else 3
    return f"{number(value, digits)} ms"
