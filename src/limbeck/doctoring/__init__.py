"""`doctor`: a recipe's faults, each in a sentence with its figure, before a run is wasted."""

from limbeck.doctoring.examination import doctor
from limbeck.doctoring.finding import Finding

__all__ = ["Finding", "doctor"]
