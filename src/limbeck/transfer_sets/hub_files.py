"""Files of a data set as the Hugging Face hub lays them out, in a folder or from the hub.

The files of a split are called `<split>.parquet` or `<split>-00000-of-00003.parquet` and so on, in
the folder or one below it; the hub's own conversion has them in `<split>/0000.parquet`.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.image_folder import SPLIT_NAMES

__all__ = ["located", "split_files"]

FILE_NAME = re.compile(r"(?P<split>.+?)(-\d+-of-(?P<shards>\d+)(-[0-9a-f]+)?)?")
HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(/(?P<folder>.+))?")


def located(path: str, suffixes: Sequence[str], what: str) -> tuple[Path, str]:
    """The folder of the files, downloaded if it is a hub id, and the data set's name.

    Args:
        path: A folder or a hub id, as the user gave it.
        suffixes: How the files end, such as ".parquet".
        what: What they are called in an error, such as "Parquet files".

    Raises:
        DataError: if there is no such folder, and the hub does not give it.
    """
    folder = Path(path)
    if folder.is_dir():
        return folder, folder.resolve().name
    hub = HUB_ID.fullmatch(path)
    if hub is None:
        raise DataError(f"no folder {path}. Give a folder of {what}, or an id of the hub.")
    folder = downloaded(hub["id"], path, suffixes, what) / (hub["folder"] or "")
    return folder, hub["id"].split("/")[1]


def downloaded(hub_id: str, path: str, suffixes: Sequence[str], what: str) -> Path:
    """The local copy of a data set's files."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise DataError(
            f"there is no folder {path}, and huggingface_hub, which gets data from the hub, is not "
            "installed. Install it with: pip install huggingface_hub"
        ) from error
    patterns = [f"*{suffix}" for suffix in suffixes]
    try:
        return Path(snapshot_download(hub_id, repo_type="dataset", allow_patterns=patterns))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(
            f"there is no folder {path}, and the hub did not give {hub_id} "
            f"({type(error).__name__}: {reason}). Check the name and the connection, or give a "
            f"folder of its {what}."
        ) from error


def split_files(
    folder: Path, suffixes: Sequence[str], further: str | None = None
) -> dict[str, list[Path]]:
    """The files of train, validation and test, and perhaps of one further split, in order.

    Raises:
        DataError: if there is no train split or not the further one, there are several data sets,
            or a split is not complete.
    """
    found: dict[Path, dict[str, list[Path]]] = {}
    seen = set()
    for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() in suffixes):
        match = FILE_NAME.fullmatch(file.stem)
        assert match is not None
        is_numbered = file.stem.isdigit()
        word = file.parent.name if is_numbered else match["split"]
        seen.add(word)
        split = word if word == further else SPLIT_NAMES.get(word.lower())
        if split is not None:
            home = file.parent.parent if is_numbered else file.parent
            found.setdefault(home, {}).setdefault(split, []).append(file)
    if not any("train" in splits for splits in found.values()):
        raise DataError(
            f"no {' or '.join(f'train{suffix}' for suffix in suffixes)} (or shards, such as "
            f"train-00000-of-00002{suffixes[0]}) in {folder}; splits there: "
            f"{', '.join(sorted(seen)) or 'none'}. Call the training split train."
        )
    if len(found) > 1:
        homes = ", ".join(sorted(home.relative_to(folder).as_posix() for home in found))
        raise DataError(
            f"{folder} holds several data sets: {homes}. Give one of them, as in "
            f"{folder.name}/{sorted(found)[0].relative_to(folder).as_posix()}."
        )
    ((_, splits),) = found.items()
    if further is not None and further not in splits:
        known = nearest(further, seen, what="splits")
        raise DataError(f"{folder} has no split '{further}'. {known}")
    for split, files in splits.items():
        check_shards(split, files, folder)
    wanted = ("train", "validation", "test", *([] if further is None else [further]))
    return {split: splits[split] for split in wanted if split in splits}


def check_shards(split: str, files: list[Path], folder: Path) -> None:
    shards = [match["shards"] for file in files if (match := FILE_NAME.fullmatch(file.stem))]
    needed = 1 if shards[0] is None else int(shards[0])
    if files[0].stem.isdigit():
        return
    if len(files) != needed or len(set(shards)) > 1:
        raise DataError(
            f"the split '{split}' in {folder} has {len(files)} file(s) where {needed} belong to "
            f"it: {', '.join(file.name for file in files[:5])}. Complete it, or remove what is of "
            "another version."
        )
