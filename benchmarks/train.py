"""Training from the store against plain supervised training, and against a loop by hand.

The 784-800-800-10 student on all 60,000 MNIST images, one epoch a run, in batches of 128:

    distilled / plain     the same loop, learning from ten stored teachers or from labels (<= 1.05)
    reading / step        the store's gathers as a part of the distilled epoch (<= 0.02)
    plain / by hand       limbeck's loop against a tensor loop without limbeck (<= 1.10)

Run on a quiet machine: python benchmarks/train.py
"""

import tempfile
import time

import torch
from measuring import data_folder, interleaved, median, publish, ratio
from torch.nn import functional

import limbeck as lb
from limbeck import seeding

BATCH = 128


def by_hand(inputs: torch.Tensor, labels: torch.Tensor) -> None:
    """One epoch of plain supervised training in as few lines as it takes."""
    module = lb.students.mlp(784, [800, 800], 10).module
    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    for rows in torch.randperm(len(inputs)).split(BATCH):
        loss = functional.cross_entropy(module(inputs[rows]), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def matrix_rate() -> float:
    """Floating-point operations a second of a large float32 matrix product on this machine."""
    size, best = 2048, float("inf")
    left, right = torch.rand(size, size), torch.rand(size, size)
    for _ in range(10):
        begun = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best


def main() -> None:
    data = lb.transfer_sets.hub_images(data_folder("mnist"), validation=0).train
    teachers = [
        lb.TorchModule(lb.students.mlp(784, [64], 10).fresh(seed).module, name=f"net{seed}")
        for seed in range(10)
    ]
    objective = 0.9 * lb.SoftTargets(temperature=4.0) + 0.1 * lb.HardLabels()
    student = lb.students.mlp(784, [800, 800], 10)
    training = lb.Training(epochs=1, batch_size=BATCH)
    inputs = data.batch(torch.arange(len(data))).inputs
    with tempfile.TemporaryDirectory() as folder:
        store = lb.annotate(lb.Ensemble(teachers), data, f"{folder}/store")

        def reading() -> None:
            for rows in seeding.permutation(len(data), 0, "order", 0).split(BATCH):
                store.read(rows)

        seconds = interleaved(
            {
                "distilled": lambda: lb.distill(student, store, data, objective, training),
                "plain": lambda: lb.distill(student, None, data, lb.HardLabels(), training),
                "by_hand": lambda: by_hand(inputs, data.labels),
                "reading": reading,
            },
            runs=15,
        )
    parameters = sum(p.numel() for p in student.module.parameters())
    rate = 6 * parameters * len(data) / median(seconds["plain"])
    publish(
        "train",
        {
            "seconds_per_epoch": {name: round(median(s), 3) for name, s in seconds.items()},
            "distilled_to_plain": ratio(seconds["distilled"], seconds["plain"]),
            "reading_to_distilled": ratio(seconds["reading"], seconds["distilled"]),
            "plain_to_by_hand": ratio(seconds["plain"], seconds["by_hand"]),
            "share_of_matrix_product_rate": round(rate / matrix_rate(), 3),
        },
    )


if __name__ == "__main__":
    main()
