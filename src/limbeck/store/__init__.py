"""The knowledge store: what teachers said, on disk, by example and view."""

from limbeck.store.deviations import logit_deviations
from limbeck.store.live import LiveTeacher
from limbeck.store.reader import KnowledgeStore
from limbeck.store.source import KnowledgeSource
from limbeck.store.subset import KnowledgeSubset
from limbeck.store.verification import Verification, verify

__all__ = [
    "KnowledgeSource",
    "KnowledgeStore",
    "KnowledgeSubset",
    "LiveTeacher",
    "Verification",
    "logit_deviations",
    "verify",
]
