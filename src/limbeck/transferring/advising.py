"""What to do with a trained student, in words, from how the cuts of it did.

The best of several cuts looks better than it is. So whether it beats the student from scratch is
judged with an interval that holds for all cuts at once (Bonferroni's correction: the allowed share
of errors is divided by the number of cuts).
"""

from collections.abc import Mapping

from jaxtyping import Float

from limbeck.evaluation.significance import Array, Interval, crossed

__all__ = ["Arm", "advice"]

Arm = tuple[tuple[str, ...], bool]


def advice(hits: Mapping[Arm, Float[Array, "s n"]], confidence: float) -> str:
    """One or two sentences: which cut to take, and how sure its lead is.

    Args:
        hits: What each cut got right, 1 or 0 for each seed and example; by the copied layers and
            whether they were frozen. The student from scratch has none.
        confidence: Of all comparisons together, in (0, 1).
    """
    scratch = hits[(), False]
    cuts = {arm: rows for arm, rows in hits.items() if arm[0]}
    if not cuts:
        return "No cut was tried."
    best = max(cuts, key=lambda arm: float(cuts[arm].mean()))
    each = 1 - (1 - confidence) / len(cuts)
    gain = crossed(cuts[best] - scratch, each).scaled(100.0)
    accuracy = 100 * float(cuts[best].mean())
    if gain.low > 0:
        return (
            f"Copy {named(best[0])} and {order(best)}: {accuracy:.1f} % on validation, "
            f"{points(gain)} above training from scratch.{simpler(cuts, best, each)}"
        )
    if gain.high < 0:
        return (
            f"Train from scratch: the best cut, {named(best[0])}, {state(best)}, differs from it "
            f"by {points(gain)} on validation."
        )
    return (
        f"No cut is surely better than training from scratch. The best, {named(best[0])}, "
        f"{state(best)}, differs from it by {points(gain)} on validation; more seeds or examples "
        "may tell."
    )


def simpler(cuts: Mapping[Arm, Float[Array, "s n"]], best: Arm, confidence: float) -> str:
    """The cheapest cut, with most layers frozen, that is not surely worse than the best."""
    frozen = [arm for arm in cuts if arm[1] and len(arm[0]) > (len(best[0]) if best[1] else 0)]
    for arm in sorted(frozen, key=lambda each: len(each[0]), reverse=True):
        loss = crossed(cuts[arm] - cuts[best], confidence).scaled(100.0)
        if loss.high >= 0:
            return f" Cheaper, and not surely worse ({points(loss)}): {named(arm[0])}, frozen."
    return ""


def named(paths: tuple[str, ...]) -> str:
    """The copied layers: one by its name, several by the first, the last and their number."""
    if len(paths) == 1:
        return paths[0]
    return f"{paths[0]} to {paths[-1]} ({len(paths)} layers)"


def order(arm: Arm) -> str:
    """What to do with the copied layers."""
    them = "it" if len(arm[0]) == 1 else "them"
    return f"freeze {them}" if arm[1] else f"train {them} on"


def state(arm: Arm) -> str:
    return "frozen" if arm[1] else "trained on"


def points(interval: Interval) -> str:
    """A difference in percentage points with its interval."""
    return f"{interval.estimate:+.1f} points ({interval.low:+.1f} to {interval.high:+.1f})"
