"""Training many students together against training them one by one, on 60,000 MNIST images.

    50 of 784-30-30-10      ten temperatures x five seeds (>= 4 times as fast)
    16 of 784-300-300-10    four temperatures x four seeds (>= 1.2 times)
    4 of 784-800-800-10     two temperatures x two seeds (never slower)

All students read one store; probing for the best way is counted. Run on a quiet machine:
python benchmarks/sweep.py
"""

import tempfile

from measuring import data_folder, interleaved, median, publish, ratio

import limbeck as lb
from limbeck.job import Job
from limbeck.together import Plan, train_together

SIZES = {"50 of 30-30": (30, 10, 5), "16 of 300-300": (300, 4, 4), "4 of 800-800": (800, 2, 2)}


def jobs(
    data: lb.TransferSet, store: lb.KnowledgeStore, width: int, temperatures: int, seeds: int
) -> list[tuple[Job, int]]:
    """One epoch of every temperature and seed."""
    student = lb.students.mlp(784, [width, width], 10)
    training = lb.Training(epochs=1, batch_size=128)
    updates = -(-len(data) // training.batch_size)
    return [
        (
            Job(
                student,
                store,
                data,
                0.9 * lb.SoftTargets(temperature=1.0 + t) + 0.1 * lb.HardLabels(),
                training,
                None,
                None,
                None,
                updates,
                updates,
            ),
            seed,
        )
        for t in range(temperatures)
        for seed in range(seeds)
    ]


def main() -> None:
    data = lb.transfer_sets.hub_images(data_folder("mnist"), validation=0).train
    teacher = lb.TorchModule(lb.students.mlp(784, [64], 10).module, name="teacher")
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        store = lb.annotate(teacher, data, f"{folder}/store")
        for name, size in SIZES.items():
            runs = jobs(data, store, *size)
            seconds = interleaved(
                {
                    "one_by_one": lambda runs=runs: train_together(runs, plan=Plan()),
                    "together": lambda runs=runs: train_together(runs),
                },
                runs=5,
                warm_up=0,
            )
            figures[name] = {
                "seconds": {way: round(median(s), 2) for way, s in seconds.items()},
                "one_by_one_to_together": ratio(seconds["one_by_one"], seconds["together"]),
            }
            print(name, figures[name], flush=True)
    publish("sweep", figures)


if __name__ == "__main__":
    main()
