"""Specialists: small nets for classes that a generalist confuses, and their common answer.

Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015,
https://arxiv.org/abs/1503.02531, sections 5 and 6.1.
"""

from limbeck.specialists.choosing import best_corrected
from limbeck.specialists.combining import Opinion, combined
from limbeck.specialists.confusable import confusable_classes
from limbeck.specialists.coverage import Covered, conditional_accuracy, gain_by_coverage, pooled
from limbeck.specialists.other_classes import OtherClasses
from limbeck.specialists.specialising import specialised, train_specialist
from limbeck.specialists.specialist import Correction, Specialist
from limbeck.specialists.specialist_set import SpecialistSet, specialist_set
from limbeck.specialists.with_specialists import WithSpecialists

__all__ = [
    "Correction",
    "Covered",
    "Opinion",
    "OtherClasses",
    "Specialist",
    "SpecialistSet",
    "WithSpecialists",
    "best_corrected",
    "combined",
    "conditional_accuracy",
    "confusable_classes",
    "gain_by_coverage",
    "pooled",
    "specialised",
    "specialist_set",
    "train_specialist",
]
