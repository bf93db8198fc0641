"""The knowledge store: how fast it is read and written, and what it weighs.

    rows a second       shuffled batches of 256 rows x 100 classes, float16, one core (>= 1,000,000)
    bytes a row         the whole folder against 200 bytes of logits (<= 1.02)
    one .pt a row       the same rows from one torch file per example
    annotate / forward  annotating MNIST against the bare forward passes (>= 0.95 of their speed)

Run on a quiet machine: python benchmarks/store.py
"""

import tempfile
from pathlib import Path

import torch
from measuring import data_folder, interleaved, median, publish, ratio

import limbeck as lb
from limbeck import seeding
from limbeck.transfer_sets import Arrays

ROWS, CLASSES, BATCH, FILES = 60_000, 100, 256, 4_096


def hundred_classes() -> tuple[lb.Teacher, Arrays]:
    """A teacher of 100 classes and 60,000 examples of 16 numbers."""
    inputs = torch.randn(ROWS, 16, generator=torch.Generator().manual_seed(0))
    data = Arrays(inputs, classes=tuple(f"class{i}" for i in range(CLASSES)), name="hundred")
    return lb.TorchModule(lb.students.mlp(16, [32], CLASSES).module, name="teacher"), data


def reading(folder: Path) -> dict[str, object]:
    """Rows a second from the store and from one file per example, and bytes a row."""
    teacher, data = hundred_classes()
    store = lb.annotate(teacher, data, folder / "store")
    order = seeding.permutation(ROWS, 0, "benchmark").split(BATCH)
    files = folder / "files"
    files.mkdir()
    for row, logits in enumerate(store.read(torch.arange(FILES)).logits[0].half()):
        torch.save(logits.clone(), files / f"{row}.pt")
    few = seeding.permutation(FILES, 0, "benchmark").split(BATCH)

    def from_store() -> None:
        for rows in order:
            store.read(rows)

    def from_files() -> None:
        for rows in few:
            torch.stack([torch.load(files / f"{r}.pt", weights_only=True) for r in rows.tolist()])

    seconds = interleaved({"store": from_store, "files": from_files}, runs=9)
    size = sum(file.stat().st_size for file in (folder / "store").iterdir())
    per_store = ROWS / median(seconds["store"])
    per_files = FILES / median(seconds["files"])
    return {
        "rows_per_second": round(per_store),
        "rows_per_second_one_file_per_example": round(per_files),
        "store_to_files": round(per_store / per_files, 1),
        "bytes_per_row": round(size / ROWS, 3),
        "bytes_per_row_to_payload": round(size / ROWS / (2 * CLASSES), 4),
    }


def annotating(folder: Path) -> dict[str, object]:
    """Annotating all of MNIST with a 1200-1200 net against its bare forward passes."""
    data = lb.transfer_sets.hub_images(data_folder("mnist"), validation=0).train
    module = lb.students.mlp(784, [1200, 1200], 10).module.eval()
    teacher = lb.TorchModule(module, name="teacher")
    stores = iter(range(1000))

    @torch.inference_mode()
    def forward() -> None:
        for rows in torch.arange(len(data)).split(BATCH):
            module(data.batch(rows).inputs)

    def annotate() -> None:
        lb.annotate(teacher, data, folder / f"mnist{next(stores)}", batch_size=BATCH)

    seconds = interleaved({"forward": forward, "annotate": annotate}, runs=9)
    return {
        "forward_seconds": round(median(seconds["forward"]), 3),
        "annotate_seconds": round(median(seconds["annotate"]), 3),
        "annotating_speed_to_forward": ratio(seconds["forward"], seconds["annotate"]),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(1)
        read = reading(Path(folder))
        torch.set_num_threads(2)
        written = annotating(Path(folder))
    publish("store", read | written)


if __name__ == "__main__":
    main()
