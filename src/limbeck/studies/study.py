"""A published experiment being reproduced: its size, its data, and what it already found.

Each study is a module of this package with a function `run(study) -> list[Row]`, and a `Study` is
all that it is given. What a study computes through `once` is kept in its folder, so that an
interrupted study goes on from there and a finished one is not repeated.
"""

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import limbeck as lb
from limbeck.artefacts import read_json, write_json
from limbeck.errors import LimbeckError
from limbeck.evaluation import score
from limbeck.fingerprint import digest
from limbeck.job import Progress
from limbeck.store import KnowledgeSource
from limbeck.studies.table import Row
from limbeck.transfer_sets import Splits, TransferSet, digits, hub_images, split

if TYPE_CHECKING:
    import altair

__all__ = ["SIZES", "Size", "Study", "accuracy"]

Size = Literal["smoke", "small", "full"]
SIZES: tuple[Size, ...] = ("smoke", "small", "full")


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
        conclusion: What the table says about the study's question, in a paragraph; "" for none.
        seconds: Time spent, in this and earlier sittings.
    """

    name: str
    size: Size
    folder: Path
    data: Path | None = None
    progress: Progress | None = None
    say: Callable[[str], None] = print
    conclusion: str = field(init=False, default="")
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

    def repeat(
        self, what: str, seeds: int, make: Callable[[int], Any], /, **settings: Any
    ) -> list[Any]:
        """What `make` gives for every seed from 0, each `once`, named "<what> <seed>"."""
        return [self.once(f"{what} {s}", partial(make, s), **settings) for s in range(seeds)]

    def choose(
        self,
        what: str,
        candidates: Sequence[float],
        measure: Callable[[float], float],
        best: Callable[[Sequence[float]], float],
        /,
        **settings: Any,
    ) -> float:
        """The candidate with the best measure, of equally good ones the first; each is tried once.

        Args:
            what: A name for the candidates, such as "digits, T".
            candidates: What to choose from.
            measure: Of a candidate, on validation data.
            best: `max` or `min`.
            settings: What the measures depend on.
        """
        tried = [self.once(f"{what}={c:g}", partial(measure, c), **settings) for c in candidates]
        return candidates[tried.index(best(tried))]

    def source(self, name: str, hub_id: str) -> str | Path:
        """Where a data set or a model is: in the data folder, or, without one, on the hub.

        Raises:
            LimbeckError: if the data folder lacks it.
        """
        if self.data is None:
            return hub_id
        if not (self.data / name).is_dir():
            raise LimbeckError(
                f"{self.data} has no folder '{name}', which the study '{self.name}' reads. Put "
                f"{hub_id} there, or leave data= out to take it from the hub."
            )
        return self.data / name

    def images(self, name: str, hub_id: str, *, validation: float = 0.1, train: int = 0) -> Splits:
        """An image data set: from the data folder if it is there, else from the hub.

        Args:
            name: Of its folder in the data folder.
            hub_id: Where the hub has it.
            validation: Share or number of the training images that are kept apart.
            train: How many of the others to take, evenly over the classes; 0 for all.

        Raises:
            LimbeckError: if the data folder lacks it.
        """
        found = hub_images(self.source(name, hub_id), validation=validation)
        return replace(found, train=split(found.train, train)[0]) if train else found

    @property
    def kept(self) -> dict[str, Any]:
        """What every verb that trains is told: the folder's `checkpoint`, and `progress`."""
        return {"checkpoint": self.folder / "checkpoints", "progress": self.progress}

    def distill(
        self,
        student: lb.Student,
        knowledge: KnowledgeSource | None,
        examples: TransferSet,
        objective: lb.Objective,
        training: lb.Training,
        *,
        seed: int = 0,
        validation: TransferSet | None = None,
    ) -> lb.Run:
        """`lb.distill`, with the study's folder and progress."""
        return lb.distill(
            student,
            knowledge,
            examples,
            objective,
            training,
            seed=seed,
            validation=validation,
            **self.kept,
        )

    def annotate(self, teacher: lb.Teacher, examples: TransferSet, name: str) -> lb.KnowledgeStore:
        """The teacher's answers about the examples, asked once: `<name>.store` in the folder.

        Nothing is said of answers that are too sure: what they teach is for the study to find.
        """
        path = self.folder / f"{name}.store"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lb.NoKnowledgeWarning)
            return lb.annotate(teacher, examples, path, dtype="float32", progress=self.progress)

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
            "conclusion": self.conclusion,
            "seconds": round(self.seconds, 1),
            "versions": versions(),
        }


def accuracy(model: lb.Teacher | lb.Student, examples: TransferSet | None) -> float:
    """Share of the examples whose class it names, in %."""
    assert examples is not None
    right = score(model, examples).argmax(dim=1) == examples.labels
    return 100 * float(right.double().mean())


def shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."
