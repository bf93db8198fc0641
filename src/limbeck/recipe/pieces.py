"""Pieces of a recipe: a name with its arguments, not yet built."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from limbeck.recipe import user_code
from limbeck.recipe.annotations import parameters
from limbeck.recipe.marked import Node, Place, plain
from limbeck.recipe.reading import (
    arguments,
    choose,
    construct,
    mapping,
    refuse_unknown,
    single,
)
from limbeck.students.user_function import call, user_function

__all__ = ["Piece", "read_piece"]

T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """A class or function by its recipe name, and what the recipe says of its arguments.

    Attributes:
        name: The snake-case name, or `my_file.py:function`.
        arguments: Read according to the function's annotations; as stated for a user's function.
        place: Where the recipe says so.
        target: What to call; None for a user's function, which is imported when it is built.
    """

    name: str
    arguments: Mapping[str, Any]
    place: Place = field(compare=False, repr=False)
    target: Callable[..., Any] | None = field(default=None, compare=False, repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Name and all arguments, defaults included, as plain values to hash."""
        defaults = {}
        if self.target is not None:
            defaults = {
                name: parameter.default
                for name, parameter in parameters(self.target).items()
                if parameter.default is not parameter.empty
            }
        return {self.name: {**defaults, **self.arguments}}

    def build(self, given: Mapping[str, Any] | None = None) -> Any:
        """Call it. What the data gives fills parameters that the recipe leaves out.

        Raises:
            LimbeckError: if it refuses its arguments, naming the line, or if a user's function
                raises.
        """
        node = Node({name: Node(None, self.place) for name in self.arguments}, self.place)
        if self.target is not None:
            return construct(self.target, self.filled(self.target, given or {}), node, self.name)
        target = user_function(user_code.absolute(self.name, self.place))
        refuse_unknown(node.value, inspect.signature(target).parameters, self.name)
        return call(target, self.filled(target, given or {}), self.name)

    def build_as(self, kind: type[T], given: Mapping[str, Any] | None = None) -> T:
        """Call it, and refuse what a user's function should not have returned.

        Raises:
            LimbeckError: as `build`, and if the result is of another kind.
        """
        built = self.build(given)
        if isinstance(built, kind):
            return built
        raise self.place.error(
            f"{self.name} returned {type(built).__name__}; it needs to return {kind.__name__}."
        )

    def filled(self, target: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, and of what is given the parameters that the recipe leaves out."""
        known = {*inspect.signature(target).parameters, *parameters(target)}
        return {
            **{name: value for name, value in given.items() if name in known},
            **self.arguments,
        }


def read_piece(
    node: Node,
    choices: Mapping[str, Callable[..., Any]],
    owner: str,
    *,
    given: Sequence[str] = (),
) -> Piece:
    """Read `{name: {arguments}}`, the name being a choice or `my_file.py:function`.

    Raises:
        RecipeError: for an unknown name or key, or a value of a wrong type.
    """
    name, rest = single(node, owner, choices)
    if user_code.is_reference(name):
        user_code.check_user_code(name, rest.place)
        stated = {key: plain(child) for key, child in mapping(rest, owner).items()}
        return Piece(name, stated, rest.place)
    if name not in choices:
        user_code.refuse_dotted(name, rest.place)
    name, target, rest = choose(node, choices, owner)
    return Piece(name, arguments(rest, target, owner, given=given), rest.place, target)
