"""The values that travel along the line, and the names of their axes.

Axis glossary, used in every shape in this package:

    b  batch            c  classes         k  classes kept by a top-k store
    d  features         n  examples        m  members of an ensemble
    v  views            t  tokens          h, w  height and width
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, overload

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    import limbeck.transfer_sets.tokenization

__all__ = [
    "UNLABELLED",
    "Batch",
    "Chosen",
    "Combine",
    "Knowledge",
    "Outputs",
    "TopK",
    "combine_log_probs",
]

UNLABELLED = -1
"""The label of an example that has none."""

Combine = Literal["arithmetic", "geometric"]


@dataclass(frozen=True)
class Chosen(Sequence[str]):
    """Some texts of many, each read from where it lies when it is asked for.

    Attributes:
        source: All of the texts.
        positions: Of the chosen ones, in their order.
    """

    source: Sequence[str]
    positions: Int[Tensor, " b"]

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> "Chosen": ...

    def __getitem__(self, place: int | slice) -> "str | Chosen":
        if isinstance(place, slice):
            return self.part(torch.tensor(range(len(self))[place], dtype=torch.int64))
        return self.source[int(self.positions[place])]

    def part(self, places: Int[Tensor, " p"]) -> "Chosen":
        """The texts at these places of the chosen ones."""
        return Chosen(self.source, self.positions[places])


@dataclass(frozen=True)
class Batch:
    """Some examples of a transfer set, in one view.

    Attributes:
        rows: Positions in the transfer set.
        inputs: What a model is given, (b, ...); token ids (b, t) of texts, int64, padded on the
            right with `tokenization.padding`.
        labels: Class numbers; `UNLABELLED` (-1) where there is none.
        view: Which augmentation of the examples this is; 0 where there are no views.
        knowledge: What the teacher said about exactly these inputs, while a student trains.
        texts: The texts themselves, for models with a tokenizer of their own; None of other data.
        tokenization: What made the inputs from the texts; None of other data.
    """

    rows: Int[Tensor, " b"]
    inputs: Tensor
    labels: Int[Tensor, " b"]
    view: int = 0
    knowledge: "Knowledge | None" = None
    texts: Sequence[str] | None = None
    tokenization: "limbeck.transfer_sets.tokenization.Tokenization | None" = None

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, positions: Int[Tensor, " p"]) -> "Batch":
        """The examples at these positions of the batch."""
        return replace(
            self,
            rows=self.rows[positions],
            inputs=self.inputs[positions],
            labels=self.labels[positions],
            knowledge=None if self.knowledge is None else self.knowledge.part(positions),
            texts=None if self.texts is None else chosen(self.texts, positions),
        )

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device; the row numbers stay where they are."""
        knowledge = None if self.knowledge is None else self.knowledge.to(device)
        return replace(
            self,
            inputs=self.inputs.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            knowledge=knowledge,
        )


@dataclass(frozen=True)
class Outputs:
    """What any model, teacher or student, says about a batch.

    Attributes:
        logits: Class scores before the softmax, (b, c).
        hidden: Activations (b, ...) of the layers that were asked for, by module path.
        lengths: Of the hidden layers that answer for each token, how many tokens each example has:
            the layer is (b, t, d), or attention maps (b, h, t, t), padded on the right to t.
    """

    logits: Float[Tensor, "b c"]
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    lengths: Mapping[str, Int[Tensor, " b"]] = field(default_factory=dict)


@dataclass(frozen=True)
class TopK:
    """The k largest logits of each example, and how much was dropped.

    One entry of the leading axis m per teacher (1 for a single teacher or a stored mix); the kept
    classes are the same for all of them.

    Attributes:
        values: Centred logits of the kept classes, (m, b, k).
        indices: The kept classes, (b, k).
        rest: For each annotated temperature T, logsumexp of the dropped logits / T, (m, b).
        classes: How many classes the teacher has.
    """

    values: Float[Tensor, "m b k"]
    indices: Int[Tensor, "b k"]
    rest: Mapping[float, Float[Tensor, "m b"]]
    classes: int

    def log_probs(self, temperature: float) -> Float[Tensor, "m b kept_and_rest"]:
        """Each teacher's log-probabilities of the kept classes and, last, of all the others.

        Raises:
            LimbeckError: if the store was not annotated for this temperature.
        """
        if temperature not in self.rest:
            raise LimbeckError(
                f"temperature {temperature} was not annotated in this top-k store, which holds "
                f"{sorted(self.rest)}. Train at one of these, or annotate again with it."
            )
        rest = self.rest[temperature].to(self.values.dtype).unsqueeze(-1)
        return torch.cat([self.values / temperature, rest], dim=-1).log_softmax(dim=-1)

    def to(self, device: torch.device | str) -> "TopK":
        """The same on another device."""
        return replace(
            self,
            values=self.values.to(device),
            indices=self.indices.to(device),
            rest={temperature: value.to(device) for temperature, value in self.rest.items()},
        )

    def part(self, positions: Int[Tensor, " p"] | slice) -> "TopK":
        """The examples at these positions of the batch."""
        return replace(
            self,
            values=self.values[:, positions],
            indices=self.indices[positions],
            rest={temperature: value[:, positions] for temperature, value in self.rest.items()},
        )


@dataclass(frozen=True)
class Knowledge:
    """What a teacher said about a batch.

    Attributes:
        logits: Every teacher's logits, (m, b, c), m being 1 for a single teacher; or the top k.
        hidden: Activations (b, ...) by layer; of an ensemble by `member.layer`.
        combine: How several teachers become one: the mean of their probabilities (arithmetic) or
            the normalised mean of their log-probabilities (geometric).
        weights: One per teacher, summing to 1; empty means equal.
        lengths: Of the hidden layers that answer for each token, how many tokens each example has;
            what is beyond them, up to t, is zeros.
    """

    logits: Float[Tensor, "m b c"] | TopK
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    combine: Combine = "geometric"
    weights: tuple[float, ...] = ()
    lengths: Mapping[str, Int[Tensor, " b"]] = field(default_factory=dict)

    @property
    def kept(self) -> Int[Tensor, "b k"] | None:
        """The classes that a top-k store kept; None where all were."""
        return self.logits.indices if isinstance(self.logits, TopK) else None

    @property
    def classes(self) -> int:
        """How many classes the teacher has."""
        return self.logits.classes if isinstance(self.logits, TopK) else self.logits.shape[-1]

    def log_probs(
        self, temperature: float | Float[Tensor, ""] = 1.0
    ) -> Float[Tensor, "b c_or_kept_and_rest"]:
        """The combined teacher's log-probabilities, softened at this temperature.

        Each member is softened before they are combined. From a top-k store the last column is
        the probability of all dropped classes together.

        Raises:
            LimbeckError: if a top-k store was not annotated for this temperature.
        """
        if isinstance(self.logits, TopK):
            members = self.logits.log_probs(float(temperature))
        elif self.combine == "geometric":
            # what each member's softmax divides by is the same for all classes: it cancels
            return (mean_of(self.logits, self.weights) / temperature).log_softmax(dim=-1)
        else:
            members = (self.logits / temperature).log_softmax(dim=-1)
        return combine_log_probs(members, self.combine, self.weights)

    def to(self, device: torch.device | str) -> "Knowledge":
        """The same knowledge on another device."""
        hidden = {name: value.to(device) for name, value in self.hidden.items()}
        lengths = {name: value.to(device) for name, value in self.lengths.items()}
        return replace(self, logits=self.logits.to(device), hidden=hidden, lengths=lengths)

    def part(self, positions: Int[Tensor, " p"] | slice) -> "Knowledge":
        """What was said about the examples at these positions of the batch."""
        if isinstance(self.logits, TopK):
            logits: Tensor | TopK = self.logits.part(positions)
        else:
            logits = self.logits[:, positions]
        hidden = {name: value[positions] for name, value in self.hidden.items()}
        lengths = {name: value[positions] for name, value in self.lengths.items()}
        return replace(self, logits=logits, hidden=hidden, lengths=lengths)


def chosen(texts: Sequence[str], places: Int[Tensor, " p"]) -> Chosen:
    """The texts at these places."""
    return texts.part(places) if isinstance(texts, Chosen) else Chosen(texts, places)


def combine_log_probs(
    members: Float[Tensor, "m b c"], combine: Combine, weights: tuple[float, ...] = ()
) -> Float[Tensor, "b c"]:
    """Several teachers' log-probabilities as one teacher's.

    The arithmetic mean minimises the sum of KL(member || mix), the geometric mean that of
    KL(mix || member). Hinton, Vinyals & Dean 2015, https://arxiv.org/abs/1503.02531, section 2.
    """
    if combine == "geometric" or len(members) == 1:
        mean = mean_of(members, weights)
        return mean if len(members) == 1 else mean.log_softmax(dim=-1)
    shares = weights or (1.0 / len(members),) * len(members)
    share = torch.tensor(shares, dtype=members.dtype, device=members.device).view(-1, 1, 1)
    return (members + share.log()).logsumexp(dim=0)


def mean_of(members: Float[Tensor, "m b c"], weights: tuple[float, ...]) -> Float[Tensor, "b c"]:
    """The mean over the members; with weights, the weighted one."""
    if len(members) == 1:
        return members[0]
    if not weights:
        return members.mean(dim=0)
    share = torch.tensor(weights, dtype=members.dtype, device=members.device)
    mean: Tensor = torch.tensordot(share, members, dims=1)
    return mean
