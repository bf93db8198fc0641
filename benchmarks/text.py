"""Reviews of IMDB: a 6-layer transformer taught into a CNN, stored against online, and deployed.

    online / stored       an epoch of CNN-128 with the teacher in every step against one from the
                          store (>= 20), the student in float32 and in bfloat16
    forward / annotate    the bare loop of the teacher's forward passes over the same
                          length-sorted batches against annotating (>= 0.95 of its speed)
    padded / sorted       the forward passes with every review padded to 256 tokens against
                          batches of like lengths, padded to their longest (>= 1.5)
    large / small         the same in sorted batches of 256 reviews against batches of 32, which
                          are the default for texts of 256 tokens
    teacher / student     one review, one thread: p50 of the teacher in torch against the exported
                          CNN-128 in onnxruntime (>= 20)

python benchmarks/text.py --encoder FOLDER-OR-HUB-ID [--reviews 512]

The third is beyond what tokens alone give: reviews cut at 256 tokens have 208 on average, so that
sorting saves a fifth.

Reviews are drawn at random from the training part, at 128 tokens for the first figure and the last
and at 256 for the others. An epoch is of four times as many reviews, so that what a training does
once (0.1 s) counts for little, as in the epochs of 22,500 that the recipes have. The teacher's
output layer is untrained: no weight changes a speed. The store is written once before the clock.
Run on a quiet machine.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from measuring import data_folder, interleaved, median, publish, ratio

import limbeck as lb
from limbeck.evaluation.in_turns import session_of
from limbeck.transfer_sets import Texts, hugging_face

BATCH = 32


def reviews(encoder: str, count: int, length: int) -> Texts:
    """Some training reviews."""
    data = hugging_face(
        data_folder("imdb"), tokenizer=encoder, max_length=length, validation=0, test=0
    ).train
    return data.select(
        torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:count]
    )


def teacher_of(encoder: str, length: int) -> lb.TorchModule:
    student = lb.students.transformers_classifier(encoder, 2, max_length=length)
    return lb.TorchModule.from_student(student, name="bert")


def cnn_for(data: Texts) -> lb.Student:
    tokens = data.tokenization
    return lb.students.text_cnn(
        tokens.vocabulary, 2, 128, padding=tokens.padding, max_length=tokens.max_length
    )


def training_figures(encoder: str, count: int, folder: Path) -> dict[str, object]:
    data, teacher = reviews(encoder, 4 * count, 128), teacher_of(encoder, 128)
    store = lb.annotate(teacher, data, folder / "training.store")
    student, soft = cnn_for(data), lb.SoftTargets(temperature=2.0)
    live, kinds = lb.LiveTeacher(teacher, data), ("float32", "bfloat16")
    seconds = interleaved(
        {
            f"{how}, {kind}": partial(
                lb.distill,
                student,
                known,
                data,
                soft,
                lb.Training(epochs=1, batch_size=BATCH, precision=kind),
            )
            for how, known in (("stored", store), ("online", live))
            for kind in kinds
        }
    )
    return {
        "seconds_per_epoch": {name: round(median(each), 2) for name, each in seconds.items()},
        **{
            f"online_to_stored, {kind}": ratio(
                seconds[f"online, {kind}"], seconds[f"stored, {kind}"]
            )
            for kind in kinds
        },
    }


def sorted_batches(data: Texts, size: int = BATCH) -> Iterator[torch.Tensor]:
    return iter(torch.argsort(data.lengths, descending=True, stable=True).split(size))


def annotating_figures(encoder: str, count: int, folder: Path) -> dict[str, object]:
    data, teacher = reviews(encoder, count, 256), teacher_of(encoder, 256)
    stores, module = itertools.count(), teacher.module
    padding = data.tokenization.padding

    def forward(size: int = BATCH) -> None:
        with torch.no_grad():
            for rows in sorted_batches(data, size):
                module(data.batch(rows).inputs)

    def padded() -> None:
        with torch.no_grad():
            for rows in torch.arange(len(data)).split(BATCH):
                tokens = data.batch(rows).inputs
                more = 256 - tokens.shape[1]
                module(torch.nn.functional.pad(tokens, (0, more), value=padding))

    def annotate() -> None:
        lb.annotate(teacher, data, folder / f"{next(stores)}.store", batch_size=BATCH)

    arms = {"forward": forward, "annotate": annotate, "padded": padded}
    seconds = interleaved({**arms, "large": partial(forward, 256)}, runs=9)
    return {
        "seconds": {name: round(median(each), 2) for name, each in seconds.items()},
        "mean_tokens": round(float(data.lengths.float().mean()), 1),
        "annotating_speed_to_forward": ratio(seconds["forward"], seconds["annotate"]),
        "padded_to_sorted": ratio(seconds["padded"], seconds["forward"]),
        "large_to_small": ratio(seconds["large"], seconds["forward"]),
    }


def deployed_figures(encoder: str, folder: Path) -> dict[str, object]:
    """p50 of one review after the other, 200 of them, on one thread; turn by turn."""
    data, teacher = reviews(encoder, 200, 128), teacher_of(encoder, 128)
    student = lb.distill(cnn_for(data), None, data, lb.HardLabels(), epochs=1).student
    path = lb.export(student, folder / "student.onnx", data=data).path
    session = session_of(path)
    name, threads = session.get_inputs()[0].name, torch.get_num_threads()
    torch.set_num_threads(1)
    arms = {
        "teacher": lambda tokens: teacher.module(tokens),
        "student": lambda tokens: session.run(None, {name: tokens.numpy()}),
    }
    milliseconds: dict[str, list[float]] = {arm: [] for arm in arms}
    with torch.no_grad():
        for row in range(-10, len(data)):
            tokens = data.batch(torch.tensor([max(row, 0)])).inputs
            for arm, answer in arms.items():
                begun = time.perf_counter()
                answer(tokens)
                if row >= 0:
                    milliseconds[arm].append(1000 * (time.perf_counter() - begun))
    torch.set_num_threads(threads)
    return {
        "p50_ms": {arm: round(median(each), 3) for arm, each in milliseconds.items()},
        "teacher_to_student": round(
            median(milliseconds["teacher"]) / median(milliseconds["student"]), 1
        ),
        "reviews": len(data),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder", default="sentence-transformers/all-MiniLM-L6-v2")
    parser.add_argument("--reviews", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        publish(
            "text",
            {
                "training": training_figures(arguments.encoder, arguments.reviews, Path(folder)),
                "annotating": annotating_figures(
                    arguments.encoder, arguments.reviews, Path(folder)
                ),
                "deployed": deployed_figures(arguments.encoder, Path(folder)),
            },
        )


if __name__ == "__main__":
    main()
