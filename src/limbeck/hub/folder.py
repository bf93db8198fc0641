"""Two folders as the Hugging Face hub wants them; nothing is ever sent.

    <folder>/model/       README.md, student.safetensors, student.json, run.json,
                          student.onnx, tokenizer.json (where there are such)
    <folder>/knowledge/   README.md, manifest.json, shard-*.arrow

The first is a model repository, the second a data set repository: `datasets.load_dataset` opens it,
and so does `KnowledgeStore`. A README.md that was edited by hand is never written over.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from limbeck.errors import LimbeckError
from limbeck.hub.card_parts import Origins, task_of
from limbeck.hub.data_card import data_card
from limbeck.hub.model_card import model_card
from limbeck.hub.sources import Source, source_of
from limbeck.store import KnowledgeStore
from limbeck.store.files import write_whole
from limbeck.store.format import MANIFEST

if TYPE_CHECKING:
    from limbeck.comparison import Comparison
    from limbeck.exporting import Export
    from limbeck.training import Run

__all__ = ["HubFolder", "hub_folder"]

CARD = "README.md"
SEAL = re.compile(r"\n<!-- limbeck: sha256 ([0-9a-f]{64}) -->\n\Z")
"""The last line of a card: what the text above hashes to, as long as nobody edits it."""


@dataclass(frozen=True)
class HubFolder:
    """What was written.

    Attributes:
        model: The folder of the student.
        knowledge: The folder of the knowledge store; None if the student learned from none.
    """

    model: Path
    knowledge: Path | None

    def __str__(self) -> str:
        lines = [f"{self.model}: hf upload OWNER/NAME {self.model}"]
        if self.knowledge is not None:
            push = f"hf upload OWNER/NAME {self.knowledge} --repo-type dataset"
            lines.append(f"{self.knowledge}: {push}")
        return "\n".join(lines)


def hub_folder(
    run: "Run",
    folder: str | Path,
    *,
    name: str = "student",
    comparison: "Comparison | None" = None,
    export: "Export | None" = None,
    teachers: Sequence[str | Path | Source] = (),
    data: str | Path | Source | None = None,
    license: str | None = None,
) -> HubFolder:
    """Write a student, and the knowledge it learned from, as folders that can be pushed to the hub.

    Nothing is uploaded, and nothing is asked of the network. Shards of a store on the same disk are
    linked, not copied.

    Args:
        run: The trained student.
        folder: Where "model" and "knowledge" go.
        name: What the cards call the student.
        comparison: What `compare` returned: its verdict and its table go into the card.
        export: What `export` returned: the ONNX file goes beside the card.
        teachers: The hub id or folder that each teacher was loaded from. A folder's own card says
            its licence, and a folder of the hub's cache its id. Or a `Source`, which says all.
        data: The hub id or folder that the examples were loaded from, likewise.
        license: What the hub calls the licence of what is published, such as "apache-2.0". None:
            the teachers', if their cards state one and the same; else "unknown".

    Raises:
        LimbeckError: if a README.md there was edited by hand or is someone else's, or the folder
            cannot be written.

    Example:
        >>> hub_folder(run, "hub", comparison=comparison)  # doctest: +SKIP
    """
    folder = Path(folder)
    sources = [source_of(teacher) for teacher in teachers]
    from_data = Source(run.transfer_set.name) if data is None else source_of(data)
    origins = Origins(name, sources, from_data, license or common_licence(sources))
    store = run.knowledge if isinstance(run.knowledge, KnowledgeStore) else None
    manifest = None if store is None else store.manifest
    targets = [folder / "model", *([] if store is None else [folder / "knowledge"])]
    for target in targets:
        check_replaceable(target / CARD)
    try:
        place_student(run, export, targets[0])
        write_card(targets[0], model_card(run, origins, comparison, export, manifest))
        if store is None:
            return HubFolder(targets[0], None)
        texts = run.student.tokenization is not None
        task = task_of(texts, run.transfer_set.input_shape)
        of_data = Origins(f"{name}-knowledge", sources, from_data, origins.licence)
        place_store(store, targets[1])
        write_card(targets[1], data_card(store.manifest, of_data, task))
    except OSError as error:
        raise LimbeckError(
            f"{folder} cannot be written: {error.strerror or error}. Choose a folder that can be "
            "written, with space left."
        ) from error
    return HubFolder(targets[0], targets[1])


def common_licence(sources: Sequence[Source]) -> str:
    """The one licence of all teachers, or "unknown"."""
    licences = {source.licence for source in sources}
    return next(iter(licences)) or "unknown" if len(licences) == 1 else "unknown"


def place_student(run: "Run", export: "Export | None", folder: Path) -> None:
    """The student's files; what an earlier student left there goes."""
    for old in ("student.onnx", "tokenizer.json"):
        (folder / old).unlink(missing_ok=True)
    run.save(folder)
    if export is not None:
        place(export.path, folder / "student.onnx")
        if export.tokenizer is not None and run.student.tokenization is None:
            place(export.tokenizer, folder / "tokenizer.json")


def place_store(store: KnowledgeStore, folder: Path) -> None:
    """The shards of a store, then its manifest; what an earlier store left there goes."""
    folder.mkdir(parents=True, exist_ok=True)
    shards = [shard.file for shard in store.manifest.shards]
    for old in folder.glob("shard-*.arrow"):
        if old.name not in shards:
            old.unlink()
    for file in (*shards, MANIFEST):
        place(store.path / file, folder / file)


def place(source: Path, target: Path) -> None:
    """A file at another path too: a link where the disk is the same, else a copy."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)
    part.unlink(missing_ok=True)  # a rename onto a link to the same file leaves it


def check_replaceable(card: Path) -> None:
    """Raise a LimbeckError if the card is not as limbeck wrote it."""
    if not card.exists():
        return
    text = card.read_text(encoding="utf-8", errors="replace")
    seal = SEAL.search(text)
    if seal is None or seal[1] != sha256(text[: seal.start()]):
        raise LimbeckError(
            f"{card} was edited by hand, or is not a card of limbeck's. Move it away, or give "
            "another folder; then take over what it said."
        )


def write_card(folder: Path, text: str) -> None:
    sealed = f"{text.rstrip()}\n<!-- limbeck: sha256 {sha256(text.rstrip())} -->\n"
    write_whole(folder / CARD, lambda file: file.write(sealed.encode()))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
