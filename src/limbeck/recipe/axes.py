"""What a sweep varies, from the command line: `training.epochs=5,10 seed=0..9`."""

import itertools
import re
from collections.abc import Mapping, Sequence

from limbeck.errors import RecipeError

__all__ = ["combinations", "split_axes"]

RANGE = re.compile(r"(-?\d{1,9})\.\.(-?\d{1,9})")
VARIABLE = ("objective", "seed", "student", "training")
MOST_VALUES = 1000
OPENING, CLOSING = "[{(", "]})"


def split_axes(changes: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Changes with one value as they are; keys with several values, and these.

    `1,2,4` are three values, `0..9` ten; commas inside brackets or quotes do not count.

    Raises:
        RecipeError: if a key that all students share has several values, or a range is empty.
    """
    single: list[str] = []
    axes: dict[str, list[str]] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        values = values_of(value, change) if equals else []
        if len(values) < 2:
            single.append(change)
            continue
        if key.strip().split(".")[0] not in VARIABLE:
            raise RecipeError(
                f"'{change}': a sweep varies {', '.join(VARIABLE)}; '{key}' is the same for all of "
                "its students. Give it one value."
            )
        axes[key.strip()] = values
    return single, axes


def values_of(text: str, change: str) -> list[str]:
    """The values in a text, ranges written out."""
    values: list[str] = []
    for part in at_commas(text):
        match = RANGE.fullmatch(part.strip())
        if match is None:
            values.append(part.strip())
            continue
        first, last = int(match[1]), int(match[2])
        if not 0 <= last - first < MOST_VALUES:
            raise RecipeError(
                f"'{change}': the range {part.strip()} has no values or over {MOST_VALUES}. Write "
                "first..last, such as 0..9."
            )
        values += [str(number) for number in range(first, last + 1)]
    return values


def at_commas(text: str) -> list[str]:
    """The text cut at the commas that are in no brackets and no quotes."""
    parts, depth, quote, begin = [], 0, "", 0
    for position, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in OPENING:
            depth += 1
        elif letter in CLOSING:
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[begin:position])
            begin = position + 1
    return [*parts, text[begin:]]


def combinations(axes: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of the axes' values; one without any if there are no axes."""
    return [dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]
