"""Objectives: what a student is trained to minimise. One file each."""

from limbeck.objectives.attention_transfer import AttentionTransfer
from limbeck.objectives.decoupled_soft_targets import DecoupledSoftTargets
from limbeck.objectives.dist import Dist
from limbeck.objectives.hard_labels import HardLabels
from limbeck.objectives.hints import Hints
from limbeck.objectives.logit_matching import LogitMatching
from limbeck.objectives.objective import Objective, WeightedSum
from limbeck.objectives.relational_distances import RelationalDistances
from limbeck.objectives.similarity_preserving import SimilarityPreserving
from limbeck.objectives.soft_targets import SoftTargets

__all__ = [
    "AttentionTransfer",
    "DecoupledSoftTargets",
    "Dist",
    "HardLabels",
    "Hints",
    "LogitMatching",
    "Objective",
    "RelationalDistances",
    "SimilarityPreserving",
    "SoftTargets",
    "WeightedSum",
]
