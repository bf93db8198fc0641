"""A tokenizer and the greatest length: texts in, token ids out.

The tokenizer is one of Hugging Face's tokenizers library (`pip install limbeck[text]`), which reads
`tokenizer.json`: normalisation, splitting, vocabulary and special tokens in one file that runs no
code. What the file says of truncation and padding is replaced; so is the random dropping of merges.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Int, Int32
from torch import Tensor

from limbeck.errors import DataError
from limbeck.fingerprint import digest
from limbeck.transfer_sets.vocabulary_cut import cut_vocabulary, used_tokens

if TYPE_CHECKING:
    import tokenizers

__all__ = ["Tokenization"]

FILE = "tokenizer.json"
PADDING = ("[PAD]", "<pad>")
"""What padding tokens are called, where the tokenizer does not say which one is."""

CHUNK_TEXTS, CHUNK_CHARACTERS = 1024, 2_000_000
"""How much is tokenised at once: the tokens of a text, while it is cut, take 20 times its size."""


class Tokenization:
    """A tokenizer (Hugging Face's tokenizers library, extra [text]) and the greatest length.

    Args:
        tokenizer: A folder with tokenizer.json, the path of a tokenizer.json, the hub id of a model
            (huggingface_hub must be installed), or a `tokenizers.Tokenizer`, which is copied.
        max_length: The most tokens of a text, special ones included; the rest of it is not read.

    Attributes:
        tokenizer: The `tokenizers.Tokenizer`; it truncates and does not pad.
        max_length: As given.

    Raises:
        DataError: if there is no tokenizer, it cannot be read, or the tokenizers library is not
            installed.
        ValueError: if max_length leaves no room beside the special tokens.
    """

    def __init__(
        self, tokenizer: "str | Path | tokenizers.Tokenizer", *, max_length: int = 128
    ) -> None:
        self.max_length = max_length
        self.tokenizer = settled(tokenizer)
        special = self.tokenizer.num_special_tokens_to_add(False)
        if max_length <= special:
            raise ValueError(
                f"max_length is {max_length}, and the tokenizer puts {special} special tokens "
                f"around every text. Give {special + 1} or more."
            )
        self.padding = self._settled_padding()
        self.tokenizer.enable_truncation(max_length)

    @property
    def vocabulary(self) -> int:
        """How many ids there are: the largest, and one."""
        return int(max(self.tokenizer.get_vocab(with_added_tokens=True).values())) + 1

    @cached_property
    def fingerprint(self) -> str:
        """What tokenizer.json hashes to, as it is saved: 64 hexadecimal digits."""
        return digest("tokenization", json.loads(self.content()), self.max_length)

    def encode(self, texts: Sequence[str]) -> list[Int32[np.ndarray, " _"]]:
        """Each text's token ids, at most `max_length`, special tokens at both ends kept.

        Raises:
            DataError: if one is no text, or has no token; the first such is named by its number.
        """
        return [row for rows in self.encode_all(texts) for row in rows]

    def encode_all(self, texts: Iterable[str]) -> Iterator[list[Int32[np.ndarray, " _"]]]:
        """The token ids of so many texts that not all can be in memory: some at a time, in order.

        Raises:
            DataError: as `encode`.
        """
        first = 0
        for chunk in checked_chunks(texts):
            encodings = self._encodings(chunk, first)
            lengths = [len(encoding) for encoding in encodings]
            if not all(lengths):
                empty = lengths.index(0)
                raise DataError(
                    f"text {first + empty} has no token: {chunk[empty][:40]!r}. Take it out, or "
                    "use a tokenizer that puts special tokens around every text."
                )
            yield [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
            first += len(chunk)

    def __call__(self, texts: Sequence[str]) -> Int[Tensor, "b t"]:
        """The token ids of a batch, int64, padded on the right to its longest text.

        Raises:
            DataError: as `encode`.
        """
        return padded(self.encode(texts), self.padding)

    def cut(self, texts: Iterable[str]) -> "Tokenization":
        """The vocabulary cut to what these texts use; they give the same tokens as before.

        Special and added tokens stay; ids are numbered anew, in the old order. A smaller vocabulary
        is a smaller embedding in the student.

        Raises:
            DataError: as `encode`.
        """
        content = json.loads(self.content())
        whole = type(self.tokenizer).from_str(self.tokenizer.to_str())
        whole.no_truncation()
        room = self.max_length - whole.num_special_tokens_to_add(False)
        used = used_tokens(whole, checked_chunks(texts), content["model"], room)
        remaining = json.dumps(cut_vocabulary(content, used))
        return Tokenization(type(whole).from_str(remaining), max_length=self.max_length)

    def save(self, folder: str | Path) -> Path:
        """Write tokenizer.json into a folder; the file's path.

        It has truncation and padding set: `tokenizers.Tokenizer.from_file` reads it, and tokenises
        as this object does.
        """
        path = Path(folder) / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.content(), encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return f"Tokenization({self.vocabulary:,} ids, max_length={self.max_length})"

    def _encodings(self, chunk: list[str], first: int) -> "list[tokenizers.Encoding]":
        """What the library says about these texts, the first of them having this number."""
        try:
            return self.tokenizer.encode_batch_fast(chunk)
        except Exception as error:  # the library raises Exception itself
            if len(chunk) == 1:
                raise DataError(
                    f"text {first} cannot be tokenised ({error}): {chunk[0][:40]!r}. Correct it, "
                    "or use a tokenizer with an unknown token."
                ) from error
            halves = chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :]
            found = self._encodings(halves[0], first)
            return found + self._encodings(halves[1], first + len(halves[0]))

    def _settled_padding(self) -> int:
        """The id of the padding token: the tokenizer's own, one so named, or a new one."""
        stated = self.tokenizer.padding
        names = ([] if stated is None else [stated["pad_token"]]) + list(PADDING)
        self.tokenizer.no_padding()
        found = [i for name in names if (i := self.tokenizer.token_to_id(name)) is not None]
        if found:
            return int(found[0])
        new = self.vocabulary
        self.tokenizer.add_special_tokens([PADDING[0]])
        return new

    def content(self) -> str:
        """What `save` writes."""
        copy = type(self.tokenizer).from_str(self.tokenizer.to_str())
        copy.enable_padding(pad_id=self.padding, pad_token=copy.id_to_token(self.padding))
        return str(copy.to_str())


def settled(tokenizer: "str | Path | tokenizers.Tokenizer") -> "tokenizers.Tokenizer":
    """A tokenizer of our own, from wherever it is, that tokenises a text in one way only."""
    try:
        import tokenizers
    except ImportError as error:
        raise DataError(
            "texts are read with the tokenizers library, which is not installed. Install it with: "
            "pip install limbeck[text]"
        ) from error
    if isinstance(tokenizer, tokenizers.Tokenizer):
        content = json.loads(tokenizer.to_str())
    else:
        content = read(located(str(tokenizer)))
    if "dropout" in content["model"]:
        content["model"]["dropout"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(content))


def read(path: Path) -> dict[str, Any]:
    import tokenizers

    try:
        content: dict[str, Any] = json.loads(tokenizers.Tokenizer.from_file(str(path)).to_str())
    except Exception as error:  # the library raises Exception itself
        raise DataError(
            f"{path} cannot be read as a tokenizer ({str(error).splitlines()[0]}). Give the "
            "tokenizer.json that Hugging Face's tokenizers library writes."
        ) from error
    return content


def located(place: str) -> Path:
    """The tokenizer.json of a folder or a file, or from the hub."""
    path = Path(place)
    if path.is_file():
        return path
    if path.is_dir():
        if not (path / FILE).is_file():
            held = ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "nothing"
            raise DataError(
                f"the tokenizer folder {path} has no {FILE}; it holds {held}. Load its tokenizer "
                "with transformers' AutoTokenizer and save_pretrained it: that writes one."
            )
        return path / FILE
    if place.startswith((".", "/", "~")) or place.count("/") > 1 or path.suffix == ".json":
        raise DataError(
            f"there is no tokenizer at {place}. Give a folder with {FILE}, or the file."
        )
    return downloaded(place)


def downloaded(hub_id: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise DataError(
            f"there is no folder {hub_id}, and huggingface_hub, which gets tokenizers from the "
            "hub, is not installed. Install it with: pip install huggingface_hub"
        ) from error
    try:
        return Path(hf_hub_download(hub_id, FILE))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(
            f"there is no folder {hub_id}, and the hub did not give its {FILE} "
            f"({type(error).__name__}: {reason}). Check the name and the connection, or give a "
            "folder."
        ) from error


def checked_chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in order, as many at a time as are tokenised at once."""
    chunk: list[str] = []
    characters = 0
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(
                f"text {number} is {text!r}. Give text in every place; it may be empty."
            )
        chunk.append(text)
        characters += len(text)
        if len(chunk) == CHUNK_TEXTS or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def padded(tokens: Sequence[Int32[np.ndarray, " _"]], padding: int) -> Int[Tensor, "b t"]:
    """Rows of different length as one int64 tensor, padded on the right."""
    lengths = np.array([len(row) for row in tokens])
    out = np.full((len(tokens), int(lengths.max(initial=1))), padding, dtype=np.int64)
    out[np.arange(out.shape[1]) < lengths[:, None]] = np.concatenate([*tokens, []])
    return torch.from_numpy(out)
