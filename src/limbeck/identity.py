"""What a run is: its job and its seed as one hash, by which its checkpoint is found again."""

from limbeck.fingerprint import digest, module_digest
from limbeck.job import Job
from limbeck.students import Student

__all__ = ["identity_of"]


def identity_of(job: Job, student: Student, seed: int) -> str:
    """What job and seed hash to; a checkpoint of another one is not this run's.

    Args:
        job: What is trained and how.
        student: The job's, with the seed's initial weights.
        seed: Of weights, order and dropout.
    """
    tokenization = student.tokenization
    return digest(
        seed,
        module_digest(student.module),
        repr(student.module),
        repr(job.objective),
        repr(job.training),
        job.updates,
        job.transfer_set.inputs_fingerprint,
        job.transfer_set.labels,
        "" if job.knowledge is None else job.knowledge.fingerprint,
        *(() if job.validation is None else (job.validation.inputs_fingerprint,)),
        *(({"frozen": student.frozen},) if student.frozen else ()),
        *((tokenization.fingerprint,) if tokenization is not None else ()),
        *(({"pruning": repr(pruning)},) if (pruning := student.pruning) else ()),
    )
