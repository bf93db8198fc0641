"""What a recipe's teacher says about the test part: asked once, for every student it has."""

from contextlib import suppress
from dataclasses import replace
from typing import IO

import safetensors.torch
from jaxtyping import Float
from torch import Tensor

from limbeck import __version__
from limbeck.cache import cache_folder, cached
from limbeck.errors import DataError
from limbeck.evaluation.scoring import Progress, score
from limbeck.fingerprint import digest
from limbeck.teachers import Teacher
from limbeck.teaching import Teaching
from limbeck.transfer_sets import TransferSet

__all__ = ["are_kept", "teacher_scores"]


def teacher_scores(
    teaching: Teaching, teacher: Teacher, test: TransferSet, progress: Progress | None = None
) -> Float[Tensor, "n c"]:
    """The teacher's log-probabilities of the test part, as `score` gives them.

    They are kept in the cache, where it can be written, under what they come from: the recipe's
    words of the teacher and the files it names, the teacher's weights, the contents of the test
    part, and limbeck's version.

    Raises:
        TeacherError: if the teacher's classes are not the data's, or it answers NaN.
    """
    name = file_name(teaching, teacher, test)
    path = cache_folder() / name
    if path.is_file():
        return safetensors.torch.load(path.read_bytes())["log_probs"]
    scores = score(teacher, test, progress=progress)

    def write(file: IO[bytes]) -> None:
        file.write(safetensors.torch.save({"log_probs": scores}))

    with suppress(DataError):  # a cache that cannot be written costs another question, no run
        cached(name, write)
    return scores


def are_kept(teaching: Teaching, teacher: Teacher, test: TransferSet) -> bool:
    """Whether the teacher was asked already."""
    return (cache_folder() / file_name(teaching, teacher, test)).is_file()


def file_name(teaching: Teaching, teacher: Teacher, test: TransferSet) -> str:
    described = replace(teaching, layers=()).digest()  # whatever layers an objective reads
    asked = digest(described, teacher.fingerprint, test.fingerprint, test.classes, __version__)
    return f"teacher-scores/{asked}.safetensors"
