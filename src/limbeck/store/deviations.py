"""How far the teacher's logits of each class spread over the examples.

Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014, https://arxiv.org/abs/1312.6184: the
student regresses on logits, so that classes of widely spread logits would outweigh the others.
"""

import torch

from limbeck.errors import StoreError
from limbeck.store.source import KnowledgeSource

__all__ = ["logit_deviations"]

SMALLEST_SHARE = 1e-6


def logit_deviations(knowledge: KnowledgeSource, *, view: int = 0) -> tuple[float, ...]:
    """The standard deviation (over n) of each class's logit, for `LogitMatching`.

    Logits are centred in each row; of several teachers they are the combined log-probabilities. A
    class whose logit never varies counts as spread like the mean of the others, or 1.

    Args:
        knowledge: A dense store, or a living teacher.
        view: Of the examples.

    Raises:
        StoreError: if a top-k store dropped some classes.
    """
    parts = []
    for rows in torch.arange(len(knowledge)).split(4096):
        said = knowledge.read(rows, view)
        if said.kept is not None:
            raise StoreError(
                "a top-k store dropped classes, whose logits have no known spread. Annotate again "
                "without top_k."
            )
        logits = said.log_probs(1.0).double()
        parts.append(logits - logits.mean(dim=1, keepdim=True))
    spread = torch.cat(parts).std(dim=0, correction=0)
    varying = spread > SMALLEST_SHARE * spread.max()
    typical = spread[varying].mean() if bool(varying.any()) else torch.tensor(1.0)
    return tuple(torch.where(varying, spread, typical).tolist())
