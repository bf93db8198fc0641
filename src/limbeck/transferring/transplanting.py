"""A new student whose first layers are a trained student's, and whose others start afresh.

Copied and frozen, the layers are fixed features of the new task; copied and trained on, they are a
better place to start from. The difference to a student whose copied layers come from its own task
is what the features are specific to.

Yosinski, Clune, Bengio & Lipson, "How transferable are features in deep neural networks?", 2014,
https://arxiv.org/abs/1411.1792, section 2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students import Student, check_layers
from limbeck.students.architecture import from_architecture
from limbeck.students.user_function import is_reference
from limbeck.training import Run
from limbeck.transferring.layers import chosen

__all__ = ["transfer"]

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Transplant:
    """Builds a module of which some layers hold copied weights and buffers.

    Attributes:
        afresh: Builds the module, all of it new.
        copied: What some of its layers then hold, by module path.
    """

    afresh: Callable[[], nn.Module]
    copied: Mapping[str, State]

    def __call__(self) -> nn.Module:
        """A new module with the copied layers."""
        module = self.afresh()
        with torch.no_grad():
            for path, state in self.copied.items():
                module.get_submodule(path).load_state_dict(state)
        return module


def transfer(
    base: Student | Run,
    layers: int | Sequence[str],
    *,
    freeze: bool = True,
    classes: int | None = None,
    into: Student | None = None,
) -> Student:
    """A student to train whose first layers are copied from a trained one.

    Every run of it starts with the same copied layers, and with other layers that are new for the
    run's seed: those that the same student without copied layers has with this seed. So train it
    with another seed than the base's, unless its new layers are to start where the base's did.

    Frozen layers are left as they are, bit for bit: they have no gradient, decay or momentum, and
    stay in evaluation mode, with the batch statistics of the base.

    Args:
        base: What the layers are copied from; it stays as it is. An untrained student gives random
            features.
        layers: How many layers to copy, as `layers_of` counts them, from 0 to all; or the module
            paths of those to copy.
        freeze: Whether training leaves the copied layers as they are.
        classes: How many classes the new student has; None: as many as the base, or as `into`.
        into: The student to copy into, built by a function; None: the base's own architecture.

    Raises:
        LimbeckError: if there is no such layer, a layer has another shape in `into`, every weight
            would be frozen, or limbeck cannot build the new layers by itself.

    Example:
        >>> student = lb.transfer(run, layers=2, classes=len(data.train.classes))
    """
    source = base.student if isinstance(base, Run) else base
    paths = chosen(source, layers)
    target = new_student(source, classes, into)
    copied = {path: copied_state(source.module.get_submodule(path)) for path in paths}
    check_fits(target, copied)
    assert target.build is not None
    return Student(
        Transplant(without_copies(target.build), copied),
        hidden=target.hidden if into is not None else (),
        architecture=target.architecture,
        frozen=paths if freeze else (),
    )


def new_student(source: Student, classes: int | None, into: Student | None) -> Student:
    """A student that is built anew for each seed, with so many classes."""
    if into is not None:
        if classes is not None:
            raise LimbeckError(
                f"classes={classes} and into= are both given. Build `into` with its classes, and "
                "leave classes out."
            )
        if into.build is None:
            raise LimbeckError(
                "the student to copy into was made from a module, so that its other layers would "
                "be the same with every seed. Make it from a function: Student(lambda: Net())."
            )
        return into
    if classes is None and source.build is not None:
        return source
    name, arguments = next(iter(source.architecture.items()), ("", {}))
    if not name or is_reference(name):
        what = "build new layers" if classes is None else f"give it {classes} classes"
        raise LimbeckError(
            f"the base is a {type(source.module).__name__} that limbeck cannot {what} for. Give "
            "the new student, built by a function: into=Student(lambda: Net(classes))."
        )
    if classes is not None:
        arguments = {**arguments, "classes": classes}
    return from_architecture({name: arguments})


def without_copies(build: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """What builds all layers anew, where the base was itself made by `transfer`."""
    return build.afresh if isinstance(build, Transplant) else build


def copied_state(layer: nn.Module) -> State:
    """A layer's weights and buffers as they are now, on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in layer.state_dict().items()}


def check_fits(target: Student, copied: Mapping[str, State]) -> None:
    """Raise a LimbeckError unless the new student has these layers, in the same shapes."""
    check_layers(target.module, tuple(copied), whose="new student")
    for path, state in copied.items():
        own = target.module.get_submodule(path).state_dict()
        if own.keys() != state.keys():
            raise LimbeckError(
                f"layer '{path}' holds {', '.join(state)} in the base and {', '.join(own)} in the "
                "new student. Copy fewer layers, or build the new student alike."
            )
        for name, value in state.items():
            if own[name].shape != value.shape:
                raise LimbeckError(
                    f"layer '{path}' has '{name}' of shape {tuple(value.shape)} in the base and "
                    f"{tuple(own[name].shape)} in the new student. Copy fewer layers, or build the "
                    "new student alike."
                )
