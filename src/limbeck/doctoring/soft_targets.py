"""Do the teacher's answers say more than the labels, at the temperature they are used at?"""

from limbeck.doctoring.case import Case
from limbeck.doctoring.finding import Finding
from limbeck.evaluation.advice import MOST_ONE_HOT, ONE_HOT, nearly_one_hot
from limbeck.store import KnowledgeStore

__all__ = ["kept_mass", "one_hot"]

LABELS_TEACH_IT = 0.9
"""The share of labelled rows from which one-hot answers are a copy of the labels."""

LITTLE_MASS = 0.9
"""Below this kept mass, what was dropped is most of what soft targets add to the label."""

HARDLY_ANY_MASS = 0.5
"""Below this, the student learns more about "all other classes" than about any of them."""


def one_hot(case: Case) -> list[Finding]:
    """Answers that put all on one class: distilling then teaches what labels teach."""
    measured = nearly_one_hot(case.knowledge, case.objective)
    if measured is None or measured[0] < MOST_ONE_HOT:
        return []
    share, temperature = measured
    labelled = len(case.labelled) / len(case.transfer_set)
    copied = labelled >= LABELS_TEACH_IT
    ending = "they teach what the labels teach" if copied else "they say a class and no more"
    return [
        Finding(
            "one-hot answers",
            f"{100 * share:.0f}% of the soft targets put more than {ONE_HOT} on one class at "
            f"temperature {temperature:g}: {ending}. Raise the temperature, use examples that the "
            "teacher was not fitted on, or a teacher that is less sure.",
            wasted=copied,
        )
    ]


def kept_mass(case: Case) -> list[Finding]:
    """A top-k store that dropped too much at the objective's temperature."""
    if case.asked is None or case.asked.temperatures is None:
        return []
    found = []
    for temperature in sorted(set(case.objective.temperatures)):
        mass = mass_at(case.asked, temperature)
        if mass is None or mass >= LITTLE_MASS:
            continue
        top_k = case.asked.manifest.subject.top_k
        found.append(
            Finding(
                "kept mass",
                f"the {top_k} of {len(case.asked.classes)} classes that the store keeps of each "
                f"answer hold {mass:.0%} of the probability at temperature {temperature:g}. Keep "
                "more classes (annotate.top_k), or train at a lower temperature.",
                wasted=mass < HARDLY_ANY_MASS,
            )
        )
    return found


def mass_at(store: KnowledgeStore, temperature: float) -> float | None:
    """The mean probability of the kept classes at one of the store's temperatures."""
    masses = dict(zip(store.temperatures or (), store.manifest.fidelity.mass_kept, strict=False))
    return masses.get(temperature)
