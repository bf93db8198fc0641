"""A teacher from a path. Nothing that could run code while it is read is ever read."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from limbeck.errors import LimbeckError, TeacherError
from limbeck.students import saving
from limbeck.teachers.answers import first_line, name_from
from limbeck.teachers.estimator import Estimator
from limbeck.teachers.onnx_model import OnnxModel
from limbeck.teachers.teacher import Precision, Teacher, dtype_of
from limbeck.teachers.torch_module import TorchModule
from limbeck.teachers.transformers import Transformers

__all__ = ["load"]

PICKLES = (".pkl", ".pickle", ".joblib", ".sav", ".pt", ".pth", ".ckpt", ".bin")


def load(
    path: str | Path,
    *,
    name: str | None = None,
    classes: Sequence[str] | None = None,
    hidden: Sequence[str] = (),
    precision: Precision = "float32",
) -> Teacher:
    """What `Teacher.load` does; its docstring is there."""
    path = Path(path)
    name = name_from(path.stem if path.suffix else path.name) if name is None else name
    if not path.exists():
        raise TeacherError(
            f"there is no teacher at {path}. Correct the path: a folder of a saved student or of a "
            "transformers model, an .onnx file, or an XGBoost .json or .ubj file."
        )
    if hidden and not path.is_dir():
        raise TeacherError(
            f"hidden layers are read from torch modules only, and {path} is none. Leave `hidden` "
            "out."
        )
    if precision != "float32" and not path.is_dir():
        raise TeacherError(
            f"the precision of torch modules alone can be chosen, and {path} is none. Leave "
            "`precision` out."
        )
    if path.is_dir():
        if (path / "config.json").is_file() and not (path / "student.json").exists():
            return Transformers(
                path, name=name, classes=classes, hidden=hidden, precision=precision
            )
        return saved_student(path, name, classes, hidden, precision)
    if path.suffix == ".onnx":
        return OnnxModel(path, name=name, classes=classes)
    if path.suffix in (".json", ".ubj"):
        return boosted_trees(path, name, classes)
    raise refusal(path)


def saved_student(
    folder: Path,
    name: str,
    classes: Sequence[str] | None,
    hidden: Sequence[str],
    precision: Precision,
) -> TorchModule:
    """A saved student as a teacher that is read when needed."""
    dtype = dtype_of(precision)
    try:
        facts = saving.description(folder)
        saving.rebuilt(facts, folder)
        tokenization = saving.load_tokenization(facts.get("tokenization"), folder)
    except LimbeckError as error:
        raise TeacherError(str(error)) from error

    def build() -> nn.Module:
        module = saving.load(folder).module
        return module if dtype == torch.float32 else module.to(dtype)

    return TorchModule(
        build,
        classes=classes or facts["classes"] or None,
        hidden=hidden or facts["hidden"],
        tokenization=tokenization,
        name=name,
    )


def boosted_trees(path: Path, name: str, classes: Sequence[str] | None) -> Estimator:
    """An XGBoost model in its own format, of which only trees and numbers are read."""
    try:
        import xgboost
    except ImportError as error:
        raise TeacherError(
            f"xgboost is needed to read {path}. Install it: pip install 'limbeck[boosting]'"
        ) from error
    try:
        booster = xgboost.Booster(model_file=str(path))
    except xgboost.core.XGBoostError as error:
        raise TeacherError(
            f"{path} is not an XGBoost model ({first_line(error)}). Write it with "
            "model.save_model('model.ubj')"
        ) from error
    return Estimator(booster, name=name, classes=classes)


def refusal(path: Path) -> TeacherError:
    """What to do with a file that is not read."""
    if path.suffix == ".safetensors":
        return TeacherError(
            f"{path} holds weights without their model. Give the function that builds it: "
            f"TorchModule(build, weights='{path}')"
        )
    if path.suffix in PICKLES:
        return TeacherError(
            f"{path} is a pickle, which can run any code when it is read, so limbeck never reads "
            "one. Of a torch model, save the weights with "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors') and use "
            "TorchModule(build, weights=...); fit an estimator in a function of yours, or convert "
            "it to ONNX."
        )
    return TeacherError(
        f"{path} is no kind of teacher that can be loaded. Give a folder of a saved student or of "
        "a transformers model, an .onnx file, or an XGBoost .json or .ubj file."
    )
