"""How layers are counted: the top-level blocks that hold weights, in the order they run.

Of `students.cnn` these are block1, block2, ..., layer1 and output; of `students.mlp` layer1,
layer2, ... and output. Flattening, dropout and pooling between them hold no weights and do not
count. Only an `nn.Sequential` says in which order its blocks run; of any other module the layers
are named by their module paths.
"""

from collections.abc import Sequence

from torch import nn

from limbeck.errors import LimbeckError
from limbeck.students import Student, check_layers

__all__ = ["chosen", "layers_of"]


def layers_of(student: Student) -> tuple[str, ...]:
    """The module paths of the layers that a number of layers counts, from the input on.

    Raises:
        LimbeckError: if the student's module is no nn.Sequential.

    Example:
        >>> layers_of(lb.students.cnn((1, 8, 8), [16, 32], 10))
        ('block1', 'block2', 'layer1', 'output')
    """
    module = student.module
    names = tuple(name for name, child in module.named_children() if child.state_dict())
    if not isinstance(module, nn.Sequential):
        raise LimbeckError(
            f"the student is a {type(module).__name__}, which does not say in which order its "
            f"layers run, so they cannot be counted. Name them: layers={names[:2]!r}; it has "
            f"{', '.join(names) or 'none'}."
        )
    return names


def chosen(student: Student, layers: int | Sequence[str]) -> tuple[str, ...]:
    """The first so many layers, or those that are named.

    Raises:
        LimbeckError: if there are fewer, a name is unknown, or a layer holds no weights.
    """
    if isinstance(layers, int):
        counted = layers_of(student)
        if isinstance(layers, bool) or not 0 <= layers <= len(counted):
            raise LimbeckError(
                f"layers is {layers!r}, and the base has {len(counted)}: {', '.join(counted)}. "
                f"Give a number from 0 to {len(counted)}."
            )
        return counted[:layers]
    check_layers(student.module, layers, whose="base")
    for path in layers:
        if not student.module.get_submodule(path).state_dict():
            raise LimbeckError(
                f"the base's layer '{path}' holds no weights, so there is nothing to copy. Leave "
                "it out."
            )
    return tuple(dict.fromkeys(layers))
