"""Estimators as teachers give what their own library's predict gives."""

from typing import Any

import numpy as np
import pytest
import torch
import xgboost
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from limbeck.errors import TeacherError
from limbeck.teachers import Estimator
from limbeck.types import Batch

INPUTS, LABELS = load_digits(return_X_y=True)
INPUTS = (INPUTS / 16).astype(np.float32)
FIT, SCORED = slice(0, 400), slice(400, 500)


def batch(inputs: np.ndarray = INPUTS[SCORED]) -> Batch:
    images = torch.from_numpy(inputs).reshape(-1, 1, 8, 8)
    return Batch(torch.arange(len(images)), images, torch.zeros(len(images), dtype=torch.int64))


def fitted(model: Any, labels: np.ndarray = LABELS) -> Any:
    return model.fit(INPUTS[FIT], labels[FIT])


PROBABILISTIC = [
    RandomForestClassifier(10, random_state=0),
    GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0),
    HistGradientBoostingClassifier(max_iter=2, random_state=0),
    LogisticRegression(max_iter=500),
    KNeighborsClassifier(3),
    make_pipeline(StandardScaler(), KNeighborsClassifier(3)),
    GridSearchCV(GaussianNB(), {"var_smoothing": [1e-3, 1e-2]}, cv=2),
    xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1),
    make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1)),
]


@pytest.mark.parametrize("model", PROBABILISTIC, ids=lambda model: type(model).__name__)
def test_the_softmax_of_its_logits_is_predict_proba(model: Any) -> None:
    """An adapter that scores another thing than its library ruins the comparison."""
    model = fitted(model)
    logits = Estimator(model).outputs(batch()).logits
    assert logits.dtype is torch.float32
    expected = model.predict_proba(INPUTS[SCORED])
    np.testing.assert_allclose(logits.double().softmax(1).numpy(), expected, atol=2e-6)
    sure = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-6
    found = logits.argmax(1).numpy()
    np.testing.assert_array_equal(found[sure], model.predict(INPUTS[SCORED])[sure])


@pytest.mark.parametrize(
    "model",
    [LinearSVC(), SVC(), RidgeClassifier(), OneVsRestClassifier(LinearSVC())],
    ids=lambda model: type(model).__name__,
)
def test_without_predict_proba_its_logits_are_the_margins(model: Any) -> None:
    """Support vector machines have margins only."""
    model = fitted(model)
    logits = Estimator(model).outputs(batch()).logits.numpy()
    np.testing.assert_allclose(logits, model.decision_function(INPUTS[SCORED]), rtol=1e-5)
    np.testing.assert_array_equal(logits.argmax(1), model.predict(INPUTS[SCORED]))


def test_a_binary_margin_becomes_two_logits_whose_softmax_is_the_logistic_function() -> None:
    """For logistic regression that is its probability, so the two ways must agree."""
    binary = (LABELS > 4).astype(np.int64)
    model = fitted(LogisticRegression(), binary)

    class MarginOnly:
        classes_ = model.classes_

        def decision_function(self, inputs: np.ndarray) -> np.ndarray:
            return model.decision_function(inputs)

    logits = Estimator(MarginOnly()).outputs(batch()).logits
    assert logits.shape == (100, 2)
    expected = model.predict_proba(INPUTS[SCORED])
    np.testing.assert_allclose(logits.double().softmax(1).numpy(), expected, atol=1e-6)


def test_xgboosts_logits_are_its_raw_margins_for_two_and_many_classes() -> None:
    """Probabilities of boosted trees round to 1; margins keep what they know."""
    for labels in (LABELS, (LABELS > 4).astype(np.int64)):
        model = fitted(xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1), labels)
        logits = Estimator(model).outputs(batch()).logits
        margins = model.predict(INPUTS[SCORED], output_margin=True)
        if margins.ndim == 1:
            margins = np.stack([np.zeros_like(margins), margins], axis=1)
        np.testing.assert_array_equal(logits.numpy(), margins)
        expected = model.predict_proba(INPUTS[SCORED])
        np.testing.assert_allclose(logits.double().softmax(1).numpy(), expected, atol=1e-6)


def test_a_booster_scores_as_the_classifier_it_belongs_to() -> None:
    """Both are common; the booster counts its best round only when told."""
    model = xgboost.XGBClassifier(
        n_estimators=30, max_depth=2, n_jobs=1, early_stopping_rounds=1, learning_rate=3.0
    )
    held_out = [(INPUTS[500:600], LABELS[500:600])]
    model.fit(INPUTS[FIT], LABELS[FIT], eval_set=held_out, verbose=False)
    booster = model.get_booster()
    assert model.best_iteration < booster.num_boosted_rounds() - 1
    expected = Estimator(model).outputs(batch()).logits
    assert torch.equal(Estimator(booster).outputs(batch()).logits, expected)


def test_zeros_of_a_forest_become_the_floor() -> None:
    """The logarithm of 0 would make the store refuse the teacher."""
    logits = Estimator(fitted(RandomForestClassifier(3, random_state=0))).outputs(batch()).logits
    assert bool(torch.isfinite(logits).all())
    assert float(logits.min()) == pytest.approx(np.log(1e-7), rel=1e-6)


def test_labels_that_are_names_name_the_columns() -> None:
    """scikit-learn sorts names; a transfer set may have them in another order."""
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "8", "9"])
    model = fitted(GaussianNB(), names[LABELS])
    teacher = Estimator(model)
    assert teacher.classes == tuple(sorted(names))
    assert Estimator(model, classes=tuple(names)).classes == tuple(sorted(names))


def test_labels_that_are_numbers_are_in_the_transfer_sets_order() -> None:
    """Class 3 of the teacher is label 3 of the data."""
    model = fitted(GaussianNB())
    assert Estimator(model).classes is None
    names = tuple("abcdefghij")
    assert Estimator(model, classes=names).classes == names


def test_numbers_with_gaps_are_names() -> None:
    """Column 1 of labels 1, 3, 5 is not label 1; by name it is found or refused."""
    odd = LABELS % 2 == 1
    model = GaussianNB().fit(INPUTS[odd], LABELS[odd])
    assert Estimator(model).classes == ("1", "3", "5", "7", "9")
    message = r"fitted on the 5 labels \[1, 3, 5, 7, 9\] and 10 class names were given. Fit it on"
    with pytest.raises(TeacherError, match=message):
        Estimator(model, classes=tuple("abcdefghij"))


def test_whole_floats_and_booleans_are_numbers() -> None:
    """Labels read from a CSV are often 0.0 and 1.0."""
    assert Estimator(fitted(GaussianNB(), LABELS.astype(np.float64))).classes is None
    assert Estimator(fitted(GaussianNB(), LABELS > 4)).classes is None


def test_other_names_than_it_was_fitted_on_are_refused() -> None:
    """A typing error in a name must not shift the columns."""
    model = fitted(GaussianNB(), np.array(list("abcdefghij"))[LABELS])
    with pytest.raises(TeacherError, match=r"fitted on the classes \[a, .*\] and \[x, .* given"):
        Estimator(model, classes=tuple("xbcdefghij"))


def test_an_unfitted_estimator_is_told() -> None:
    """Also inside a pipeline."""
    for model in (GaussianNB(), make_pipeline(StandardScaler(), GaussianNB())):
        with pytest.raises(TeacherError, match="is not fitted yet. Call its fit.inputs, labels"):
            Estimator(model)
    with pytest.raises(TeacherError, match="teacher 'xgb' .XGBClassifier. is not fitted yet"):
        Estimator(xgboost.XGBClassifier(), name="xgb")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LinearRegression().fit(INPUTS[FIT], LABELS[FIT]), "has neither predict_proba nor"),
        (object(), "has neither predict_proba nor decision_function. Give a classifier"),
        (GaussianNB, "is a class. Give a fitted object"),
        (
            SVC(decision_function_shape="ovo").fit(INPUTS[FIT], LABELS[FIT] % 3),
            "margins of pairs of classes .*Set decision_function_shape='ovr'",
        ),
        (
            make_pipeline(SVC(decision_function_shape="ovo")).fit(INPUTS[FIT], LABELS[FIT] % 3),
            "teacher 'Pipeline' .SVC. answers with margins of pairs",
        ),
        (
            RandomForestClassifier(2).fit(INPUTS[FIT], np.stack([LABELS[FIT], LABELS[FIT]], 1)),
            "predicts several targets at once",
        ),
        (
            xgboost.XGBRegressor(n_estimators=1, n_jobs=1)
            .fit(INPUTS[FIT], LABELS[FIT])
            .get_booster(),
            "was trained for reg:squarederror, whose margins are no class scores.*binary:logistic",
        ),
    ],
)
def test_what_is_no_classifier_for_one_target_is_told(model: Any, message: str) -> None:
    """Three classes have three pairs, so their margins would pass for scores of classes."""
    with pytest.raises(TeacherError, match=message):
        Estimator(model)


def test_another_number_of_features_is_told() -> None:
    """Both numbers, and the shape of an example."""
    message = r"was fitted on 10 features and an example of shape \(1, 8, 8\) has 64"
    model = GaussianNB().fit(INPUTS[FIT, :10], LABELS[FIT])
    with pytest.raises(TeacherError, match=message):
        Estimator(model).outputs(batch())
    trees = xgboost.XGBClassifier(n_estimators=1, n_jobs=1).fit(INPUTS[FIT, :10], LABELS[FIT])
    with pytest.raises(TeacherError, match=message):
        Estimator(trees.get_booster()).outputs(batch())


def test_an_estimator_that_fails_is_told() -> None:
    """Another library's error, in one line, with the shape it was given."""

    class Broken:
        classes_ = np.arange(3)

        def predict_proba(self, inputs: np.ndarray) -> np.ndarray:
            raise KeyError("no such column\nmore")

    message = r"teacher 'Broken' failed on inputs of shape \(100, 64\): 'no such column"
    with pytest.raises(TeacherError, match=message):
        Estimator(Broken()).outputs(batch())


def test_its_inputs_are_not_changed() -> None:
    """The student sees the same tensor next."""
    given = batch()
    before = given.inputs.clone()
    Estimator(fitted(make_pipeline(StandardScaler(copy=False), GaussianNB()))).outputs(given)
    assert torch.equal(given.inputs, before)


def test_its_name_is_its_class_unless_given() -> None:
    """Members of an ensemble are told apart by it."""
    model = fitted(DummyClassifier())
    assert Estimator(model).name == "DummyClassifier"
    assert Estimator(model, name="prior").name == "prior"
    with pytest.raises(ValueError, match="a teacher's name is 'a b'"):
        Estimator(model, name="a b")
