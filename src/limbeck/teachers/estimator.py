"""Fitted scikit-learn classifiers, those that work like them, and XGBoost, as teachers.

The logits are, in this order of preference:

    XGBoost               raw margins, whose softmax is its predict_proba
    predict_proba         log p, each p at least `PROBABILITY_FLOOR` (1e-7)
    decision_function     the margins of the classes; of a binary classifier 0 and its margin m

The softmax of (0, m) is the logistic function of m: the probability itself for a model fitted with
the logistic loss, an uncalibrated score for a support vector machine. Wrap the latter in
scikit-learn's CalibratedClassifierCV where its confidence shall mean something.
"""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.fingerprint import digest
from limbeck.teachers.answers import (
    checked_classes,
    checked_logits,
    checked_name,
    first_line,
    log_of,
    name_from,
)
from limbeck.teachers.fitted_state import fitted_digest
from limbeck.teachers.teacher import Teacher
from limbeck.types import Batch, Outputs

__all__ = ["Estimator"]

SOFTMAX_OBJECTIVES = ("binary:logistic", "binary:logitraw", "multi:softmax", "multi:softprob")
"""XGBoost's objectives whose margins are logits."""


class Estimator(Teacher):
    """A fitted classifier with `predict_proba` or `decision_function`, or an XGBoost model.

    It is given inputs flattened to float32 (examples, features), on the scale of the transfer set
    (images are in [0, 1]): fit it on those.

    Args:
        model: The fitted classifier, a pipeline that ends in one, or an `xgboost.Booster`.
        classes: Names of the classes in the order of the label numbers it was fitted on; not
            needed where it was fitted on names. None: the transfer set's order.
        name: What reports and stores call it; None: its class's name.

    Raises:
        TeacherError: if it is not fitted, is no classifier, predicts several targets, has margins
            of pairs of classes, or was fitted on other classes than those named.
        ValueError: if the name has other characters than letters, digits, "_" and "-".
    """

    def __init__(
        self, model: Any, *, classes: Sequence[str] | None = None, name: str | None = None
    ) -> None:
        self.model = model
        self.name = checked_name(name_from(type(model).__name__) if name is None else name)
        check_fitted(model, self.name)
        self.boosting = type(model).__module__.partition(".")[0] == "xgboost"
        if self.boosting:
            check_boosting(model, self.name)
        elif not hasattr(model, "predict_proba"):
            check_margins(model, self.name)
        self.classes = column_classes(model, checked_classes(classes), self.name)

    @property
    def fingerprint(self) -> str:
        """What its parameters and its fitted state hash to; the same for the same fit."""
        return digest("estimator", fitted_digest(self.model), self.classes)

    def outputs(self, batch: Batch) -> Outputs:
        """Its logits for a batch, float32, on the CPU.

        Raises:
            TeacherError: if it was fitted on another number of features, fails, or answers with
                something else than one score per class.
        """
        inputs = batch.inputs.detach().cpu().flatten(1).numpy().copy()  # some change it in place
        self.check_features(inputs.shape[1], tuple(batch.inputs.shape[1:]))
        try:
            logits = self.logits(inputs)
        except Exception as error:
            raise TeacherError(
                f"teacher '{self.name}' failed on inputs of shape {inputs.shape}: "
                f"{first_line(error)}. Fit it on the transfer set's inputs, flattened to "
                "(examples, features)."
            ) from error
        return Outputs(checked_logits(logits, len(batch), self.classes, self.name))

    def logits(self, inputs: Float[np.ndarray, "b d"]) -> Tensor:
        """Its scores as one column per class, whatever the library calls them."""
        if self.boosting:
            return columns(boosted(self.model, inputs))
        if hasattr(self.model, "predict_proba"):
            return log_of(torch.from_numpy(np.asarray(self.model.predict_proba(inputs))))
        return columns(self.model.decision_function(inputs))

    def check_features(self, features: int, shape: tuple[int, ...]) -> None:
        """Raise a TeacherError unless it was fitted on this many features."""
        wanted = getattr(self.model, "n_features_in_", None)
        if wanted is None and hasattr(self.model, "num_features"):
            wanted = self.model.num_features()
        if wanted is not None and wanted != features:
            raise TeacherError(
                f"teacher '{self.name}' was fitted on {wanted} features and an example of shape "
                f"{shape} has {features}. Fit it on the transfer set's inputs."
            )


def check_fitted(model: Any, name: str) -> None:
    """Raise a TeacherError unless the model is a fitted classifier for one target."""
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    kind = type(model).__name__
    if isinstance(model, type):
        raise TeacherError(f"teacher '{name}' is a class. Give a fitted object: {name}().fit(x, y)")
    if isinstance(model, BaseEstimator):
        try:
            check_is_fitted(model)
        except NotFittedError as error:
            raise TeacherError(
                f"teacher '{name}' ({kind}) is not fitted yet. Call its fit(inputs, labels) first."
            ) from error
    if not any(
        hasattr(model, method) for method in ("predict_proba", "decision_function", "save_raw")
    ):
        raise TeacherError(
            f"teacher '{name}' ({kind}) has neither predict_proba nor decision_function. Give a "
            "classifier; a support vector machine has decision_function."
        )
    if isinstance(getattr(model, "classes_", None), list):
        raise TeacherError(
            f"teacher '{name}' ({kind}) predicts several targets at once. Fit it on one column of "
            "labels."
        )


def check_boosting(model: Any, name: str) -> None:
    """Raise a TeacherError unless an XGBoost model's margins are logits."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    if objective not in SOFTMAX_OBJECTIVES:
        raise TeacherError(
            f"teacher '{name}' was trained for {objective}, whose margins are no class scores. "
            f"Train it for one of: {', '.join(SOFTMAX_OBJECTIVES)}."
        )


def check_margins(model: Any, name: str) -> None:
    """Raise a TeacherError if the margins are those of pairs of classes."""
    last = getattr(model, "best_estimator_", model)
    if hasattr(last, "steps"):
        last = last.steps[-1][1]
    pairs = getattr(last, "decision_function_shape", None) == "ovo"
    if pairs and len(getattr(model, "classes_", ())) > 2:
        raise TeacherError(
            f"teacher '{name}' ({type(last).__name__}) answers with margins of pairs of classes "
            "(decision_function_shape='ovo'). Set decision_function_shape='ovr'."
        )


def column_classes(model: Any, names: tuple[str, ...] | None, name: str) -> tuple[str, ...] | None:
    """The names of the columns, from the labels it was fitted on; None: the order of numbers."""
    found = getattr(model, "classes_", None)
    if found is None:
        return names
    fitted = np.asarray(found)
    if fitted.dtype.kind in "biuf" and bool((fitted == fitted.astype(np.int64)).all()):
        numbers = [int(number) for number in fitted]
        if names is None:
            return None if numbers == list(range(len(numbers))) else tuple(map(str, numbers))
        if sorted(numbers) != list(range(len(names))):
            raise TeacherError(
                f"teacher '{name}' was fitted on the {len(numbers)} labels {shortened(numbers)} "
                f"and {len(names)} class names were given. Fit it on labels 0 to "
                f"{len(names) - 1}, each at least once."
            )
        return tuple(names[number] for number in numbers)
    own = tuple(str(label) for label in fitted)
    if names is not None and sorted(names) != sorted(own):
        raise TeacherError(
            f"teacher '{name}' was fitted on the classes {shortened(own)} and "
            f"{shortened(names)} were given. Leave classes out, or give the same names."
        )
    return own


def boosted(model: Any, inputs: Float[np.ndarray, "b d"]) -> Float[np.ndarray, "b ..."]:
    """An XGBoost model's raw margins, from its best round where training stopped early."""
    if hasattr(model, "get_booster"):
        return np.asarray(model.predict(inputs, output_margin=True))
    import xgboost

    best = model.attr("best_iteration")
    rounds = (0, 0) if best is None else (0, int(best) + 1)
    rows = xgboost.DMatrix(inputs, feature_names=model.feature_names)
    return np.asarray(model.predict(rows, output_margin=True, iteration_range=rounds))


def columns(margins: Float[np.ndarray, "b ..."]) -> Tensor:
    """Margins as one column per class: a binary margin m becomes (0, m)."""
    values = torch.from_numpy(np.asarray(margins))
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 1:
        values = torch.stack([torch.zeros_like(values), values], dim=1)
    return values


def shortened(values: Sequence[object], most: int = 6) -> str:
    """A list in brackets, cut after some values."""
    listed = ", ".join(str(value) for value in values[:most])
    return f"[{listed}, ...]" if len(values) > most else f"[{listed}]"
