"""What all tests share: one thread, no network, and where real data lies."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder with MNIST as Parquet; skips the test where it is absent."""
    default = Path(__file__).parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("LIMBECK_DATA", default)) / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no MNIST at {folder}; set LIMBECK_DATA to the folder that holds mnist/")
    return folder
