"""Which classes a generalist confuses: K-means on the columns of its predictions' covariance.

    C = mean over examples of (p - mean p) (p - mean p)^T,   p = softmax(z / T)

Two classes that the generalist often holds possible at once have similar columns in C. No labels
are needed: only what the generalist said. A column is about as long as its class's predictions
vary, and classes of which the generalist is sure have the longest: clustered as they are, they
become clusters of one, and all confused classes together are left as another. So columns are
scaled to length 1 first, unless the paper is to be followed to the letter.

Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 5.2, who used an online
version of K-means and do not say how their sets of 300 of 15 000 classes came to overlap; here a
set of given size holds the classes whose columns are nearest to the centre of a cluster.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck import seeding
from limbeck.errors import StoreError
from limbeck.store import KnowledgeSource
from limbeck.types import TopK

__all__ = ["confusable_classes", "covariance"]

BATCH_SIZE = 4096


def confusable_classes(
    knowledge: KnowledgeSource,
    clusters: int,
    *,
    size: int | None = None,
    temperature: float = 1.0,
    unit_length: bool = True,
    online: bool = False,
    seed: int = 0,
) -> tuple[tuple[int, ...], ...]:
    """Sets of classes that are confused with each other, one for each specialist to be trained.

    Args:
        knowledge: What the generalist said about a transfer set; its labels are not looked at.
        clusters: How many clusters, from 2 to the number of classes.
        size: Classes in each set, from 2 to one less than all: those nearest to the cluster's
            centre. Sets then overlap, and some classes may be in none. None: the clusters
            themselves, so that each class is in one set at most.
        temperature: T above, > 0. Above 1 it shows what an overfitted generalist hides.
        unit_length: Whether columns are scaled to length 1 before they are clustered.
        online: Whether to cluster by mini-batches, for very many classes.
        seed: Of the first centres.

    Returns:
        Class numbers, ascending, in each set; sets of less than two classes are left out, as there
        is nothing to confuse, and so are repeated sets.

    Raises:
        ValueError: if a number is out of its range.
        StoreError: if the knowledge holds only the largest logits.
    """
    classes = len(knowledge.classes)
    for name, value, least, most in (
        ("clusters", clusters, 2, classes),
        ("size", 2 if size is None else size, 2, classes - 1),
    ):
        if not least <= value <= most:
            raise ValueError(
                f"{name} is {value}; with {classes} classes it must be from {least} to {most}."
            )
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}; it must be positive and finite.")
    columns = covariance(knowledge, temperature).T
    if unit_length:
        columns = columns / columns.norm(dim=1, keepdim=True).clamp(min=1e-30)
    distances = distances_to_centres(columns, clusters, online, seed)
    if size is None:
        nearest = distances.argmin(dim=1)
        sets = [(nearest == number).nonzero().flatten() for number in range(clusters)]
    else:
        order = distances.argsort(dim=0, stable=True)
        sets = [order[:size, number].sort().values for number in range(clusters)]
    return tuple(dict.fromkeys(tuple(each.tolist()) for each in sets if len(each) > 1))


def covariance(knowledge: KnowledgeSource, temperature: float = 1.0) -> Float[Tensor, "c c"]:
    """The covariance of the predicted probabilities over all examples and views, float64.

    Raises:
        StoreError: if the knowledge holds only the largest logits.
    """
    classes = len(knowledge.classes)
    total = torch.zeros(classes, dtype=torch.float64)
    products = torch.zeros(classes, classes, dtype=torch.float64)
    views = knowledge.views or 1
    for rows in torch.arange(len(knowledge)).split(BATCH_SIZE):
        for view in range(views):
            said = knowledge.read(rows, view)
            if isinstance(said.logits, TopK):
                raise StoreError(
                    f"this store keeps the {said.logits.indices.shape[1]} largest of {classes} "
                    "logits, and the covariance of predictions needs all. Annotate without top_k."
                )
            probabilities = said.log_probs(temperature).double().exp()
            total += probabilities.sum(dim=0)
            products += probabilities.T @ probabilities
    mean = total / (len(knowledge) * views)
    return products / (len(knowledge) * views) - torch.outer(mean, mean)


def distances_to_centres(
    columns: Float[Tensor, "c c"], clusters: int, online: bool, seed: int
) -> Float[Tensor, "c clusters"]:
    """How far each class's column is from each centre that K-means finds."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    start = seeding.seed_of(seed, "confusable classes") % 2**32
    kind = MiniBatchKMeans if online else KMeans
    found = kind(n_clusters=clusters, n_init=10, random_state=start).fit(columns.numpy())
    distances: Tensor = torch.from_numpy(found.transform(columns.numpy()))
    return distances
