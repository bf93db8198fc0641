"""`limbeck copy`."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["copy"]


def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A shipped recipe.")],
    to: Annotated[
        str | None, typer.Argument(metavar="[TO]", help="Where to; default: NAME.yaml here.")
    ] = None,
) -> None:
    r"""Copy a shipped recipe, to make it yours. An existing file is never overwritten.

    \b
    Examples:
      limbeck copy digits
      limbeck copy digits experiments/mine.yaml
    """
    from limbeck.errors import RecipeError, nearest
    from limbeck.recipes import shipped

    known = shipped()
    if name not in known:
        raise RecipeError(f"there is no shipped recipe '{name}'. {nearest(name, known)}")
    target = Path(to or f"{name}.yaml")
    if target.is_dir():
        target = target / f"{name}.yaml"
    if target.exists():
        raise RecipeError(f"{target} is there already. Give another name: limbeck copy {name} TO")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(known[name].read_text(encoding="utf-8"), encoding="utf-8")
    print(f"copied to {target}. Run it: limbeck run {target}")
