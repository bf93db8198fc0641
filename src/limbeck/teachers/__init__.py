"""Teachers: anything that scores a batch."""

from limbeck.teachers.class_order import in_order_of
from limbeck.teachers.ensemble import Ensemble
from limbeck.teachers.estimator import Estimator
from limbeck.teachers.onnx_model import OnnxModel
from limbeck.teachers.teacher import Teacher
from limbeck.teachers.torch_module import TorchModule
from limbeck.teachers.transformers import Transformers

__all__ = [
    "Ensemble",
    "Estimator",
    "OnnxModel",
    "Teacher",
    "TorchModule",
    "Transformers",
    "in_order_of",
]
