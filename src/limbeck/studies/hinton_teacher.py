"""The MNIST teacher of Hinton, Vinyals & Dean 2015, section 3, which several studies share.

784-1200-1200-10 with ReLU, dropout, limited weight vectors and images jittered by up to 2 pixels,
after Hinton et al. 2012, https://arxiv.org/abs/1207.0580. The paper leaves optimiser, rate and
epochs open; ours are a modern schedule with averaged weights.
"""

import math
from dataclasses import replace

import limbeck as lb
from limbeck.studies.study import Study
from limbeck.transfer_sets import TransferSet

__all__ = ["averaging", "hinton_teacher"]

TRAINING = lb.Training(
    batch_size=250,
    optimizer=lb.SGD(learning_rate=0.1, momentum=0.9),
    max_norm=3.5,
)


def hinton_teacher(
    study: Study,
    train: TransferSet,
    *,
    units: int = 1200,
    epochs: int = 150,
    pixels: int = 2,
    seed: int = 0,
    precision: str = "float32",
) -> lb.TorchModule:
    """Train the teacher on a training part, or read it back from the study's folder.

    Args:
        study: Whose folder keeps the checkpoint.
        train: Labelled images, not jittered.
        units: Width of both hidden layers, >= 1.
        epochs: Passes, each over freshly jittered images, >= 1.
        pixels: How far images are jittered, >= 1.
        seed: Of initial weights, order and dropout.
        precision: As in `Training`.
    """
    student = lb.students.mlp(
        math.prod(train.input_shape),
        [units, units],
        len(train.classes),
        dropout=0.5,
        input_dropout=0.2,
    )
    updates = epochs * math.ceil(len(train) / TRAINING.batch_size)
    run = lb.distill(
        student,
        None,
        lb.Views(lb.Shift(pixels=pixels), count=None).of(train),
        lb.HardLabels(),
        replace(TRAINING, epochs=epochs, average=averaging(updates), precision=precision),
        seed=seed,
        checkpoint=study.folder / "checkpoints",
        progress=study.progress,
    )
    return lb.TorchModule.from_student(run.student, name=f"teacher{seed}")


def averaging(updates: int) -> float:
    """A decay of the averaged weights that looks back over about a thirtieth of the run."""
    return min(0.999, max(0.5, 1 - 30 / updates))
