"""What names a recipe may use: the public classes and functions themselves, in snake case.

There is no second list: a new objective, loader or student becomes a recipe name by being exported
from its package.
"""

import functools
import inspect
import typing
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from limbeck.recipe.naming import snake_case

__all__ = ["estimators", "loaders", "objectives", "students"]

Choices = Mapping[str, Callable[..., Any]]


@functools.cache
def objectives() -> Choices:
    """Every distillation objective, by recipe name."""
    from limbeck import objectives as package

    kinds = [getattr(package, name) for name in package.__all__]
    return {
        snake_case(kind.__name__): kind
        for kind in kinds
        if inspect.isclass(kind)
        and issubclass(kind, package.Objective)
        and kind not in (package.Objective, package.WeightedSum)
    }


@functools.cache
def loaders() -> Choices:
    """Every function that loads data, by name."""
    from limbeck import transfer_sets as package

    return returning(package, package.Splits)


@functools.cache
def students() -> Choices:
    """Every function that makes a student, by name."""
    from limbeck import students as package

    choices = returning(package, package.Student)
    return {name: function for name, function in choices.items() if name != "from_file"}


@functools.cache
def estimators() -> Choices:
    """Every classifier of scikit-learn, and XGBoost's where it is installed, by recipe name."""
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {snake_case(name): kind for name, kind in all_estimators("classifier")}
    try:
        from xgboost import XGBClassifier
    except ImportError:
        return found
    return {**found, "xgb_classifier": XGBClassifier}


def returning(package: ModuleType, kind: type) -> Choices:
    """The package's public functions that are annotated to return this class."""
    functions = [getattr(package, name) for name in package.__all__]
    return {
        function.__name__: function
        for function in functions
        if inspect.isfunction(function) and typing.get_type_hints(function).get("return") is kind
    }
