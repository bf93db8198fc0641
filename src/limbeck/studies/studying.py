"""Finding a study by its name and running it: every module here but a few."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from limbeck.artefacts import write_json
from limbeck.errors import LimbeckError, nearest
from limbeck.job import Progress
from limbeck.studies.study import SIZES, Size, Study
from limbeck.studies.table import Row

__all__ = ["names", "run_study", "study_module"]

NOT_STUDIES = {
    "__init__",
    "charts",
    "hinton_teacher",
    "imdb_arms",
    "imdb_reviews",
    "imdb_table",
    "linear_images",
    "linear_measurements",
    "page",
    "study",
    "studying",
    "table",
    "transfer_curves",
}


@runtime_checkable
class StudyModule(Protocol):
    """What the file of a study has: its story, and how it is run."""

    __doc__: str | None

    def run(self, study: Study) -> list[Row]:
        """Do the experiment and give its table."""
        ...


def names() -> tuple[str, ...]:
    """The studies there are, by name."""
    files = sorted(path.stem for path in Path(__file__).parent.glob("*.py"))
    return tuple(name.replace("_", "-") for name in files if name not in NOT_STUDIES)


def study_module(name: str) -> StudyModule:
    """The module of a study.

    Raises:
        LimbeckError: if there is none of this name; the nearest is named.
    """
    if name not in names():
        raise LimbeckError(f"there is no study '{name}'. {nearest(name, names(), what='studies')}")
    module = importlib.import_module(f"limbeck.studies.{name.replace('-', '_')}")
    return cast(StudyModule, module)


def run_study(
    name: str,
    size: Size | str = "small",
    *,
    data: str | Path | None = None,
    output: str | Path | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Run a study, or go on with it, and write its table to `<output>/<name>.json`.

    Args:
        name: One of `names()`.
        size: "smoke", "small" or "full".
        data: A folder with mnist/, cifar10/, ... in the hub's layout; None: the hub itself.
        output: Where everything is kept; None: runs/studies/<name>-<size>.
        progress: Told what is done of a long step.
        say: Told, in a line, what happens.

    Returns:
        The table as plain values, with versions and time.

    Raises:
        LimbeckError: if there is no such study, size or data.
    """
    module = study_module(name)
    if size not in SIZES:
        raise LimbeckError(f"size is '{size}'. Use {', '.join(SIZES)}.")
    if data is not None and not Path(data).is_dir():
        raise LimbeckError(f"there is no folder {data}. Give one that holds mnist/, cifar10/, ...")
    chosen: Size = next(known for known in SIZES if known == size)
    folder = Path("runs") / "studies" / f"{name}-{size}" if output is None else Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    study = Study(name, chosen, folder, None if data is None else Path(data), progress, say)
    result = study.result(module.run(study))
    write_json(folder / f"{name}.json", result)
    return result
