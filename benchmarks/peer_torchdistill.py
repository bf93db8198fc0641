"""torchdistill's side of online.py: an epoch for every line on standard input.

Runs in an environment with torchdistill 1.1.5, torch 2.14.1 and torchvision 0.29.1, not limbeck.
"""

import logging
import sys
from importlib.metadata import version

import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchdistill.core.distillation import DistillationBox

CONFIG = {
    "num_epochs": 1,
    "train_data_loader": {
        "dataset_id": "mnist",
        "sampler": {"class_or_func": torch.utils.data.RandomSampler, "kwargs": {}},
        "kwargs": {"batch_size": 128, "num_workers": 0},
        "requires_supp": False,
    },
    "teacher": {"forward_proc": "forward_batch_only", "requires_grad": False},
    "student": {"forward_proc": "forward_batch_only", "requires_grad": True},
    "optimizer": {"key": "AdamW", "kwargs": {"lr": 0.001}},
    "criterion": {
        "key": "WeightedSumLoss",
        "kwargs": {
            "sub_terms": {
                "kd": {
                    "criterion": {
                        "key": "KDLoss",
                        "kwargs": {
                            "student_module_path": ".",
                            "student_module_io": "output",
                            "teacher_module_path": ".",
                            "teacher_module_io": "output",
                            "temperature": 4.0,
                            "alpha": 0.1,
                            "reduction": "batchmean",
                        },
                    },
                    "weight": 1.0,
                }
            }
        },
    },
}


class Mean(nn.Module):
    """The mean of the logits of several nets."""

    def __init__(self, nets: list[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([net(images) for net in self.nets]).mean(dim=0)


def net(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, 10),
    )  # fmt: skip


def main() -> None:
    logging.disable(logging.INFO)
    tensors = torch.load(sys.argv[1], weights_only=True)
    dataset = TensorDataset(tensors["inputs"], tensors["labels"])
    box = DistillationBox(
        Mean([net(1200) for _ in range(10)]).eval(), net(800), {"mnist": dataset}, CONFIG,
        torch.device("cpu"), None, False, 1,
    )  # fmt: skip
    print(f"torchdistill {version('torchdistill')}, torch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        box.pre_epoch_process(epoch=0)
        for images, labels in box.train_data_loader:
            box.pre_forward_process()
            loss = box.forward_process(images, labels)
            box.post_forward_process(loss=loss)
        box.post_epoch_process()
        print("done", flush=True)


if __name__ == "__main__":
    main()
