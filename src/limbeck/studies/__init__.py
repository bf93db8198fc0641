"""Published experiments, reproduced on limbeck's own verbs: one file each."""

from limbeck.studies.study import SIZES, Size, Study
from limbeck.studies.studying import names, run_study, study_module
from limbeck.studies.table import Figure, Row, measured

__all__ = [
    "SIZES",
    "Figure",
    "Row",
    "Size",
    "Study",
    "measured",
    "names",
    "run_study",
    "study_module",
]
