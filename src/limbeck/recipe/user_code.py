"""The user's own functions, named `file.py:function` in the user's own recipe.

That is the only code a recipe can bring. A recipe is loaded and checked without running it: the
file is only parsed then, and imported when the recipe is run.
"""

import ast
from pathlib import Path

from limbeck.recipe.marked import Place, shown
from limbeck.students.user_function import is_reference

__all__ = ["absolute", "check_user_code", "is_reference", "refuse_dotted"]


def refuse_dotted(name: str, place: Place) -> None:
    """Refuse `package.Class`: a recipe cannot reach into installed packages.

    Raises:
        RecipeError: if the name has a dot and is not `file.py:function`.
    """
    if "." in name and not is_reference(name):
        raise place.error(
            f"{shown(name)} is a name inside a package, which a recipe cannot call. Write a "
            "function in a file of yours and name it as 'my_file.py:function'."
        )


def check_user_code(name: str, place: Place) -> Path:
    """The file of `file.py:function`, after looking that it defines the function.

    Raises:
        RecipeError: if the file is missing, is not Python or defines no such function or class.
    """
    path, function = located(name, place)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError, RecursionError) as error:
        if isinstance(error, FileNotFoundError):
            raise place.error(
                f"there is no file {path}, which {shown(name)} names. Give its path relative to "
                "the recipe."
            ) from None
        raise place.error(f"{path} cannot be read as Python: {error}.") from None
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = [node.name for node in tree.body if isinstance(node, kinds)]
    if function not in defined:
        listed = ", ".join(defined) or "none"
        raise place.error(f"{path} defines no function {shown(function)}. It defines: {listed}.")
    return path


def absolute(name: str, place: Place) -> str:
    """The reference with the file's absolute path, which is right in any working folder."""
    path, function = located(name, place)
    return f"{path.resolve()}:{function}"


def located(name: str, place: Place) -> tuple[Path, str]:
    file, _, function = name.rpartition(":")
    if not function.isidentifier() or "\0" in file:
        raise place.error(f"{shown(name)} is not of the form 'my_file.py:function'.")
    return place.folder / Path(file), function
