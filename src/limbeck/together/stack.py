"""The training of many students as one stacked model: the loop of `limbeck.loop`, s at a time.

Every student has its own initial weights, data order, learning rate, temperature and weights of the
objective, and gets the numbers of a run of its own, but for the rounding of sums in another order.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.checkpoint import (
    flatten_optimizer,
    load_checkpoint,
    save_checkpoint,
    unflatten_optimizer,
)
from limbeck.errors import LimbeckError
from limbeck.fingerprint import digest
from limbeck.fitting import CHECKPOINT_SECONDS, Fitting
from limbeck.job import History, Progress
from limbeck.loop import runs_of_batches
from limbeck.max_norm import shorten
from limbeck.together.loss import StackedLoss
from limbeck.together.model import StackedModel

__all__ = ["Stack"]


class Stack:
    """Students being trained as one.

    Args:
        fittings: One per student, before its first update, of jobs that can be stacked.

    Attributes:
        errors: Of the students that diverged: position -> what to do about it.
    """

    def __init__(self, fittings: Sequence[Fitting]) -> None:
        self.fittings = sorted(fittings, key=lambda f: (f.seed, f.identity))
        first = self.fittings[0]
        self.job = first.job
        self.device = first.device
        self.seeds = sorted({f.seed for f in self.fittings})
        orders = torch.tensor([self.seeds.index(f.seed) for f in self.fittings])
        self.orders = None if len(self.seeds) == 1 else orders.to(self.device)
        probe = self.job.transfer_set.batch(torch.arange(min(4, len(self.job.transfer_set))))
        self.model = StackedModel(
            [f.student.module for f in self.fittings], probe.inputs.to(self.device)
        )
        self.loss = StackedLoss([f.objective for f in self.fittings], self.device)
        self.trained = [w for w in self.model.weights.values() if w.requires_grad]
        self.slices: list[tuple[Tensor, Tensor, slice]] = []
        self.optimizer = self.build_optimizer()
        self.averages = [w.detach().clone() for w in self.trained]
        self.averaged = 0
        self.epoch_loss = torch.zeros(len(self.fittings), device=self.device)
        self.step = 0
        self.errors: dict[int, LimbeckError] = {}
        self.saved_at = self.begun_at = time.monotonic()

    def build_optimizer(self) -> torch.optim.Optimizer:
        """One optimizer; students of another learning rate are another group of it."""
        groups: list[dict[str, object]] = []
        rate = [f.job.training.optimizer.learning_rate for f in self.fittings]
        for learning_rate, positions in groupby(range(len(rate)), key=rate.__getitem__):
            run = list(positions)
            where = slice(run[0], run[-1] + 1)
            for decays in (True, False):
                chosen = [w for w in self.trained if (w.ndim > 2) == decays]
                parts = [w.detach()[where] for w in chosen]
                self.slices += [(w, p, where) for w, p in zip(chosen, parts, strict=True)]
                decay = self.job.training.optimizer.weight_decay if decays else 0.0
                groups.append({"params": parts, "weight_decay": decay, "rate": learning_rate})
        return self.job.training.optimizer.over(groups)

    @property
    def path(self) -> Path | None:
        """Where the checkpoint of the whole stack is, if there is to be one."""
        folder = self.job.checkpoint
        name = digest("stack", *(f.identity for f in self.fittings))[:16]
        return None if folder is None else folder / f"stack-{name}.safetensors"

    def train(self, progress: Progress | None = None) -> None:
        """Train all students to the end."""
        students = len(self.fittings)
        for rows, view in self.batches():
            if self.finished():
                return
            self.advance(self.update(rows, view))
            if progress is not None:
                progress("train", self.step * students, self.job.updates * students)

    def batches(self) -> Iterator[tuple[Int[Tensor, "orders b"], int]]:
        """The rows of every order's next batch, and their view."""
        runs = (runs_of_batches(self.job, seed, self.step) for seed in self.seeds)
        for several in zip(*runs, strict=True):
            rows = torch.stack([rows for rows, _ in several])
            for part in rows.split(self.job.training.batch_size, dim=1):
                yield part, several[0][1]

    def update(self, rows: Int[Tensor, "orders b"], view: int) -> Float[Tensor, " s"]:
        """One step of every student, on the batch of its order; each student's loss."""
        count, size = rows.shape
        batch = self.job.transfer_set.batch(rows.flatten(), view)
        knowledge = None
        if self.job.knowledge is not None:
            knowledge = self.job.knowledge.read(rows.flatten(), view).to(self.device)
        inputs = batch.inputs.unflatten(0, (count, size)).to(self.device)
        labels = batch.labels.view(count, size).to(self.device)
        of_each = (
            labels.expand(len(self.fittings), size)
            if self.orders is None
            else (labels[self.orders])
        )
        losses = self.loss(self.model.logits(inputs, self.orders), knowledge, self.orders, of_each)
        torch.autograd.backward(losses.sum())
        self.descend()
        return losses.detach()

    def advance(self, losses: Float[Tensor, " s"]) -> None:
        """Count an update; at the end of an epoch, measure; now and then, save."""
        self.step += 1
        self.epoch_loss += losses
        if self.step % self.job.epoch_updates == 0 or self.step == self.job.updates:
            self.end_epoch()
        if self.path is not None and time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS:
            self.save()

    def descend(self) -> None:
        """One step of the optimizer, from the gradients that have been gathered."""
        training = self.job.training
        if training.clip is not None:
            clip_each(self.trained, training.clip)
        for weight, part, where in self.slices:
            part.grad = None if weight.grad is None else weight.grad[where]
        factor = training.schedule.factor(self.step, self.job.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = group["rate"] * factor
        self.optimizer.step()
        for weight in self.trained:
            weight.grad = None
        if training.max_norm is not None:
            for weight in (self.model.weights[name] for name in self.model.linear):
                if weight.requires_grad:
                    shorten(weight, training.max_norm)
        if training.average is not None:
            self.follow(training.average)

    def follow(self, decay: float) -> None:
        """Move the averages; the first update starts them."""
        weights = [w.detach() for w in self.trained]
        torch._foreach_lerp_(self.averages, weights, 1.0 if self.averaged == 0 else 1 - decay)
        self.averaged += 1

    def end_epoch(self) -> None:
        """Every student measures its epoch; those that diverged are set aside."""
        self.give_back()
        for position, fitting in enumerate(self.fittings):
            if position in self.errors or fitting.stopped:
                continue
            steps = fitting.history.steps
            updates = self.step - (steps[-1] if steps else 0)
            fitting.step = self.step
            try:
                fitting.note(float(self.epoch_loss[position]) / updates)
            except LimbeckError as error:
                self.errors[position] = error
                self.lay_to_rest(position)
        self.epoch_loss.zero_()

    def lay_to_rest(self, position: int) -> None:
        """Weights of zero: what has diverged must not feed NaN or subnormal numbers any more."""
        for weight in self.trained:
            weight.detach()[position].zero_()

    def finished(self) -> bool:
        """Whether nobody has anything left to learn."""
        return all(f.stopped or i in self.errors for i, f in enumerate(self.fittings))

    @torch.no_grad()
    def give_back(self) -> None:
        """Give every student its present weights, and averages."""
        for position, fitting in enumerate(self.fittings):
            for name, parameter in fitting.student.module.named_parameters():
                parameter.copy_(self.model.weights[name][position])
            if fitting.average is not None:
                averages = [p for p in fitting.average.module.parameters() if p.requires_grad]
                for parameter, average in zip(averages, self.averages, strict=True):
                    parameter.copy_(average[position])

    def save(self) -> None:
        """Write the checkpoint of the whole stack."""
        if self.path is None:
            return
        tensors = {f"weight.{name}": w for name, w in self.model.weights.items()}
        tensors |= flatten_optimizer(self.optimizer) | {"epoch_loss": self.epoch_loss}
        tensors |= {f"average.{i}": average for i, average in enumerate(self.averages)}
        self.clock()
        for i, fitting in enumerate(self.fittings):
            tensors |= {f"best.{i}.{name}": value for name, value in fitting.best.items()}
        values = {
            "step": self.step,
            "averaged": self.averaged,
            "errors": {i: str(error) for i, error in self.errors.items()},
            "histories": [fitting.history.to_json() for fitting in self.fittings],
            "stopped": [fitting.stopped for fitting in self.fittings],
        }
        save_checkpoint(self.path, tensors, values)
        self.saved_at = time.monotonic()

    @torch.no_grad()
    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        found = None if self.path is None else load_checkpoint(self.path)
        if found is None:
            return
        tensors, values = found
        self.step, self.averaged = values["step"], values["averaged"]
        self.errors = {int(i): LimbeckError(text) for i, text in values["errors"].items()}
        for name, weight in self.model.weights.items():
            weight.copy_(tensors[f"weight.{name}"])
        unflatten_optimizer(self.optimizer, tensors)
        self.epoch_loss.copy_(tensors["epoch_loss"])
        for i, average in enumerate(self.averages):
            average.copy_(tensors[f"average.{i}"])
        for i, fitting in enumerate(self.fittings):
            fitting.history = History(**values["histories"][i])
            fitting.step, fitting.stopped = self.step, values["stopped"][i]
            prefix = f"best.{i}."
            fitting.best = {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }

    def clock(self) -> None:
        """Add each student's share of the time since the last call to its history."""
        now = time.monotonic()
        for fitting in self.fittings:
            fitting.history.seconds += (now - self.begun_at) / len(self.fittings)
            fitting.begun_at = now
        self.begun_at = now

    def finish(self) -> dict[str, str]:
        """Leave every student's finished checkpoint; by identity, what went wrong with some."""
        self.give_back()
        self.clock()
        for position, fitting in enumerate(self.fittings):
            if position not in self.errors:
                fitting.step = self.step
                fitting.finish(False)
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        return {self.fittings[i].identity: str(error) for i, error in self.errors.items()}


def clip_each(weights: Sequence[Tensor], most: float) -> None:
    """Shorten each student's gradient, in place, to this norm at most."""
    gradients = [w.grad for w in weights if w.grad is not None]
    squares = [g.flatten(1).square().sum(dim=1) for g in gradients]
    norm: Float[Tensor, " s"] = torch.stack(squares).sum(dim=0).sqrt()
    factor = (most / (norm + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))
