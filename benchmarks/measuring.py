"""Side by side, interleaved, medians: how every benchmark here measures and reports."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

__all__ = ["data_folder", "interleaved", "median", "publish", "ratio"]

RESULTS = Path(__file__).parent / "results"


def data_folder(name: str) -> Path:
    """Where a real data set lies: $LIMBECK_DATA, or shared/data beside the repository."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    return Path(os.environ.get("LIMBECK_DATA", default)) / name


def interleaved(
    arms: Mapping[str, Callable[[], Any]], *, runs: int = 5, warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds of each run of each arm: A B C, B C A, C A B, ..., the first rounds not counted.

    The order turns from round to round, so that no arm always follows the same other one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for run in range(-warm_up, runs):
        turn = run % len(names)
        for name in names[turn:] + names[:turn]:
            begun = time.perf_counter()
            arms[name]()
            if run >= 0:
                seconds[name].append(time.perf_counter() - begun)
    return seconds


def median(values: list[float]) -> float:
    return statistics.median(values)


def ratio(above: list[float], below: list[float]) -> dict[str, float]:
    """The ratio of two arms, pair by pair."""
    pairs = [a / b for a, b in zip(above, below, strict=True)]
    return {
        "median": round(statistics.median(pairs), 4),
        "least": round(min(pairs), 4),
        "most": round(max(pairs), 4),
        "n": len(pairs),
    }


def publish(name: str, figures: Mapping[str, Any]) -> None:
    """Print the figures and write them with versions and hardware to results/<name>.json."""
    facts = {
        "benchmark": name,
        "figures": figures,
        "versions": {
            "python": platform.python_version(),
            **{p: version(p) for p in ("limbeck", "torch", "numpy", "pyarrow", "onnxruntime")},
        },
        "hardware": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        },
    }
    text = json.dumps(facts, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
