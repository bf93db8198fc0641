"""Images in Parquet, as the Hugging Face hub lays data sets out, from a folder or from the hub.

The files of a split are called `<split>.parquet` or `<split>-00000-of-00003.parquet` and so on, in
the folder or one below it. The image column holds {bytes, path} or bytes.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.class_names import number_labels
from limbeck.transfer_sets.encoded_images import Decoding, EncodedImages, as_size
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.image_folder import SPLIT_NAMES
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.transfer_set import Splits

__all__ = ["hub_images"]

FILE_NAME = re.compile(r"(?P<split>.+?)(-\d+-of-(?P<shards>\d+)(-[0-9a-f]+)?)?")
HUB_ID = re.compile(r"(?P<id>\w[\w.-]*/\w[\w.-]*)(/(?P<folder>.+))?")


def hub_images(
    path: str | Path,
    *,
    image: str = "image",
    label: str | None = "label",
    classes: Sequence[str] | None = None,
    groups: Sequence[str] = (),
    size: int | tuple[int, int] | None = None,
    greyscale: bool | None = None,
    validation: Size = 0.1,
    test: Size = 0.2,
    labelled: int | None = None,
    memory: float = 4.0,
    seed: int = 0,
) -> Splits:
    """Read images from a folder of Parquet files, or from the hub.

    The encoded files stay in memory. Splits other than train, validation and test are left alone.

    Args:
        path: A folder; or a hub id such as "ylecun/mnist", with "/folder" after it where the data
            set has several configurations, for which huggingface_hub must be installed.
        image: The column of images.
        label: The column of class numbers or names; None if there is none.
        classes: Class names, in the order of the label numbers. None takes those in the files, else
            the labels that occur, sorted.
        groups: Columns by which fairness is judged.
        size: (height, width) in pixels, or one number, to bring all images to; None if they have
            one size.
        greyscale: True for one channel, False for three, None for what the first image has.
        validation: Fraction (below 1) or count of the labelled training images to keep apart,
            class by class; 0 for none. The data's own validation split goes before it.
        test: The same for the test part, of data without a test split.
        labelled: How many training labels to keep, evenly over the classes. None keeps all.
        memory: The most that decoded pixels may take per split, in GB, >= 0; smaller splits are
            decoded here, once, larger ones for each batch.
        seed: Chooses the parts and the labels that are kept.

    Raises:
        DataError: if the data cannot be found or read, a column or a shard is missing, or an image
            is damaged or does not fit the first.
    """
    folder, name = located(str(path))
    columns = [image, *([] if label is None else [label]), *groups]
    tables = {split: read(files, columns) for split, files in split_files(folder).items()}
    if classes is None and label is not None:
        classes = class_label_names(tables["train"].schema, label)
    names, labels = number_labels(
        {
            split: [None] * len(table) if label is None else table[label].to_pylist()
            for split, table in tables.items()
        },
        classes,
        name,
    )
    decoding: Decoding | None = None
    sets: dict[str, Identified] = {}
    for split, table in tables.items():
        files = ColumnOfImages(image_bytes(table[image], image, name), f"{split} of {name}")
        if len(files) == 0:
            raise DataError(f"the split '{split}' of {name} is empty. Give it at least one row.")
        if decoding is None:
            decoding = Decoding.like(files, as_size(size), greyscale)
        sets[split] = EncodedImages(
            files,
            decoding,
            labels[split],
            classes=names,
            ids=[f"{split}-{row}" for row in range(len(files))],
            groups={column: [str(v) for v in table[column].to_pylist()] for column in groups},
            name=f"{name}.{split}",
            memory=memory,
        ).decode()
    return splits_from(sets, name, validation=validation, test=test, labelled=labelled, seed=seed)


@dataclass(frozen=True)
class ColumnOfImages:
    """Encoded images in an Arrow column."""

    column: Any
    title: str

    def __len__(self) -> int:
        return len(self.column)

    def read(self, position: int) -> Any:
        """A file's bytes, not copied."""
        data = self.column[position].as_buffer()
        if data is None:
            raise DataError(f"{self.where(position)} has no image. Fill it in or take it out.")
        return data

    def where(self, position: int) -> str:
        """The row and the split."""
        return f"row {position} of {self.title}"


def located(path: str) -> tuple[Path, str]:
    """The folder of the Parquet files, downloaded if it is a hub id, and the data set's name."""
    folder = Path(path)
    if folder.is_dir():
        return folder, folder.resolve().name
    hub = HUB_ID.fullmatch(path)
    if hub is None:
        raise DataError(f"no folder {path}. Give a folder of Parquet files, or an id of the hub.")
    return downloaded(hub["id"], path) / (hub["folder"] or ""), hub["id"].split("/")[1]


def downloaded(hub_id: str, path: str) -> Path:
    """The local copy of a data set's Parquet files."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise DataError(
            f"there is no folder {path}, and huggingface_hub, which gets data from the hub, is not "
            "installed. Install it with: pip install huggingface_hub"
        ) from error
    try:
        return Path(snapshot_download(hub_id, repo_type="dataset", allow_patterns=["*.parquet"]))
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(
            f"there is no folder {path}, and the hub did not give {hub_id} "
            f"({type(error).__name__}: {reason}). Check the name and the connection, or give a "
            "folder of its Parquet files."
        ) from error


def split_files(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of train, validation and test, in order."""
    found: dict[Path, dict[str, list[Path]]] = {}
    seen = set()
    for file in sorted(folder.rglob("*.parquet")):
        match = FILE_NAME.fullmatch(file.stem)
        assert match is not None
        is_numbered = file.stem.isdigit()
        word = file.parent.name if is_numbered else match["split"]
        seen.add(word)
        split = SPLIT_NAMES.get(word.lower())
        if split is not None:
            home = file.parent.parent if is_numbered else file.parent
            found.setdefault(home, {}).setdefault(split, []).append(file)
    if not any("train" in splits for splits in found.values()):
        raise DataError(
            f"no train.parquet or train-00000-of-....parquet in {folder}; splits there: "
            f"{', '.join(sorted(seen)) or 'none'}. Call the training split train."
        )
    if len(found) > 1:
        homes = ", ".join(sorted(home.relative_to(folder).as_posix() for home in found))
        raise DataError(
            f"{folder} holds several data sets: {homes}. Give one of them, as in "
            f"{folder.name}/{sorted(found)[0].relative_to(folder).as_posix()}."
        )
    ((_, splits),) = found.items()
    for split, files in splits.items():
        check_shards(split, files, folder)
    return {split: splits[split] for split in ("train", "validation", "test") if split in splits}


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


def read(files: list[Path], columns: list[str]) -> pa.Table:
    """These columns of all files of a split."""
    tables = []
    for file in files:
        try:
            parquet = pq.ParquetFile(file)
            known = parquet.schema_arrow.names
            missing = [column for column in columns if column not in known]
            if missing:
                raise DataError(
                    f"{file} has no column '{missing[0]}'; it has {', '.join(known)}. "
                    f"{nearest(missing[0], known)}"
                )
            tables.append(parquet.read(columns=columns))
            tables[-1].validate(full=True)
        except (pa.ArrowException, OSError, UnicodeError) as error:
            raise DataError(
                f"{file} cannot be read as Parquet ({error}). Get it again; it may be incomplete."
            ) from error
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(
            f"the columns of {files[0].name} and the files after it differ ({error}). Give one "
            "split's files the same columns."
        ) from error


def image_bytes(column: Any, image: str, name: str) -> Any:
    """The encoded files of an image column, as one array with 64-bit offsets."""
    kind = column.type
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
        kind = column.type
    if not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        raise DataError(
            f"the column '{image}' of {name} is {kind}. Give a column of encoded images: bytes, or "
            "{bytes, path}."
        )
    return pa.chunked_array(column.cast(pa.large_binary())).combine_chunks()


def class_label_names(schema: pa.Schema, label: str) -> list[str] | None:
    """The class names that the hub's own writer left in the file, if it did."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names]
