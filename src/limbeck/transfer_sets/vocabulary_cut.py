"""A tokenizer's vocabulary cut to the tokens that some texts use, so that they tokenise as before.

What must stay, beside the used tokens, lies in how each model finds them:

    WordPiece   takes the longest piece that fits, and gives up a word where none does: the pieces
                that it took of given-up words stay, or it would take others, and go on
    BPE         merges pairs in the order of their rank: the merges that build a used token stay,
                with all that they build on; without an unknown token also the alphabet
    Unigram     takes the likeliest pieces; the unknown token is a little less likely than the
                worst of all pieces, so that one stays
    WordLevel   nothing else

The ids are numbered anew, in the old order. It works on the content of a tokenizer.json.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from limbeck.errors import DataError

if TYPE_CHECKING:
    import tokenizers

__all__ = ["cut_vocabulary", "used_tokens"]

Content = dict[str, Any]


def used_tokens(
    tokenizer: "tokenizers.Tokenizer", chunks: Iterable[Sequence[str]], model: Content, room: int
) -> set[str]:
    """The tokens that texts use, of each the first ones and the rest of the last word among them.

    Args:
        tokenizer: One that does not truncate.
        chunks: The texts, as many at a time as may be in memory.
        model: The model of its tokenizer.json.
        room: How many tokens of a text are read.
    """
    ids: set[int] = set()
    taken: set[str] = set()
    gives_up = model["type"] == "WordPiece"
    for chunk in chunks:
        for text, encoding in zip(
            chunk, tokenizer.encode_batch(chunk, add_special_tokens=False), strict=True
        ):
            read = encoding.ids
            if len(read) > room:
                words = encoding.word_ids
                beyond = (i for i in range(room, len(read)) if words[i] != words[room - 1])
                read = read[: next(beyond, len(read))]
            ids.update(read)
            if gives_up and tokenizer.token_to_id(model["unk_token"]) in read:
                for word in words_of(text, tokenizer):
                    taken.update(pieces_taken(word, model))
    named = (tokenizer.id_to_token(number) for number in ids)
    return taken.union(token for token in named if token is not None)


def words_of(text: str, tokenizer: "tokenizers.Tokenizer") -> list[str]:
    """The words that the model is given of a text."""
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    if tokenizer.pre_tokenizer is None:
        return [text]
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def cut_vocabulary(content: Content, used: Iterable[str]) -> Content:
    """A tokenizer.json of these tokens, and of what belongs to them.

    Args:
        content: A tokenizer.json, parsed, with its padding set.
        used: Tokens of it; added ones stay in any case.

    Raises:
        DataError: if its model is of another kind than the four.
    """
    model = content["model"]
    if model.get("type") not in MODELS:
        raise DataError(
            f"the vocabulary of a {model.get('type')} tokenizer cannot be cut. Use the whole "
            f"vocabulary, or a tokenizer of these: {', '.join(MODELS)}."
        )
    kept = {*used, *named_tokens(content)}
    new_model = MODELS[model["type"]](model, kept)
    number = numbered(new_model, content["added_tokens"])
    return {
        **content,
        "model": new_model,
        "added_tokens": [{**t, "id": number[t["content"]]} for t in content["added_tokens"]],
        "post_processor": renumbered(content["post_processor"], number),
        "padding": {**content["padding"], "pad_id": number[content["padding"]["pad_token"]]},
    }


def named_tokens(content: Content) -> Iterator[str]:
    """The tokens that the file names outside of its vocabulary: added, special, padding."""
    yield from (token["content"] for token in content["added_tokens"])
    yield content["padding"]["pad_token"]
    yield from (name for name, _ in special_ids(content["post_processor"]))


def special_ids(processor: Any) -> Iterator[tuple[str, int]]:
    """The tokens that a post-processor puts around texts, with their ids."""
    if processor is None:
        return
    for inner in processor.get("processors", []):
        yield from special_ids(inner)
    for name in ("sep", "cls"):
        if name in processor:
            yield tuple(processor[name])
    for token in (processor.get("special_tokens") or {}).values():
        yield from zip(token["tokens"], token["ids"], strict=True)


def renumbered(processor: Any, number: Mapping[str, int]) -> Any:
    """The same post-processor with other ids."""
    if processor is None:
        return None
    changed = dict(processor)
    if "processors" in changed:
        changed["processors"] = [renumbered(inner, number) for inner in changed["processors"]]
    for name in ("sep", "cls"):
        if name in changed:
            changed[name] = [changed[name][0], number[changed[name][0]]]
    if changed.get("special_tokens"):
        changed["special_tokens"] = {
            name: {**token, "ids": [number[each] for each in token["tokens"]]}
            for name, token in changed["special_tokens"].items()
        }
    return changed


def numbered(model: Content, added: Iterable[Content]) -> dict[str, int]:
    """The id of every token: the model's own, then the added ones that it lacks."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):
        number = {piece: place for place, (piece, _) in enumerate(vocabulary)}
    else:
        number = dict(vocabulary)
    for token in added:
        number.setdefault(token["content"], len(number))
    return number


def chosen(vocabulary: Mapping[str, int], kept: set[str]) -> dict[str, int]:
    """The kept tokens, numbered from 0 in the old order."""
    ordered = sorted((number, token) for token, number in vocabulary.items() if token in kept)
    return {token: place for place, (_, token) in enumerate(ordered)}


def cut_words(model: Content, kept: set[str]) -> Content:
    return {**model, "vocab": chosen(model["vocab"], kept | {model["unk_token"]})}


def cut_merges(model: Content, kept: set[str]) -> Content:
    prefix = model["continuing_subword_prefix"] or ""
    built: dict[str, list[tuple[str, str]]] = {}
    for left, right in model["merges"]:
        built.setdefault(left + right.removeprefix(prefix), []).append((left, right))
    kept = kept | {model["unk_token"]} | byte_tokens(model, model["vocab"])
    if model["unk_token"] is None:
        kept |= model["vocab"].keys() - built.keys()
    pending = list(kept)
    while pending:
        for pair in built.get(pending.pop(), ()):
            pending += set(pair) - kept
            kept |= set(pair)
    merges = [[a, b] for a, b in model["merges"] if a + b.removeprefix(prefix) in kept]
    return {**model, "vocab": chosen(model["vocab"], kept), "merges": merges}


def cut_pieces(model: Content, kept: set[str]) -> Content:
    pieces = model["vocab"]
    worst = min(pieces, key=lambda each: each[1])[0]
    unknown = None if model["unk_id"] is None else pieces[model["unk_id"]][0]
    kept = kept | {worst, unknown} | byte_tokens(model, [piece for piece, _ in pieces])
    remaining = [[piece, score] for piece, score in pieces if piece in kept]
    places = {piece: place for place, (piece, _) in enumerate(remaining)}
    return {**model, "vocab": remaining, "unk_id": places.get(unknown)}


def byte_tokens(model: Content, tokens: Iterable[str]) -> set[str]:
    """The tokens that spell characters outside of the vocabulary byte by byte, if any do."""
    if not model.get("byte_fallback"):
        return set()
    return {f"<0x{byte:02X}>" for byte in range(256)} & set(tokens)


MODELS: dict[str, Callable[[Content, set[str]], Content]] = {
    "WordPiece": cut_words,
    "WordLevel": cut_words,
    "BPE": cut_merges,
    "Unigram": cut_pieces,
}


def pieces_taken(word: str, model: Content) -> Iterator[str]:
    """The pieces that WordPiece takes of a word, up to where it gives the word up."""
    vocabulary, prefix = model["vocab"], model["continuing_subword_prefix"]
    start = 0
    while start < len(word):
        head = prefix if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if head + word[start:end] in vocabulary), None)
        if end is None:
            return
        yield head + word[start:end]
        start = end
