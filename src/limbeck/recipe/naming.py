"""A class's recipe name: its own name in snake case."""

import re

__all__ = ["snake_case"]

BOUNDARY = re.compile(
    r"(?<=[a-z0-9])(?=[A-Z]([a-z]|[A-Z]))"  # HardLabels, LinearSVC; but not AdamW
    r"|(?<=[A-Z])(?=[A-Z][a-z])"  # KNeighbors
)


def snake_case(name: str) -> str:
    """`HardLabels` is hard_labels, `SGD` sgd, `AdamW` adamw, `LinearSVC` linear_svc."""
    return BOUNDARY.sub("_", name).lower()
