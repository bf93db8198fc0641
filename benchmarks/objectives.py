"""Every objective against hard labels and soft targets, on digits, over paired seeds.

A small convolutional net, trained on 300 labelled digits, teaches a smaller one on all training
rows. Each objective adds its published weight to a tenth of hard labels; the hidden ones also to
soft targets. Hard labels alone make as many updates, on the labelled rows, as all others; decoupled
soft targets read labels and so learn from the labelled rows of each batch only. Not a ranking of
methods, but a check that each one trains here, and what it brings.

python benchmarks/objectives.py
"""

import statistics
import tempfile

import torch
from measuring import publish

import limbeck as lb
from limbeck.evaluation import score

SEEDS = 10
HARD, SOFT = 0.1 * lb.HardLabels(), 0.9 * lb.SoftTargets(temperature=4.0)
LAYERS = {"teacher_layer": "block1", "student_layer": "block1"}
FEATURES = {"teacher_layer": "layer1", "student_layer": "layer1"}
OBJECTIVES = {
    "soft_targets": HARD + SOFT,
    "logit_matching": HARD + lb.LogitMatching(),
    "decoupled_soft_targets": HARD + lb.DecoupledSoftTargets(),
    "dist": HARD + 2 * lb.Dist(temperature=4.0),
    "hints": HARD + SOFT + 100 * lb.Hints(**LAYERS),
    "attention_transfer": HARD + SOFT + 1000 * lb.AttentionTransfer(**LAYERS),
    "relational_distances": HARD + SOFT + lb.RelationalDistances(**FEATURES),
    "similarity_preserving": HARD + SOFT + 3000 * lb.SimilarityPreserving(**FEATURES),
}


def main() -> None:
    torch.set_num_threads(1)
    data = lb.transfer_sets.digits(labelled=300)
    labelled, test = data.train.labelled(), data.test
    training = lb.Training(
        epochs=40, batch_size=64, optimizer=lb.AdamW(0.003), schedule=lb.Cosine(0.05)
    )
    taught = lb.distill(
        lb.students.cnn((1, 8, 8), [32, 64], 10, dropout=0.3), None, labelled, lb.HardLabels(),
        training, epochs=100,
    )  # fmt: skip
    teacher = lb.TorchModule(taught.student.module, hidden=("block1", "layer1"), name="teacher")
    student = lb.students.cnn((1, 8, 8), [4, 8], 10, hidden=16)

    def accuracy(model: lb.Teacher | lb.Student) -> float:
        return float((score(model, test).argmax(dim=-1) == test.labels).float().mean())

    with tempfile.TemporaryDirectory() as folder:
        store = lb.annotate(teacher, data.train, f"{folder}/store")
        rows = {}
        for name, objective in OBJECTIVES.items():
            first = lb.distill(student, store, data.train, objective, training)
            if not rows:
                twins = first.twins(range(SEEDS))
                rows["hard_labels"] = [100 * accuracy(twin.student) for twin in twins]
            runs = [first, *first.repeats(range(1, SEEDS))]
            rows[name] = [100 * accuracy(run.student) for run in runs]
    publish(
        "objectives",
        {
            "n_seeds": SEEDS,
            "teacher_accuracy_percent": round(100 * accuracy(teacher), 2),
            "student_accuracy_percent": {
                name: {
                    "mean": round(statistics.mean(values), 2),
                    "sd": round(statistics.stdev(values), 2),
                    "minus_soft_targets": round(
                        statistics.mean(values) - statistics.mean(rows["soft_targets"]), 2
                    ),
                }
                for name, values in rows.items()
            },
        },
    )


if __name__ == "__main__":
    main()
