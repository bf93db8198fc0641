"""limbeck: teachers speak once, into a knowledge store; students learn at plain speed; a verdict.

The whole public vocabulary is here, imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from limbeck import objectives, specialists, students, teachers, transfer_sets
    from limbeck.annotation import annotate
    from limbeck.bias_correction import BiasCorrection, correct_bias
    from limbeck.budgeting import Budget, Fit, fit
    from limbeck.comparison import Comparison, compare
    from limbeck.doctoring import Finding, doctor
    from limbeck.errors import (
        DataError,
        LimbeckError,
        NoKnowledgeWarning,
        RecipeError,
        StoreError,
        StoreMismatch,
        TeacherError,
    )
    from limbeck.evaluation import Evaluation, evaluate
    from limbeck.experiment import Experiment
    from limbeck.exporting import Export, export
    from limbeck.hub import hub_folder
    from limbeck.learning_curves import LearningCurve, learning_curve
    from limbeck.objectives import (
        AttentionTransfer,
        DecoupledSoftTargets,
        Dist,
        HardLabels,
        Hints,
        LogitMatching,
        Objective,
        RelationalDistances,
        SimilarityPreserving,
        SoftTargets,
    )
    from limbeck.optimization import SGD, AdamW, Constant, Cosine, OneCycle
    from limbeck.planning import Plan, plan
    from limbeck.predicting import predict
    from limbeck.quantizing import Quantized, quantize
    from limbeck.recipe import Recipe
    from limbeck.reporting import report
    from limbeck.store import KnowledgeStore, LiveTeacher, verify
    from limbeck.students import Student
    from limbeck.students.pruned import prune
    from limbeck.sweeping import Sweep, sweep
    from limbeck.teachers import (
        Ensemble,
        Estimator,
        OnnxModel,
        Teacher,
        TorchModule,
        Transformers,
    )
    from limbeck.training import Run, Training, distill
    from limbeck.transfer_sets import Flip, Shift, Splits, TransferSet, Views, munge
    from limbeck.transferring import Transferability, transfer, transferability
    from limbeck.types import Batch, Knowledge, Outputs, TopK

WHERE = {
    "annotation": ["annotate"],
    "bias_correction": ["BiasCorrection", "correct_bias"],
    "budgeting": ["Budget", "Fit", "fit"],
    "comparison": ["Comparison", "compare"],
    "doctoring": ["Finding", "doctor"],
    "errors": [
        "DataError", "LimbeckError", "NoKnowledgeWarning", "RecipeError", "StoreError",
        "StoreMismatch", "TeacherError",
    ],
    "evaluation": ["Evaluation", "evaluate"],
    "experiment": ["Experiment"],
    "exporting": ["Export", "export"],
    "hub": ["hub_folder"],
    "learning_curves": ["LearningCurve", "learning_curve"],
    "objectives": [
        "AttentionTransfer", "DecoupledSoftTargets", "Dist", "HardLabels", "Hints",
        "LogitMatching", "Objective", "RelationalDistances", "SimilarityPreserving",
        "SoftTargets",
    ],
    "optimization": ["SGD", "AdamW", "Constant", "Cosine", "OneCycle"],
    "planning": ["Plan", "plan"],
    "predicting": ["predict"],
    "quantizing": ["Quantized", "quantize"],
    "recipe": ["Recipe"],
    "reporting": ["report"],
    "store": ["KnowledgeStore", "LiveTeacher", "verify"],
    "students": ["Student"],
    "students.pruned": ["prune"],
    "sweeping": ["Sweep", "sweep"],
    "teachers": ["Ensemble", "Estimator", "OnnxModel", "Teacher", "TorchModule", "Transformers"],
    "training": ["Run", "Training", "distill"],
    "transfer_sets": ["Flip", "Shift", "Splits", "TransferSet", "Views", "munge"],
    "transferring": ["Transferability", "transfer", "transferability"],
    "types": ["Batch", "Knowledge", "Outputs", "TopK"],
}  # fmt: skip
PACKAGES = ("objectives", "specialists", "students", "teachers", "transfer_sets")
MODULE_OF = {name: module for module, names in WHERE.items() for name in names}

__all__ = [
    "SGD", "AdamW", "AttentionTransfer", "Batch", "BiasCorrection", "Budget", "Comparison",
    "Constant", "Cosine", "DataError", "DecoupledSoftTargets", "Dist", "Ensemble", "Estimator",
    "Evaluation", "Experiment", "Export", "Finding", "Fit", "Flip", "HardLabels", "Hints",
    "Knowledge", "KnowledgeStore", "LearningCurve", "LimbeckError", "LiveTeacher", "LogitMatching",
    "NoKnowledgeWarning", "Objective", "OneCycle", "OnnxModel", "Outputs", "Plan", "Quantized",
    "Recipe", "RecipeError", "RelationalDistances", "Run", "Shift", "SimilarityPreserving",
    "SoftTargets", "Splits", "StoreError", "StoreMismatch", "Student", "Sweep", "Teacher",
    "TeacherError", "TopK", "TorchModule", "Training", "TransferSet", "Transferability",
    "Transformers", "Views", "annotate", "compare", "correct_bias", "distill", "doctor", "evaluate",
    "export", "fit", "hub_folder", "learning_curve", "munge", "objectives", "plan", "predict",
    "prune", "quantize", "report", "specialists", "students", "sweep", "teachers", "transfer",
    "transfer_sets", "transferability", "verify",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in PACKAGES:
        return importlib.import_module(f"limbeck.{name}")
    if name not in MODULE_OF:
        raise AttributeError(f"limbeck has no '{name}'. It has: {', '.join(__all__)}.")
    value = getattr(importlib.import_module(f"limbeck.{MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
