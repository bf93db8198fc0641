"""Word vectors of a pretrained transformer as the embedding that a student begins with.

A transformer has read far more than any transfer set; its first layer, a vector for each token, is
the part of it that even a student without attention can take over. The student's embedding begins
as their coordinates on their first principal components, in their own scale, so that distances
between words are kept as far as its width allows. Starting convolutions over words from vectors
that were learned elsewhere, and training them further: Kim, "Convolutional neural networks for
sentence classification", EMNLP 2014, https://arxiv.org/abs/1408.5882, section 3.1 ("non-static").
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.students.pretrained import (
    built,
    configuration,
    filled_model,
    folder_of,
    read_json,
)
from limbeck.students.weights import read_weights
from limbeck.threads import one_thread
from limbeck.transfer_sets.tokenization import Tokenization

if TYPE_CHECKING:
    from limbeck.students.student import Student

__all__ = ["fill_embedding", "with_word_vectors", "word_vectors"]

LEAST_KNOWN = 0.5
"""Of a tokenizer's tokens, the model's own has to know at least this share."""


def with_word_vectors(
    student: "Student", model: str | Path | None, tokenization: Tokenization | None
) -> "Student":
    """The student, its embedding starting from the word vectors of a model; as it is without one.

    Raises:
        LimbeckError: as `word_vectors`; or if there is no tokenization.
    """
    if model is None:
        return student
    if tokenization is None:
        raise LimbeckError(
            "embedding_from finds a word's vector by the tokenizer, and there is none. Give "
            "tokenization=data.train.tokenization too."
        )
    student.start_embedding(word_vectors(model, tokenization))
    return student


def fill_embedding(module: nn.Module, vectors: Float[Tensor, "vocabulary width"]) -> None:
    """Fill `module.embedding` with the vectors' coordinates on their first principal components.

    The rest of an embedding that is wider than the vectors is zeros. A run is found again by its
    initial weights, so that they must be the same bits on any number of threads.
    """
    weight = module.get_submodule("embedding").get_parameter("weight")
    with torch.no_grad(), one_thread():
        exact = vectors.double()
        axes = torch.linalg.eigh(exact.T @ exact).eigenvectors.flip(1)[:, : weight.shape[1]]
        largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
        weight.zero_()
        weight[:, : axes.shape[1]] = exact @ (axes * largest.sign())


def word_vectors(
    model: str | Path, tokenization: Tokenization
) -> Float[Tensor, "vocabulary width"]:
    """A vector for each token that a tokenizer makes, as far as the model knows it.

    Tokens are the same if they are written the same. Vectors are taken from their mean; a token
    that the model lacks has zeros.

    Args:
        model: A folder with config.json, model.safetensors and tokenizer.json; an id of the hub; or
            the folder of a saved student that is a transformer.
        tokenization: The student's.

    Raises:
        LimbeckError: if there is no such model, it has no word vectors, or it knows less than half
            of the tokens.
    """
    vectors, own = vectors_of(model)
    known = own.tokenizer.get_vocab(with_added_tokens=True)
    tokens = tokenization.tokenizer.get_vocab(with_added_tokens=True)
    # a vocabulary comes in any order, and the mean's last bits would follow it
    shared = sorted(
        (name for name in tokens if known.get(name, len(vectors)) < len(vectors)),
        key=tokens.__getitem__,
    )
    if len(shared) < LEAST_KNOWN * len(tokens):
        raise LimbeckError(
            f"{model} has vectors for {len(shared):,} of the {len(tokens):,} tokens of the "
            "student's tokenizer. Take a model with the same tokenizer, or the model's tokenizer "
            "for the texts."
        )
    found = torch.zeros(tokenization.vocabulary, vectors.shape[1])
    taken = vectors[[known[name] for name in shared]]
    found[[tokens[name] for name in shared]] = taken - taken.mean(dim=0)
    return found


def vectors_of(model: str | Path) -> tuple[Float[Tensor, "v width"], Tokenization]:
    """The weights of a model's embedding, and its tokenizer."""
    folder = folder_of(model)
    if (folder / "student.json").is_file():
        vectors = of_student(folder)
    else:
        network, lacking = filled_model("text-classification", configuration(folder), folder)
        name = embedding_of(network)
        if name in lacking:
            raise LimbeckError(f"{folder} lacks its word vectors, {name}. Get the model again.")
        vectors = network.get_parameter(name).detach()
    return vectors.float(), Tokenization(folder)


def of_student(folder: Path) -> Tensor:
    """The weights of a saved student's embedding, if it is a transformer."""
    architecture = read_json(folder / "student.json").get("architecture")
    known = architecture.get("transformers_classifier") if isinstance(architecture, dict) else None
    if not isinstance(known, dict) or "model" not in known:
        raise LimbeckError(
            f"the student in {folder} is no transformer, so it has no word vectors to start from. "
            "Give the folder of one that is, or of a pretrained model."
        )
    with torch.device("meta"):
        network = built("text-classification", configuration(known["model"]))
    name = f"model.{embedding_of(network)}"
    tensors = read_weights(folder / "student.safetensors")
    if name not in tensors:
        raise LimbeckError(f"{folder} lacks its word vectors, {name}. Save the student again.")
    return tensors[name]


def embedding_of(network: Any) -> str:
    """The name of the weights that hold a vector for each token."""
    embedding = network.get_input_embeddings()
    return next(f"{name}.weight" for name, m in network.named_modules() if m is embedding)
