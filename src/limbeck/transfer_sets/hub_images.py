"""Images in Parquet, as the Hugging Face hub lays data sets out, from a folder or from the hub.

The image column holds {bytes, path} or bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.class_names import class_label_names, number_labels
from limbeck.transfer_sets.encoded_images import Decoding, EncodedImages, as_size
from limbeck.transfer_sets.hub_files import located, split_files
from limbeck.transfer_sets.identified import Identified
from limbeck.transfer_sets.splitting import Size, splits_from
from limbeck.transfer_sets.transfer_set import Splits

__all__ = ["hub_images"]

SUFFIXES = (".parquet",)


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
    folder, name = located(str(path), SUFFIXES, "Parquet files")
    columns = [image, *([] if label is None else [label]), *groups]
    tables = {split: read(files, columns) for split, files in split_files(folder, SUFFIXES).items()}
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
