"""`plan`: how long a recipe's steps take on this machine, and how much they write."""

from limbeck.planning.figures import Plan, Stage
from limbeck.planning.planning import plan

__all__ = ["Plan", "Stage", "plan"]
