"""Tables, CSV or Parquet: numbers standardised, categories one column per value."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from limbeck.errors import DataError, nearest
from limbeck.transfer_sets.arrays import Arrays
from limbeck.transfer_sets.class_names import number_labels
from limbeck.transfer_sets.features import encode, fit
from limbeck.transfer_sets.image_folder import SPLIT_NAMES
from limbeck.transfer_sets.splitting import Part, Size, divide
from limbeck.transfer_sets.transfer_set import Splits

__all__ = ["table"]

MISSING = ["", "NaN", "nan"]
"""What counts as missing in a CSV file; "NA" may be a category."""


def table(
    path: str | Path | Mapping[str, str | Path],
    *,
    label: str = "label",
    features: Sequence[str] | None = None,
    categorical: Sequence[str] = (),
    groups: Sequence[str] = (),
    ids: str | None = None,
    classes: Sequence[str] | None = None,
    splits: str | None = None,
    validation: Size = 0.1,
    test: Size = 0.2,
    labelled: int | None = None,
    seed: int = 0,
) -> Splits:
    """Read a table whose rows are examples.

    Columns of numbers are standardised with the training part's mean and standard deviation
    (divided by n). Columns of text or true/false become one input per value of the training part,
    values sorted. `train.preprocessing["features"]` says how, and is part of the fingerprint.

    Args:
        path: One .csv or .parquet file; a folder of train, validation and test files; or the path
            of each split, as {"train": ..., "test": ...}.
        label: The column of class names or numbers; empty or -1 where there is no label.
        features: The columns to learn from; None for all but label, groups, ids and splits.
        categorical: Columns of numbers that are categories.
        groups: Columns by which fairness is judged. To learn from them too, name them in features.
        ids: A column with a unique name per row; None numbers the rows of the file.
        classes: Class names, in the order of the label numbers; None sorts the labels that occur.
        splits: The column of one file that says train, validation or test; None uses a column
            "split" if there is one.
        validation: Fraction (below 1) or count of the labelled training rows to keep apart, class
            by class; 0 for none. The table's own validation split goes before it.
        test: The same for the test part, of a table without a test split.
        labelled: How many training labels to keep, evenly over the classes. None keeps all.
        seed: Chooses the parts and the labels that are kept.

    Raises:
        DataError: if a file or column is missing, a feature's value is missing, NaN or infinite
            (its row and column are named), or a column is neither numbers nor categories.
    """
    title, sources = read_splits(path, splits)
    groups, categorical = list(groups), list(categorical)
    special = [label, *groups, *([ids] if ids else []), splits or "split", ROW]
    names = sources["train"].column_names
    used = [n for n in names if n not in special] if features is None else list(features)
    if not used:
        raise DataError(f"{title} has no columns to learn from beside '{label}'. Name features.")
    for split, source in sources.items():
        needed = [label, *used, *categorical, *groups, *([ids] if ids else [])]
        check_columns(source, needed, f"{split} of {title}")
        check_values(source, used, f"{split} of {title}")
    class_names, labels = number_labels(
        {split: source[label].to_pylist() for split, source in sources.items()}, classes, title
    )
    parts = divide(labels, title, validation=validation, test=test, labelled=labelled, seed=seed)
    training = rows_of(sources, parts["train"])
    encoders = fit(training, used, categorical, title)
    built = {}
    for name, part in parts.items():
        columns = rows_of(sources, part)
        built[name] = Arrays(
            encode(columns, encoders),
            part.labels,
            classes=class_names,
            ids=[str(value) for value in columns[ids or ROW].to_pylist()],
            groups={column: [str(v) for v in columns[column].to_pylist()] for column in groups},
            name=f"{title}.{name}",
            preprocessing={"features": [encoder.settings() for encoder in encoders]},
        )
    return Splits(built["train"], built.get("validation"), built.get("test"))


ROW = "\x00row"
"""The column added in reading: a row's number in its file, from 0."""


def read_splits(
    path: str | Path | Mapping[str, str | Path], splits: str | None
) -> tuple[str, dict[str, pa.Table]]:
    """What to call the table, and the rows of each of its splits."""
    if isinstance(path, Mapping):
        unknown = sorted(set(path) - {"train", "validation", "test"})
        if unknown or "train" not in path:
            raise DataError(
                f"the splits given are {sorted(path)}. Give paths for train, and perhaps for "
                "validation and test."
            )
        files = {split: Path(file) for split, file in path.items()}
        return files["train"].stem, {split: read(file) for split, file in files.items()}
    path = Path(path)
    if path.is_dir():
        return path.resolve().name, {split: read(f) for split, f in files_in(path).items()}
    whole = read(path)
    if splits is None and "split" not in whole.column_names:
        return path.stem, {"train": whole}
    column = splits or "split"
    check_columns(whole, [column], path.name)
    return path.stem, split_rows(whole, column, path)


def files_in(folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        split = SPLIT_NAMES.get(file.stem.lower())
        if split is None or file.suffix.lower() not in (".csv", ".parquet"):
            continue
        if split in files:
            raise DataError(f"{files[split]} and {file} are both the {split} split. Keep one.")
        files[split] = file
    if "train" not in files:
        raise DataError(
            f"no train.csv or train.parquet in {folder}. Add it, or give the path of one file."
        )
    return files


def split_rows(whole: pa.Table, column: str, path: Path) -> dict[str, pa.Table]:
    """The rows of each split, by the column that names it."""
    words = [str(value) for value in whole[column].to_pylist()]
    for row, word in enumerate(words):
        if word.lower() not in SPLIT_NAMES:
            raise DataError(
                f"column '{column}' of {path.name} says '{word}' in row {row + 1}. Say train, "
                "validation or test."
            )
    named = np.array([SPLIT_NAMES[word.lower()] for word in words])
    present = [split for split in ("train", "validation", "test") if (named == split).any()]
    if "train" not in present:
        raise DataError(f"column '{column}' of {path.name} says train in no row. Name some.")
    return {split: whole.filter(pa.array(named == split)) for split in present}


def read(file: Path) -> pa.Table:
    """A file's table, with its rows numbered."""
    if not file.is_file():
        raise DataError(f"no file {file}. Give a .csv or .parquet file, or a folder of them.")
    try:
        if file.suffix.lower() == ".parquet":
            content = pq.read_table(file)
        else:
            content = pyarrow.csv.read_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(
                    block_size=min(max(file.stat().st_size + 1, 2**20), 2**31 - 1)
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    null_values=MISSING, strings_can_be_null=True
                ),
            )
        content.validate(full=True)
        names = content.column_names
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise DataError(
            f"{file} cannot be read as a table ({error}). Give CSV in UTF-8 with a header, or "
            "Parquet."
        ) from error
    if content.num_rows == 0:
        raise DataError(f"{file} has no rows. Give at least one example.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{file} has two columns named '{repeated[0]}'. Rename one.")
    return content.append_column(ROW, pa.array(range(content.num_rows)))


def check_columns(source: pa.Table, needed: Sequence[str], where: str) -> None:
    known = [name for name in source.column_names if name != ROW]
    for column in needed:
        if column not in known:
            raise DataError(
                f"{where} has no column '{column}'; it has {', '.join(known)}. "
                f"{nearest(column, known)}"
            )


def check_values(source: pa.Table, features: Sequence[str], where: str) -> None:
    """No feature is missing, NaN or infinite anywhere."""
    for name in features:
        column = source[name]
        missing = column.is_null(nan_is_null=True).to_numpy()
        wrong, what = missing, "empty"
        if not missing.any() and pa.types.is_floating(column.type):
            wrong, what = ~np.isfinite(column.to_numpy()), "infinite"
        if wrong.any():
            row = source[ROW][int(wrong.argmax())].as_py() + 1
            raise DataError(
                f"column '{name}' is {what} in row {row} of {where} (the first row after the "
                f"header is 1), and in {int(wrong.sum())} row(s) in all. Fill it in, or leave the "
                "column out of features."
            )


def rows_of(sources: Mapping[str, pa.Table], part: Part) -> pa.Table:
    return sources[part.source].take(pa.array(part.rows.numpy()))
