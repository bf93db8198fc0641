"""What a fitted estimator hashes to: its values, walked, never serialised as a pickle.

Every object is taken apart as Python's copy protocol does (`__reduce_ex__`), down to numbers, text
and arrays. Two fits that came out the same hash the same, in any process; what does not change
an answer (times, number of jobs, library version) is left out.
"""

import functools
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from limbeck.errors import TeacherError
from limbeck.fingerprint import digest

__all__ = ["fitted_digest"]

IGNORED = frozenset({"n_jobs", "verbose", "refit_time_", "cv_results_", "_sklearn_version"})
"""Attributes that do not change an estimator's answers."""


def fitted_digest(value: Any) -> str:
    """64 hexadecimal digits that identify a fitted estimator by its parameters and fitted state.

    Raises:
        TeacherError: if a part of it cannot be taken apart.
    """
    return Walk().of(value)


class Walk:
    """One walk over an object; remembers what it has seen, so shared parts are walked once."""

    def __init__(self) -> None:
        self.seen: dict[int, str] = {}
        self.alive: list[Any] = []

    def of(self, value: Any) -> str:
        """The digest of a value."""
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            return digest(type(value).__name__, repr(value))
        if id(value) in self.seen:
            return self.seen[id(value)]
        self.alive.append(value)
        self.seen[id(value)] = "cycle"
        self.seen[id(value)] = found = digest(*self.parts(value))
        return found

    def parts(self, value: Any) -> list[Any]:
        """What a compound value consists of, as digests and arrays."""
        kind = type(value).__name__
        if isinstance(value, Tensor):
            return [kind, value]
        if isinstance(value, (np.ndarray, np.generic)):
            return self.array(np.asarray(value))
        if isinstance(value, (list, tuple)):
            return [kind, *(self.of(item) for item in value)]
        if isinstance(value, (set, frozenset)):
            return [kind, *sorted(self.of(item) for item in value)]
        if isinstance(value, Mapping):
            items = [(self.of(key), item) for key, item in value.items() if kept(key)]
            items.sort(key=lambda pair: pair[0])
            return [kind, *(part for key, item in items for part in (key, self.of(item)))]
        if isinstance(value, functools.partial):
            return [kind, self.of([value.func, value.args, value.keywords])]
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc)):
            code = getattr(value, "__code__", None)
            named = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}"
            return ["global", named, b"" if code is None else code.co_code]
        if hasattr(value, "save_raw"):  # an XGBoost Booster: its trees, without its runtime
            return [kind, bytes(value.save_raw(raw_format="json"))]
        return self.taken_apart(value)

    def array(self, array: Shaped[np.ndarray, "..."]) -> list[Any]:
        """An array; of records each field alone, as there is padding between them."""
        if array.dtype.names is not None:
            fields = [part for name in array.dtype.names for part in (name, array[name])]
            return ["records", *fields]
        if array.dtype.kind == "O":
            return ["objects", array.shape, *(self.of(item) for item in array.ravel())]
        return ["array", array]

    def taken_apart(self, value: Any) -> list[Any]:
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as error:
            raise TeacherError(
                f"the estimator holds a {type(value).__name__}, which cannot be identified "
                f"({error}). Leave it out of the estimator, or wrap the model as ONNX."
            ) from error
        if isinstance(reduced, str):
            return ["global", type(value).__module__, reduced]
        function, arguments, *rest = reduced
        state, items, pairs = (*rest, None, None, None)[:3]
        return [
            f"{type(value).__module__}.{type(value).__qualname__}",
            self.of(function),
            self.of(arguments),
            self.of(state),
            self.of(None if items is None else list(items)),
            self.of(None if pairs is None else list(pairs)),
        ]


def kept(key: Any) -> bool:
    return not (isinstance(key, str) and key in IGNORED)
