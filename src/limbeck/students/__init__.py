"""Students: a module, the hidden layers to read, and small reference architectures."""

from limbeck.students.capture import capture, check_layers
from limbeck.students.cnn import cnn
from limbeck.students.mlp import mlp
from limbeck.students.pruned import pruned
from limbeck.students.saving import load, save
from limbeck.students.student import Student
from limbeck.students.text_cnn import text_cnn
from limbeck.students.text_gru import text_gru
from limbeck.students.text_transformer import text_transformer
from limbeck.students.transformers_classifier import transformers_classifier
from limbeck.students.user_function import from_file, user_function

__all__ = [
    "Student",
    "capture",
    "check_layers",
    "cnn",
    "from_file",
    "load",
    "mlp",
    "pruned",
    "save",
    "text_cnn",
    "text_gru",
    "text_transformer",
    "transformers_classifier",
    "user_function",
]
