"""What can be read of one forward pass: the logits, and hidden layers by module path.

Forward hooks are put on for one pass and taken off again, so the module stays what it was: it can
be copied, saved, compiled and exported at any time.

Layers named by module path are how torchdistill does it too: Matsubara, "torchdistill: a modular,
configuration-driven framework for knowledge distillation", 2021,
https://arxiv.org/abs/2011.12913, section 3.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from limbeck.errors import LimbeckError

__all__ = ["capture", "check_layers", "logits_of"]

LISTED = 12
"""How many layers an error about an unknown one lists."""


@contextmanager
def capture(
    module: nn.Module, paths: Sequence[str], *, whose: str = "student"
) -> Iterator[dict[str, Tensor]]:
    """Within this block, a forward pass of the module leaves its layers' activations here.

    Args:
        module: The model that is about to run.
        paths: Module paths of the layers, such as "layer2" or "encoder.3"; none costs nothing.
        whose: What an error calls the model.

    Yields:
        Activations (b, ...) by path, complete when the block ends. Of a layer that returns
        several values the first counts.

    Raises:
        LimbeckError: if a layer does not exist (the closest is named), does not run, runs more
            than once in one pass, returns no tensor, or is overwritten in place.
    """
    found: dict[str, Tensor] = {}
    if not paths:
        yield found
        return
    versions: dict[str, int] = {}
    handles: list[RemovableHandle] = []
    try:
        for path in dict.fromkeys(paths):
            handles.append(watch(layer_at(module, path, whose), path, found, versions, whose))
        yield found
    finally:
        for handle in handles:
            handle.remove()
    for path in paths:
        check_intact(path, found, versions, whose)


def check_layers(module: nn.Module, paths: Sequence[str], *, whose: str = "student") -> None:
    """Raise a LimbeckError that names the closest layer, unless the module has all of these."""
    if isinstance(paths, str):
        raise LimbeckError(
            f"the {whose}'s layers are given as the text '{paths}'. Give a list of module paths: "
            f"('{paths}',)."
        )
    names = [name for name, _ in module.named_modules() if name]
    known = set(names)
    for path in paths:
        if path in known:
            continue
        close = difflib.get_close_matches(path, names, n=1, cutoff=0.0)
        closest = f"Closest: '{close[0]}'. " if close else ""
        listed = ", ".join(names[:LISTED]) or "none"
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        raise LimbeckError(
            f"the {whose} has no layer '{path}'. {closest}All layers: {listed}{more}."
        )


def logits_of(answer: Any, *, whose: str = "student") -> Tensor:
    """The logits in what a module returned: a tensor, or the `logits` of an object or mapping.

    Raises:
        LimbeckError: if it is neither.
    """
    if isinstance(answer, Tensor):
        return answer
    inside = (
        answer.get("logits") if isinstance(answer, Mapping) else getattr(answer, "logits", None)
    )
    if isinstance(inside, Tensor):
        return inside
    raise LimbeckError(
        f"the {whose} returned {kind_of(answer)}. A model returns its logits as one tensor "
        "(examples, classes), or an object or dictionary with `logits`. Wrap it in a module that "
        "does."
    )


def check_intact(path: str, found: dict[str, Tensor], versions: dict[str, int], whose: str) -> None:
    """Raise a LimbeckError unless the layer ran and nothing overwrote what it returned."""
    if path not in found:
        raise LimbeckError(
            f"the {whose}'s layer '{path}' did not run in the forward pass, so it has no "
            "activation. Name a layer that the model calls."
        )
    if version_of(found[path]) != versions[path]:
        raise LimbeckError(
            f"the {whose}'s layer '{path}' is overwritten by a later one, such as "
            "ReLU(inplace=True), so its own activation is lost. Set inplace=False there, or name "
            "the later layer."
        )


def layer_at(module: nn.Module, path: str, whose: str) -> nn.Module:
    try:
        return module.get_submodule(path)
    except AttributeError:
        check_layers(module, (path,), whose=whose)
        raise


def version_of(tensor: Tensor) -> int:
    """How often a tensor was changed in place; 0 where torch does not count."""
    return 0 if tensor.is_inference() else tensor._version


def watch(
    layer: nn.Module, path: str, found: dict[str, Tensor], versions: dict[str, int], whose: str
) -> RemovableHandle:
    def keep(_: nn.Module, __: Any, answer: Any) -> None:
        if isinstance(answer, (tuple, list)) and answer:
            answer = answer[0]
        if not isinstance(answer, Tensor):
            raise LimbeckError(
                f"the {whose}'s layer '{path}' returned {kind_of(answer)}, not a tensor. Name a "
                "layer that returns one."
            )
        if path in found:
            raise LimbeckError(
                f"the {whose}'s layer '{path}' runs more than once in one forward pass, so which "
                "activation is meant is open. Name a layer that runs once, or give each use a "
                "module of its own."
            )
        found[path] = answer
        versions[path] = version_of(answer)

    return layer.register_forward_hook(keep)


def kind_of(answer: Any) -> str:
    """What an answer is, in words: None, or the name of its type."""
    return "nothing (None)" if answer is None else f"a {type(answer).__name__}"
