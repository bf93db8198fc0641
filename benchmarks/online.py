"""Distilling ten 1200-1200 MNIST teachers into one 800-800 net: stored against online.

All 60,000 images, one epoch a run, batches of 128, T = 4, the teachers combined geometrically:

    textbook / limbeck        a DataLoader and the ten teachers in every step (>= 5)
    torchdistill / limbeck    its DistillationBox, in an environment of its own (>= 5)

limbeck's epoch reads the store; annotating, done once for any number of epochs and students, is
told apart. torchdistill 1.1.5 imports torchvision; the environment is made at the first run in
benchmarks/.peer, or given: python benchmarks/online.py --peer PATH-TO-ITS-PYTHON

Run on a quiet machine.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import torch
from measuring import data_folder, interleaved, median, publish, ratio
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import limbeck as lb

BATCH, TEMPERATURE, HERE = 128, 4.0, Path(__file__).parent
REQUIREMENTS = ("torch==2.14.1", "torchvision==0.29.1", "torchdistill==1.1.5")


def net(width: int) -> nn.Module:
    return lb.students.mlp(784, [width, width], 10).module


def textbook_epoch(teachers: list[nn.Module], student: nn.Module, loader: DataLoader) -> None:
    """Online distillation as tutorials have it."""
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3)
    student.train()
    for images, labels in loader:
        with torch.no_grad():
            soft = torch.stack([teacher(images) for teacher in teachers]).mean(dim=0)
        logits = student(images)
        distance = functional.kl_div(
            functional.log_softmax(logits / TEMPERATURE, dim=1),
            functional.softmax(soft / TEMPERATURE, dim=1),
            reduction="batchmean",
        )
        loss = 0.9 * TEMPERATURE**2 * distance + 0.1 * functional.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def peer_python(given: str | None) -> str:
    """The interpreter of an environment with torchdistill in it."""
    if given:
        return given
    folder = HERE / ".peer"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
    return str(python)


class Peer:
    """torchdistill in a process of its own, one epoch on demand."""

    def __init__(self, python: str, data: Path) -> None:
        command = [python, str(HERE / "peer_torchdistill.py"), str(data)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self.line()

    def line(self) -> str:
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit("the torchdistill process ended; see its error above")
        return answer

    def epoch(self) -> None:
        self.process.stdin.write("epoch\n")
        self.process.stdin.flush()
        self.line()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="a Python with torchdistill 1.1.5")
    arguments = parser.parse_args()
    data = lb.transfer_sets.hub_images(data_folder("mnist"), validation=0).train
    inputs = data.batch(torch.arange(len(data))).inputs
    modules = [net(1200).eval() for _ in range(10)]
    ensemble = lb.Ensemble(
        [lb.TorchModule(m, name=f"net{i}") for i, m in enumerate(modules)], combine="geometric"
    )
    objective = 0.9 * lb.SoftTargets(temperature=TEMPERATURE) + 0.1 * lb.HardLabels()
    student = lb.students.mlp(784, [800, 800], 10)
    training = lb.Training(epochs=1, batch_size=BATCH)
    loader = DataLoader(TensorDataset(inputs, data.labels), batch_size=BATCH, shuffle=True)
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"inputs": inputs, "labels": data.labels}, f"{folder}/mnist.pt")
        peer = Peer(peer_python(arguments.peer), Path(folder) / "mnist.pt")
        annotating = []
        for run in range(2):
            begun = time.perf_counter()
            store = lb.annotate(ensemble, data, f"{folder}/store{run}")
            annotating.append(time.perf_counter() - begun)
        seconds = interleaved(
            {
                "limbeck": lambda: lb.distill(student, store, data, objective, training),
                "textbook": lambda: textbook_epoch(modules, net(800), loader),
                "torchdistill": peer.epoch,
            }
        )
    first = median(seconds["limbeck"]) + median(annotating)
    publish(
        "online",
        {
            "seconds_per_epoch": {name: round(median(s), 2) for name, s in seconds.items()},
            "annotating_seconds": round(median(annotating), 2),
            "textbook_to_limbeck": ratio(seconds["textbook"], seconds["limbeck"]),
            "torchdistill_to_limbeck": ratio(seconds["torchdistill"], seconds["limbeck"]),
            "textbook_to_limbeck_first_epoch_with_annotating": round(
                median(seconds["textbook"]) / first, 2
            ),
            "peer": peer.version,
        },
    )


if __name__ == "__main__":
    main()
