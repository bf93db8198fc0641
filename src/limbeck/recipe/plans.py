"""What a teacher of a recipe can be: a network to train, a classifier to fit, files to load."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from limbeck.job import Training
from limbeck.recipe.pieces import Piece

__all__ = [
    "Ensembled",
    "Fitted",
    "Loaded",
    "Member",
    "Scored",
    "TeacherPlan",
    "Trained",
    "folder_name",
    "members_of",
    "network_of",
]


@dataclass(frozen=True)
class Trained:
    """A network trained on the labelled rows by the loop that trains students.

    Attributes:
        student: The network.
        training: How to train it.
        seeds: How many of it to train, each with its own seed.
        views: Augmentation while training; None for none.
    """

    student: Piece
    training: Training
    seeds: int = 1
    views: Piece | None = None

    @property
    def name(self) -> str:
        """What its teachers' names begin with."""
        return self.student.name.rpartition(":")[2]

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the seed, to hash."""
        views = None if self.views is None else self.views.settings
        return {
            "student": self.student.settings,
            "training": {"kinds": repr(self.training), **asdict(self.training)},
            "views": views,
        }


@dataclass(frozen=True)
class Fitted:
    """A scikit-learn or XGBoost classifier fitted to the labelled rows."""

    estimator: Piece

    @property
    def name(self) -> str:
        """What its teacher's name begins with."""
        return self.estimator.name.rpartition(":")[2]


@dataclass(frozen=True)
class Loaded:
    """A teacher from a folder or file, as `Teacher.load` reads it.

    Attributes:
        path: The folder or file.
        piece: `Teacher.load` and its arguments.
    """

    path: Path
    piece: Piece

    @property
    def name(self) -> str:
        """What its teacher's name begins with."""
        return str(self.piece.arguments.get("name") or self.path.stem)


@dataclass(frozen=True)
class Scored:
    """A `TorchModule`, an `OnnxModel` or a `Transformers` with the constructor's arguments.

    Attributes:
        piece: The class and its arguments.
        module: Of a torch_module: `my_file.py:function` that builds it.
    """

    piece: Piece
    module: str | None = None

    @property
    def name(self) -> str:
        """What its teacher's name begins with."""
        return str(self.piece.arguments.get("name") or self.piece.name)


Member = Trained | Fitted | Loaded | Scored


@dataclass(frozen=True)
class Ensembled:
    """Several teachers as one; see `limbeck.teachers.Ensemble`."""

    members: tuple[Member, ...]
    arguments: dict[str, Any] = field(default_factory=dict)


TeacherPlan = Member | Ensembled


def members_of(plan: TeacherPlan | None) -> tuple[Member, ...]:
    """The teachers that a plan names: those of an ensemble, one alone, or none."""
    if plan is None:
        return ()
    return plan.members if isinstance(plan, Ensembled) else (plan,)


def folder_name(name: str) -> str:
    """What the folder of a teacher of this name is called in the run folder."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name) or "teacher"


def network_of(plan: TeacherPlan | None, output: Path) -> Path | None:
    """The folder of the network that is the teacher, there or still to come; None if none is."""
    if isinstance(plan, Trained):
        return output / "teachers" / folder_name(plan.name)
    return plan.path if isinstance(plan, Loaded) else None
