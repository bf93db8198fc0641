"""Does `limbeck plan` tell what then happens? Planned against real seconds of every step.

    python benchmarks/plan.py mnist_ensemble data.hub_images.path=$LIMBECK_DATA/mnist
    python benchmarks/plan.py imdb_gru data.hugging_face.path=... teacher.transformers.model=...

Each recipe is planned, then its teachers, store and student are made in a fresh folder, each step
timed. With output=FOLDER, one that is not there yet, `limbeck run` can go on from what was made.
Wanted: real seconds of the training, of the annotating, and the bytes of the store within 25 % of
the plan. It takes as long as the recipe does; the comparison, whose plan is a bound, is left out.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import publish

import limbeck as lb


def seconds(step: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def main(name: str, changes: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recipe = lb.Recipe.load(name).override([f"output={folder}/run", *changes]).check()
        planned = lb.plan(recipe)
        print(planned, flush=True)
        steps = lb.Experiment(recipe)
        steps.transfer_set()
        real = {"annotate": 0.0, "train the student": 0.0}
        if recipe.teacher is not None:
            for seat in steps.teaching().seats:
                made = seconds(lambda seat=seat: steps.teaching().make_one(seat))
                real |= {f"{begun} teacher {seat.name}": made for begun in ("train", "fit")}
            steps.teacher()
            real["annotate"] = seconds(steps.store)
        real["train the student"] = seconds(steps.run)
        size = sum(each.stat().st_size for each in recipe.store.rglob("*") if each.is_file())
        figures: dict[str, Any] = {
            stage.what: {
                "planned_seconds": round(stage.seconds, 2),
                "real_seconds": round(real[stage.what], 2),
                "real_of_planned": round(real[stage.what] / stage.seconds, 3),
            }
            for stage in planned.stages
            if stage.what in real
        }
        if planned.stores:
            figures["store"] = {
                "planned_bytes": planned.stores[0].size,
                "real_bytes": size,
                "real_of_planned": round(size / planned.stores[0].size, 3),
            }
        publish(f"plan_{Path(name).stem}", figures)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
