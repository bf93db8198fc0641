"""Measuring: arrays in, numbers out, units in every name."""

from limbeck.evaluation.accuracy import ClassScores, GroupScores
from limbeck.evaluation.bias import Bias, bias
from limbeck.evaluation.calibration import Bin
from limbeck.evaluation.evaluation import Evaluation, evaluate
from limbeck.evaluation.flips import FlippedExample, flipped
from limbeck.evaluation.latency import Latency, latency
from limbeck.evaluation.leave_one_out import LeftOut, leave_one_out
from limbeck.evaluation.scoring import score
from limbeck.evaluation.significance import Interval

__all__ = [
    "Bias",
    "Bin",
    "ClassScores",
    "Evaluation",
    "FlippedExample",
    "GroupScores",
    "Interval",
    "Latency",
    "LeftOut",
    "bias",
    "evaluate",
    "flipped",
    "latency",
    "leave_one_out",
    "score",
]
