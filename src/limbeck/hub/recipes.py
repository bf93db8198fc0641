"""A recipe's student and knowledge as hub folders: teachers and data are those that it names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError
from limbeck.hub.folder import HubFolder, hub_folder
from limbeck.hub.sources import Source, source_of
from limbeck.recipe.plans import Loaded, Scored

if TYPE_CHECKING:
    from limbeck.experiment import Experiment
    from limbeck.teaching import Seat

__all__ = ["hub_folder_of"]


def hub_folder_of(
    experiment: "Experiment",
    *,
    license: str | None = None,
    base_model: Sequence[str] = (),
    dataset: str | None = None,
) -> HubFolder:
    """Write `hub/` into the run folder, with the verdict and the ONNX file; nothing is uploaded.

    Args:
        experiment: Its steps are made if they are not there yet.
        license: As for `hub_folder`.
        base_model: The hub id of each teacher, where the recipe names a copy of it.
        dataset: The hub id of the data, likewise.

    Raises:
        LimbeckError: if there are not as many ids as teachers, or as `hub_folder`.
    """
    recipe = experiment.recipe
    taught = recipe.teacher is not None
    teachers = [of_seat(seat) for seat in experiment.teaching().seats] if taught else []
    if base_model:
        if len(base_model) != len(teachers):
            raise LimbeckError(
                f"there are {len(base_model)} base models for {len(teachers)} teachers. Give one "
                "for each."
            )
        ids = zip(teachers, base_model, strict=True)
        teachers = [replace(teacher, name=hub_id, hub_id=hub_id) for teacher, hub_id in ids]
    place = recipe.data.arguments.get("path")
    data = Source(experiment.transfer_set().name) if place is None else source_of(place)
    if dataset is not None:
        data = replace(data, name=dataset, hub_id=dataset)
    return hub_folder(
        experiment.run(),
        experiment.folder / "hub",
        name=recipe.name,
        comparison=experiment.comparison() if taught else None,
        export=experiment.export(),
        teachers=teachers,
        data=data,
        license=license,
    )


def of_seat(seat: "Seat") -> Source:
    """A recipe's teacher; one that it trains or fits has a name and no more."""
    plan = seat.plan
    if isinstance(plan, Loaded):
        return source_of(plan.path)
    model = plan.piece.arguments.get("model") if isinstance(plan, Scored) else None
    return Source(seat.name) if model is None else source_of(model)
