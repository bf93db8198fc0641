"""How long `limbeck --help` takes as a whole process (< 0.5 s), beside a bare interpreter.

Run on a quiet machine: python benchmarks/start.py
"""

import subprocess
import sys
from pathlib import Path

from measuring import interleaved, median, publish

COMMAND = str(Path(sys.executable).parent / "limbeck")


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    seconds = interleaved(
        {
            "help": lambda: run(COMMAND, "--help"),
            "bare_interpreter": lambda: run(sys.executable, "-c", "pass"),
        },
        runs=11,
    )
    publish("start", {f"{name}_seconds": round(median(s), 3) for name, s in seconds.items()})


if __name__ == "__main__":
    main()
