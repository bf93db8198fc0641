"""Students: a module, the hidden layers to read, and small reference architectures."""

from limbeck.students.capture import capture, check_layers
from limbeck.students.cnn import cnn
from limbeck.students.mlp import mlp
from limbeck.students.saving import load, save
from limbeck.students.student import Student
from limbeck.students.user_function import from_file, user_function

__all__ = [
    "Student",
    "capture",
    "check_layers",
    "cnn",
    "from_file",
    "load",
    "mlp",
    "save",
    "user_function",
]
