"""Several processes compute the same numbers as one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = """
import sys, torch
from limbeck import students
from limbeck.objectives import HardLabels
from limbeck.optimization import SGD
from limbeck.training import Training, distill
from limbeck.transfer_sets import digits
torch.set_num_threads(1)
data = digits(labelled=200)
training = Training(epochs=2, batch_size=75, optimizer=SGD(0.1), clip=1.0)
run = distill(students.mlp(64, [16], 10), None, data.train, HardLabels(), training, device="cpu")
torch.save([p.detach() for p in run.student.module.parameters()], sys.argv[1])
print(run.history.loss)
"""


def trained(folder: Path, processes: int) -> list[torch.Tensor]:
    children = []
    for rank in range(processes):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        if processes > 1:
            environment |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes),
                "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517", "ACCELERATE_USE_CPU": "true",
            }  # fmt: skip
        command = [sys.executable, "-c", SCRIPT, str(folder / f"{processes}-{rank}.pt")]
        children.append(subprocess.Popen(command, env=environment))
    assert [child.wait(120) for child in children] == [0] * processes
    return torch.load(folder / f"{processes}-0.pt", weights_only=True)


@pytest.mark.slow
def test_two_processes_train_to_the_weights_of_one(tmp_path):
    """Prevents an effective batch or a loss that depends on the number of processes."""
    for one, two in zip(trained(tmp_path, 1), trained(tmp_path, 2), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
