"""The state of one run while it trains: what a checkpoint holds and the loop advances."""

import copy
import math
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from limbeck import seeding
from limbeck.binding import bind
from limbeck.checkpoint import (
    flatten_optimizer,
    load_checkpoint,
    save_checkpoint,
    unflatten_optimizer,
)
from limbeck.errors import LimbeckError
from limbeck.identity import identity_of
from limbeck.job import History, Job
from limbeck.max_norm import constrain
from limbeck.precision import multiplies_in_bfloat16
from limbeck.pruning import Masks, compacted
from limbeck.students import Student
from limbeck.transfer_sets import TransferSet
from limbeck.types import Batch, Outputs

__all__ = ["CHECKPOINT_SECONDS", "Fitting"]

CHECKPOINT_SECONDS = 10.0
"""How much work a kill can cost at most, in seconds."""


class Fitting:
    """A student, its optimizer, averages, counters and history.

    Images are trained on with channels last in memory: the same numbers up to rounding, and a step
    of a small convolutional net takes about 0.6 times as long on a CPU (0.58 to 0.65 for three of
    two to five layers). The student that is kept has its usual layout again.

    Raises:
        LimbeckError: if student, objective, knowledge and transfer set do not fit together.
    """

    def __init__(self, job: Job, seed: int) -> None:
        from accelerate import Accelerator

        self.job, self.seed = job, seed
        self.accelerator = Accelerator(cpu=job.device == "cpu")
        self.device = torch.device(job.device) if job.device else self.accelerator.device
        self.student = job.student.fresh(seed)
        self.objective = bind(copy.deepcopy(job.objective), self.student, job, seed)
        self.identity = identity_of(job, self.student, seed)
        self.student.to(self.device)
        in_memory(self.student.module, torch.channels_last)
        self.objective.to(self.device)
        self.optimizer = job.training.optimizer.build([self.student.module, self.objective])
        self.average = averaged(self.student.module, job.training.average)
        self.masks = Masks.of(self.student, job)
        self.best: dict[str, Tensor] = {}
        self.history = History()
        self.step = 0
        self.stopped = False
        self.epoch_loss = torch.zeros((), device=self.device)
        self.saved_at = time.monotonic()
        self.begun_at = time.monotonic()
        self.student.train()
        torch.manual_seed(seeding.seed_of(seed, "dropout", self.accelerator.process_index))
        if job.training.compile:
            self.student.module.compile()

    @property
    def path(self) -> Path | None:
        """Where the checkpoint is, if there is to be one."""
        folder = self.job.checkpoint
        return None if folder is None else folder / f"{self.identity[:16]}.safetensors"

    def autocast(self) -> AbstractContextManager[Any]:
        """The precision of the forward pass."""
        precision = self.job.training.precision
        enabled = precision == "bfloat16" or (
            precision == "auto" and multiplies_in_bfloat16(self.device)
        )
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def mine(self, batch: Batch) -> Batch:
        """This process's share of a batch, on its device."""
        processes = self.accelerator.num_processes
        if processes > 1:
            rows = torch.arange(len(batch)).tensor_split(processes)
            batch = batch.part(rows[self.accelerator.process_index])
        return batch.to(self.device)

    def share(self, part: Batch, whole: Batch, outputs: Outputs) -> Float[Tensor, ""]:
        """This part's contribution to the loss of the whole batch.

        Each term is weighed by the examples that count for it: the mean over a batch is not the
        mean over its parts where labels are missing or the last part is smaller.
        """
        if len(part) == len(whole):
            loss: Tensor = self.objective(outputs, part.knowledge, part.labels)
            return loss
        losses = [
            weight
            * term(outputs, part.knowledge, part.labels)
            * (term.count(part.labels) / term.count(whole.labels.to(self.device)).clamp(min=1))
            for weight, term in self.objective.terms
        ]
        return torch.stack(losses).sum()

    def update(self) -> None:
        """One step of the optimizer, from the gradients that have been gathered."""
        training = self.job.training
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if self.accelerator.num_processes > 1:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                parameter.grad = self.accelerator.reduce(parameter.grad, "sum")
        if training.clip is not None:
            nn.utils.clip_grad_norm_(parameters, training.clip, foreach=True)
        factor = training.schedule.factor(self.step, self.job.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = training.optimizer.learning_rate * factor
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if training.max_norm is not None:
            constrain(self.student.module, training.max_norm)
        if self.masks is not None:
            self.masks.update(self.step)
        if self.average is not None:
            self.average.update_parameters(self.student.module)
            if self.masks is not None:
                self.masks.clear(self.average.module)

    def advance(self, loss: Float[Tensor, ""]) -> None:
        """Count an update; at the end of an epoch, measure; now and then, save."""
        self.step += 1
        self.epoch_loss += loss
        if self.step % self.job.epoch_updates == 0 or self.step == self.job.updates:
            self.end_epoch()
        if self.path is not None and time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS:
            self.save()

    def end_epoch(self) -> None:
        """Measure the epoch that has just ended."""
        updates = self.step - (self.history.steps[-1] if self.history.steps else 0)
        loss = float(self.accelerator.reduce(self.epoch_loss, "sum")) / updates
        self.epoch_loss.zero_()
        self.note(loss)

    def note(self, loss: float) -> None:
        """Write down an epoch's mean loss and accuracy; keep the best; decide on stopping.

        Raises:
            LimbeckError: if the loss is not finite.
        """
        history, patience = self.history, self.job.training.patience
        epoch = len(history.loss) + 1
        if not math.isfinite(loss):
            raise LimbeckError(
                f"the loss became {loss} in epoch {epoch} with "
                f"{self.job.training.optimizer!r}. Lower the learning rate, or clip the gradient "
                "(clip=1.0)."
            )
        history.steps.append(self.step)
        history.loss.append(loss)
        if self.job.validation is not None:
            history.validation_accuracy.append(accuracy(self.trained(), self.job.validation))
        if patience is None or self.job.validation is None:
            history.best_epoch = epoch
            return
        if history.validation_accuracy[-1] > max(history.validation_accuracy[:-1], default=-1.0):
            history.best_epoch = epoch
            state = self.trained().module.state_dict()
            self.best = {name: value.clone() for name, value in state.items()}
        self.stopped = epoch - history.best_epoch >= patience

    def trained(self) -> Student:
        """The student as it would be kept now: with averaged weights, if they are averaged."""
        if self.average is None:
            return self.student
        student = copy.copy(self.student)
        student.module = self.average.module
        return student

    def save(self, complete: bool = False) -> None:
        """Write the checkpoint: of a finished run only what its result needs."""
        if self.path is None or not self.accelerator.is_main_process:
            return
        kept = self.trained().module if complete else self.student.module
        tensors = {f"student.{k}": v for k, v in kept.state_dict().items()}
        if not complete:
            tensors |= {f"objective.{k}": v for k, v in self.objective.state_dict().items()}
            tensors |= flatten_optimizer(self.optimizer)
            if self.average is not None:
                tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
            tensors |= {f"best.{k}": v for k, v in self.best.items()}
            tensors["epoch_loss"] = self.epoch_loss
            tensors["random"] = torch.get_rng_state()
            if self.device.type == "cuda":
                tensors["random_cuda"] = torch.cuda.get_rng_state(self.device)
        self.clock()
        values = {
            "step": self.step,
            "stopped": self.stopped,
            "complete": complete,
            "history": self.history.to_json(),
        }
        save_checkpoint(self.path, tensors, values)
        self.saved_at = time.monotonic()

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one; whether the run is already complete."""
        found = None if self.path is None else load_checkpoint(self.path)
        if found is None:
            return False
        tensors, values = found
        self.history = History(**values["history"])
        self.step, self.stopped = values["step"], values["stopped"]
        self.student.module.load_state_dict(section(tensors, "student."))
        if values["complete"]:
            return True
        if self.masks is not None:
            self.masks.read()
        self.objective.load_state_dict(section(tensors, "objective."))
        unflatten_optimizer(self.optimizer, tensors)
        if self.average is not None:
            self.average.load_state_dict(section(tensors, "average."))
        self.best = section(tensors, "best.")
        self.epoch_loss.copy_(tensors["epoch_loss"])
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random_cuda"], self.device)
        return False

    def clock(self) -> None:
        """Add the time since the last call to the history."""
        now = time.monotonic()
        self.history.seconds += now - self.begun_at
        self.begun_at = now

    def finish(self, resumed_complete: bool) -> tuple[Student, History]:
        """The student as it is kept, on the CPU, and how it went."""
        if not resumed_complete:
            if self.best:
                self.trained().module.load_state_dict(self.best)
            self.clock()
            self.save(complete=True)
            self.student = self.trained()
        student = self.student.to("cpu")
        in_memory(student.module, torch.contiguous_format).eval()
        student = compacted(student)
        student.classes = self.job.transfer_set.classes
        student.input_shape = self.job.transfer_set.input_shape
        student.tokenization = student.tokenization or self.job.transfer_set.tokenization
        rows = torch.arange(min(256, len(self.job.transfer_set)))
        student.probe = student.inputs(self.job.transfer_set.batch(rows))
        return student, self.history


def in_memory(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The module, its weights of four axes laid out like this."""
    return module.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def averaged(module: nn.Module, decay: float | None) -> AveragedModel | None:
    if decay is None:
        return None
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


@torch.no_grad()
def accuracy(student: Student, examples: TransferSet) -> float:
    """Part of the labelled examples that the student gets right, in [0, 1]."""
    examples = examples.labelled()
    module = student.module
    device = next(module.parameters()).device
    training = module.training
    module.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    for rows in examples.row_batches(examples.rows_at_once):
        batch = examples.batch(rows).to(device)
        correct += (student.outputs(batch).logits.argmax(dim=-1) == batch.labels).sum()
    if training:
        student.train()
    return float(correct) / len(examples)


def section(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
