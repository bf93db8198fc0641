"""Many students trained together: as one stacked model, in one process per core, or both."""

from limbeck.together.grouping import reason_against
from limbeck.together.training import Outcome, Plan, train_together

__all__ = ["Outcome", "Plan", "reason_against", "train_together"]
