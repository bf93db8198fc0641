"""Comparisons made by hand, with plausible and with hostile contents."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

import limbeck as lb
from limbeck.budgeting.budget import Budget
from limbeck.budgeting.halving import Rung
from limbeck.budgeting.measuring import Measured
from limbeck.budgeting.result import Finalist, Fit, Tried
from limbeck.budgeting.softening import Softness, Surface
from limbeck.comparison import ClassChange, Comparison
from limbeck.evaluation import Bin, ClassScores, Evaluation, Interval, Latency, LeftOut
from limbeck.job import History
from limbeck.training import job_of

SCRATCH = (0.9250, 0.9278, 0.9194, 0.9306, 0.9222)
DISTILLED = (0.9389, 0.9361, 0.9333, 0.9417, 0.9361)
HOSTILE = "</script><script>window.hacked=1</script>"
MARKUP = '<b class="hostile">"bold" & \'quoted\'</b>'


def evaluation(model: str, accuracy: float, *, tilt: float, agreement: float | None) -> Evaluation:
    """A model of this accuracy; the tilt says how far confidence is from accuracy."""
    bins = []
    for i in range(15):
        middle = (i + 0.5) / 15
        right = min(1.0, max(0.0, middle + tilt * math.sin(3 * middle)))
        examples = 0 if i < 4 else 4 + 2 * (i - 4) + 240 * (i == 14)
        bins.append(Bin(i / 15, (i + 1) / 15, examples, middle, right))
    size = 6_218 if model == "student" else 1_797_010
    speed = 0.021 if model == "student" else 1.372
    timings = [
        Latency(batch, speed * factor, 1.31 * speed * factor, 50, 10, 1, "Imagined CPU at 3 GHz")
        for batch, factor in ((1, 1.0), (64, 7.9))
    ]
    classes = tuple(ClassScores(str(i), 36, 36, accuracy, accuracy, accuracy) for i in range(10))
    return Evaluation(
        model=model,
        data="digits.test",
        examples=360,
        unlabelled=0,
        accuracy=Interval(accuracy, accuracy - 0.031, accuracy + 0.022),
        macro_precision=accuracy + 0.0012,
        macro_recall=accuracy - 0.0004,
        macro_f1=accuracy + 0.0003,
        nll_nats=0.9 * (1 - accuracy) * 4,
        ece=abs(tilt) / 3,
        brier=1.6 * (1 - accuracy),
        teacher_agreement=agreement,
        per_class=classes,
        groups=(),
        reliability=tuple(bins),
        parameters=size,
        bytes=4 * size + 312,
        latency=tuple(timings),
    )


def history(start: float, floor: float, accuracy: float, seed: int) -> dict[str, object]:
    """Forty epochs of an exponential, with a ripple that differs between the seeds."""
    epochs = range(40)
    ripple = [0.012 * math.sin(seed * 7 + 1.9 * epoch) for epoch in epochs]
    shapes = [math.exp(-epoch / 7) for epoch in epochs]
    return {
        "steps": [25 * (epoch + 1) for epoch in epochs],
        "loss": [floor + start * s + r for s, r in zip(shapes, ripple, strict=True)],
        "validation_accuracy": [
            accuracy - 0.5 * s + r / 4 for s, r in zip(shapes, ripple, strict=True)
        ],
        "best_epoch": 40,
        "seconds": 1.5,
    }


def class_changes() -> tuple[ClassChange, ...]:
    changes = (0.4, 3.1, 1.2, -0.9, 2.0, 0.0, 1.1, -0.2, 4.9, 1.3)
    return tuple(
        ClassChange(
            str(i), 36, 0.92, 0.92 + change / 100, Interval(change, change - 2.2, change + 2.2)
        )
        for i, change in enumerate(changes)
    )


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Distilling wins: an ensemble of three into a small student, five seeds."""
    return Comparison(
        verdict="BEATS",
        sentence=(
            "The distilled student BEATS the one from scratch on digits.test: 93.72% against "
            "92.50%, +1.22 points (95% interval +0.51 to +1.93; paired test over 5 seeds and 360 "
            "examples)."
        ),
        data="digits.test",
        examples=360,
        unlabelled=0,
        seeds=(0, 1, 2, 3, 4),
        teacher=evaluation("ensemble", 0.9722, tilt=0.02, agreement=None),
        distilled=tuple(evaluation("student", a, tilt=0.03, agreement=0.951) for a in DISTILLED),
        scratch=tuple(evaluation("student", a, tilt=-0.09, agreement=0.929) for a in SCRATCH),
        distilled_accuracy=Interval(0.93722, 0.9152, 0.9592),
        scratch_accuracy=Interval(0.9250, 0.8997, 0.9503),
        difference_points=Interval(1.222, 0.51, 1.93),
        gap_recovered=Interval(0.259, 0.09, 0.47),
        gap_note="",
        per_class=class_changes(),
        left_out=(
            LeftOut("forest", 1437, 0.9916, 0.0121, 1437, -0.21),
            LeftOut("boosting", 1437, 0.9743, 0.0302, 1437, -0.63),
            LeftOut("wide_net", 1437, 0.9958, 0.0087, 1437, 0.07),
        ),
        distilled_histories=tuple(history(2.1, 0.31, 0.945, seed) for seed in range(5)),
        scratch_histories=tuple(history(1.7, 0.06, 0.931, seed) for seed in range(5)),
        advice=(),
        recipe={
            "data": "digits",
            "teacher": {"ensemble": ["forest", "boosting", "wide_net"], "combine": "geometric"},
            "student": {"mlp": {"inputs": 64, "hidden": [64], "classes": 10}},
            "objective": {"soft_targets": {"temperature": 4.0, "weight": 0.9}},
            "epochs": 40,
        },
        versions={"limbeck": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "system": "Linux"},
    )


@pytest.fixture(scope="session")
def found(comparison: Comparison) -> Fit:
    """A fit with a winner, another finalist, one stopped early, one over the budget."""

    def tried(
        name: str, ms: float, accuracies: tuple[float, ...], rung: float | None, fits: bool = True
    ) -> Tried:
        file = Measured("float32", round(4000 * ms), 0.8 * ms, ms, 300)
        final = None
        if accuracies:
            test, gain = Interval(0.93, 0.91, 0.95), Interval(1.8, -0.2, 3.8)
            final = Finalist(accuracies, test, gain, gain)
        return Tried(
            name,
            {"mlp": {"hidden": [16], "classes": 10}},
            1000,
            (file,),
            file if fits else None,
            () if rung is None else ((3, rung),),
            final,
        )

    soft, student = Softness(1.0, 0.0), lb.students.mlp(64, [32], 10)
    job = job_of(student, None, lb.transfer_sets.digits().train, lb.SoftTargets(), lb.Training())
    return Fit(
        budget=Budget(2.0),
        machine={"processor": "Imagined CPU at 3 GHz", "threads": 1},
        candidates=(
            tried("mlp 16", 1.0, (0.93, 0.94), 0.9),
            tried("mlp 32", 1.6, (0.94, 0.95), 0.91),
            tried(MARKUP, 0.5, (), 0.8),
            tried("mlp 128", 2.6, (), None, fits=False),
        ),
        rungs=(Rung(3, {"mlp 16": 0.9, "mlp 32": 0.91, MARKUP: 0.8}, ("mlp 32", "mlp 16")),),
        softness=Surface(
            soft,
            Softness(1.5, 0.2),
            {
                Softness(T, h): (0.9 + 0.01 * T, 0.93 - h / 9)
                for T in (1.0, 1.5)
                for h in (0.0, 0.2)
            },
        ),
        winner="mlp 32",
        front=("mlp 16", "mlp 32"),
        verdict="TIES",
        sentence="mlp 32, distilled, TIES with the current student (mlp 16 from scratch).",
        difference_points=Interval(1.8, -0.2, 3.8),
        current_accuracy=Interval(0.912, 0.89, 0.93),
        comparison=comparison,
        next_steps=("1 ms and 4.0 kB would cost 1.00 points of validation accuracy: mlp 16.",),
        run=lb.Run(student, History(), 0, job),
        export=lb.Export(Path("student.onnx"), 6400, 1e-7, 1.0, 360, (1, 8, 8), ("0", "1")),
        int8=None,
    )


@pytest.fixture(scope="session")
def losing(comparison: Comparison) -> Comparison:
    """Distilling loses, without a teacher's evaluation, and there is advice."""
    return replace(
        comparison,
        verdict="LOSES",
        sentence="The distilled student LOSES to the one from scratch.",
        teacher=None,
        distilled=comparison.scratch,
        scratch=comparison.distilled,
        difference_points=Interval(-1.222, -1.93, -0.51),
        gap_recovered=None,
        gap_note="no teacher was measured",
        left_out=(),
        advice=("Use a better teacher.", "Train longer."),
        recipe=None,
    )


@pytest.fixture(scope="session")
def hostile_comparison(comparison: Comparison) -> Comparison:
    """Names from the user's data that try to be markup and script, and long ones."""
    names = (HOSTILE, MARKUP, "x" * 200, "{{ 7 * 7 }}", "');alert(1);//", "naïve 猫 🐈", "", "]]>")
    changes = [
        replace(row, name=name)
        for row, name in zip(comparison.per_class, (*names, "8", "<!--"), strict=True)
    ]
    assert comparison.teacher is not None
    return replace(
        comparison,
        data=MARKUP,
        sentence=f"On {HOSTILE} the distilled student BEATS the one from scratch {'y' * 120}.",
        teacher=replace(comparison.teacher, model=HOSTILE),
        per_class=tuple(changes),
        left_out=tuple(
            replace(row, name=name) for row, name in zip(comparison.left_out, names, strict=False)
        ),
        advice=(f"Look at {HOSTILE}.", MARKUP),
        recipe=f"data: {HOSTILE}\nclasses: [{MARKUP}, {'z' * 150}]\n",
        versions={**comparison.versions, MARKUP: HOSTILE},
    )
