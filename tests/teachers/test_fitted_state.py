"""The same fit hashes the same in any process; any other fit does not."""

import os
import subprocess
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from limbeck.errors import TeacherError
from limbeck.teachers import Estimator
from limbeck.teachers.fitted_state import fitted_digest

INPUTS, LABELS = load_digits(return_X_y=True)
INPUTS, LABELS = INPUTS[:300], LABELS[:300]

FITS = """
import xgboost
from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from limbeck.teachers import Estimator
inputs, labels = load_digits(return_X_y=True)
models = [
    RandomForestClassifier(5, random_state=0),
    GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0),
    make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=2, n_jobs=1)),
]
prints = [Estimator(model.fit(inputs[:300], labels[:300])).fingerprint for model in models]
print(*prints)
"""


def test_the_same_fit_in_two_processes_has_the_same_fingerprint() -> None:
    """A forest trained again by a recipe must find the store it annotated."""
    names: dict[str, list[str]] = {}
    exec(FITS.replace("print(*prints)", ""), names)
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    run = subprocess.run(
        [sys.executable, "-c", FITS], env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == names["prints"]
    assert len(set(names["prints"])) == 3


def test_another_fit_has_another_fingerprint() -> None:
    """Another seed, another parameter, other rows: another teacher."""
    fits = [
        RandomForestClassifier(5, random_state=0).fit(INPUTS, LABELS),
        RandomForestClassifier(5, random_state=1).fit(INPUTS, LABELS),
        RandomForestClassifier(6, random_state=0).fit(INPUTS, LABELS),
        RandomForestClassifier(5, random_state=0).fit(INPUTS[1:], LABELS[1:]),
        GradientBoostingClassifier(n_estimators=2).fit(INPUTS, LABELS),
        LogisticRegression(max_iter=500).fit(INPUTS, LABELS),
    ]
    assert len({Estimator(model).fingerprint for model in fits}) == len(fits)


def test_the_smallest_change_of_a_fitted_value_is_seen() -> None:
    """A threshold of a tree or a coefficient may be all that differs."""
    model = LogisticRegression(max_iter=500).fit(INPUTS, LABELS)
    before = fitted_digest(model)
    model.coef_[3, 5] = np.nextafter(model.coef_[3, 5], 1)
    assert fitted_digest(model) != before
    forest = RandomForestClassifier(3, random_state=0).fit(INPUTS, LABELS)
    before = fitted_digest(forest)
    forest.estimators_[1].tree_.threshold[0] += 1e-6
    assert fitted_digest(forest) != before


def test_jobs_and_times_are_no_part_of_it() -> None:
    """The same forest on a machine with more cores is the same teacher."""
    one = RandomForestClassifier(3, random_state=0, n_jobs=1).fit(INPUTS, LABELS)
    two = RandomForestClassifier(3, random_state=0, n_jobs=2, verbose=0).fit(INPUTS, LABELS)
    assert fitted_digest(one) == fitted_digest(two)
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 1.0]}, cv=2)
    first = fitted_digest(clone(search).fit(INPUTS, LABELS))
    assert first == fitted_digest(clone(search).fit(INPUTS, LABELS))


def test_scoring_leaves_it_as_it_was() -> None:
    """Some estimators cache while they predict."""
    model = make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0))
    model.fit(INPUTS, LABELS)
    before = fitted_digest(model)
    model.predict_proba(INPUTS)
    assert fitted_digest(model) == before


def halve(values: np.ndarray) -> np.ndarray:
    return values / 2


def double(values: np.ndarray) -> np.ndarray:
    return values * 2


def test_functions_are_part_of_it() -> None:
    """A pipeline's own function is preprocessing."""
    prints = {
        fitted_digest(make_pipeline(FunctionTransformer(function)))
        for function in (halve, double, partial(halve), partial(double), np.sqrt, np.log1p)
    }
    assert len(prints) == 6


class Node:
    """Refers to itself."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.itself = self


def test_values_of_every_kind_are_told_apart() -> None:
    """1, 1.0, True and "1" are four values; a list is no tuple; order counts where it counts."""
    values: list[Any] = [
        1, 1.0, True, "1", b"1", None, 1j, (1,), [1], {1}, frozenset({1}), {1: 1}, {1: 2},
        [1, 2], [2, 1], np.float64(1), np.float32(1), np.ones(1), np.ones((1, 1)), np.ones(2),
        np.array([1, None]), np.array([None, 1]), np.array(["1"]), Node(1), Node(2), int, float,
        np.array([(1, 2.0)], dtype=[("a", "i1"), ("b", "f8")]),
        np.array([(1, 2.5)], dtype=[("a", "i1"), ("b", "f8")]),
    ]  # fmt: skip
    assert len({fitted_digest(value) for value in values}) == len(values)


def test_the_order_of_sets_and_dictionaries_does_not_count() -> None:
    """It changes from process to process, and with the order of setting."""
    assert fitted_digest({"a": 1, "b": [2]}) == fitted_digest({"b": [2], "a": 1})
    assert fitted_digest({"x", "y", "z"}) == fitted_digest({"z", "y", "x"})


def test_padding_between_the_fields_of_a_record_does_not_count() -> None:
    """It is whatever was in memory before."""
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, two = np.zeros(2, dtype=kind), np.full(2, -1, dtype=np.int8).repeat(kind.itemsize)
    two = two[: 2 * kind.itemsize].view(kind).copy()
    two["a"], two["b"] = 0, 0
    assert one.tobytes() != two.tobytes()
    assert fitted_digest(one) == fitted_digest(two)


def test_what_cannot_be_identified_is_told() -> None:
    """A lock or an open file in an estimator has no content."""

    class WithFile:
        def __init__(self) -> None:
            self.file = (value for value in ())

    with pytest.raises(TeacherError, match="holds a generator, which cannot be identified"):
        fitted_digest(WithFile())
