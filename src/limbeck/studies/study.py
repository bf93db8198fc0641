"""A published experiment being reproduced: its size, its data, what it already found, its table.

Each study is a module of this package with a function `run(study) -> list[Row]`, and a `Study` is
all that it is given. What a study computes through `once` is kept in its folder, so that an
interrupted study goes on from there and a finished one is not repeated.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from limbeck.artefacts import read_json, write_json
from limbeck.errors import LimbeckError
from limbeck.fingerprint import digest
from limbeck.job import Progress
from limbeck.transfer_sets import Splits, digits, hub_images

if TYPE_CHECKING:
    import altair

__all__ = ["SIZES", "Figure", "Row", "Size", "Study", "measured"]

Size = Literal["smoke", "small", "full"]
SIZES: tuple[Size, ...] = ("smoke", "small", "full")


@dataclass(frozen=True)
class Figure:
    """A measured number: its mean and standard deviation over n runs.

    Attributes:
        mean: In the row's unit.
        sd: Standard deviation over the runs (n - 1 in the denominator); 0 for a single run.
        n: How many runs, >= 1.
    """

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        digits = 1 if abs(self.mean) >= 100 else 2 if abs(self.mean) >= 1 else 4
        spread = f" ± {self.sd:.{digits}f}" if self.n > 1 else ""
        return f"{self.mean:.{digits}f}{spread} (n = {self.n})"


def measured(values: Sequence[float]) -> Figure:
    """The mean and standard deviation of some runs' figures.

    Raises:
        ValueError: if there are none.
    """
    if not values:
        raise ValueError("no values to take the mean of; give at least one.")
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return Figure(statistics.fmean(values), sd, len(values))


@dataclass(frozen=True)
class Row:
    """One line of a study's table.

    Attributes:
        what: What is measured, with its unit, such as "distilled student, test errors".
        published: The published figure or finding; "" where there is none.
        ours: What came out here.
        wanted: What must hold of our figure, such as "at most 78"; "" for a figure that is only
            reported.
        holds: Whether it does; None where nothing is wanted.
        why: A sentence, where it does not hold.
    """

    what: str
    published: str
    ours: Figure
    wanted: str = ""
    holds: bool | None = None
    why: str = ""


@dataclass
class Study:
    """What a study is given.

    Attributes:
        name: Of the study, such as "hinton-mnist".
        size: "smoke" (seconds), "small" (minutes) or "full" (as published).
        folder: Where checkpoints, stores, figures and results are kept.
        data: A folder with mnist/, cifar10/, ... in the hub's layout; None: the hub itself.
        progress: Told what is done of a long step.
        say: Told, in a line, what happens.
        seconds: Time spent, in this and earlier sittings.
    """

    name: str
    size: Size
    folder: Path
    data: Path | None = None
    progress: Progress | None = None
    say: Callable[[str], None] = print
    seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self.found = self.folder / "found.json"
        self.known: dict[str, Any] = read_json(self.found) if self.found.is_file() else {}
        self.seconds = float(self.known.get("seconds", 0.0))

    def once(self, what: str, make: Callable[[], Any], **settings: Any) -> Any:
        """What `make` gives, as plain JSON values; taken from the folder if it is there.

        Args:
            what: A name for it, unlike any other in the study.
            make: Computes it.
            settings: What it depends on; with other settings it is computed again.
        """
        key = f"{what} [{digest(json.dumps(settings, sort_keys=True, default=repr))[:12]}]"
        values = self.known.setdefault("values", {})
        if key not in values:
            begun = time.monotonic()
            values[key] = json.loads(json.dumps(make()))
            self.seconds += time.monotonic() - begun
            self.known["seconds"] = self.seconds
            write_json(self.found, self.known)
            self.say(f"{what}: {shortened(values[key])}")
        return values[key]

    def images(self, name: str, hub_id: str, *, validation: float = 0.1) -> Splits:
        """An image data set: from the data folder if it is there, else from the hub.

        Raises:
            LimbeckError: if the data folder lacks it.
        """
        if self.data is None:
            return hub_images(hub_id, validation=validation)
        if not (self.data / name).is_dir():
            raise LimbeckError(
                f"{self.data} has no folder '{name}', which the study '{self.name}' reads. Put "
                f"{hub_id} there as Parquet, or leave data= out to take it from the hub."
            )
        return hub_images(self.data / name, validation=validation)

    def digits(self) -> Splits:
        """Scikit-learn's digits, which smoke sizes run on."""
        return digits()

    def figure(self, name: str, chart: "altair.TopLevelMixin") -> Path:
        """Draw a figure as `<study>-<name>.svg` in the folder."""
        import vl_convert

        path = self.folder / f"{self.name}-{name}.svg"
        path.write_text(vl_convert.vegalite_to_svg(chart.to_dict()), encoding="utf-8")
        return path

    def result(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The table as plain values, with versions, hardware and time."""
        from limbeck.comparison import versions

        return {
            "study": self.name,
            "size": self.size,
            "rows": [asdict(row) for row in rows],
            "seconds": round(self.seconds, 1),
            "versions": versions(),
        }


def shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."
