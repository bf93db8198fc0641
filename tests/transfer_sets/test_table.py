"""Tables: standardised, one-hot, and the row and column of everything that is wrong."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from limbeck.errors import DataError
from limbeck.transfer_sets import TransferSet, table

HEADER = "age,job,owner,sex,label,split"
LINES = [
    "20,cook,true,f,yes,train",
    "30,baker,false,m,no,train",
    "40,cook,true,f,yes,train",
    "70,baker,true,m,no,train",
    "55,pilot,true,f,yes,test",
    "35,cook,false,m,,train",
]
WHOLE = {"validation": 0, "test": 0}


def csv(folder: Path, *lines: str, header: str = HEADER, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *(lines or LINES)]) + "\n")
    return path


def inputs(transfer_set: TransferSet) -> np.ndarray:
    return transfer_set.batch(torch.arange(len(transfer_set))).inputs.numpy()


def test_numbers_are_standardised_with_the_training_part(tmp_path: Path) -> None:
    """Prevents test statistics from entering, and rows that are scaled unlike each other."""
    splits = table(csv(tmp_path), groups=["sex"], validation=0)
    ages = np.array([20, 30, 40, 70, 35], np.float64)
    mean, deviation = ages.mean(), ages.std()
    expected = np.array(
        [
            [(20 - mean) / deviation, 0, 1, 0, 1],
            [(30 - mean) / deviation, 1, 0, 1, 0],
            [(40 - mean) / deviation, 0, 1, 0, 1],
            [(70 - mean) / deviation, 1, 0, 0, 1],
            [(35 - mean) / deviation, 0, 1, 1, 0],
        ]
    )
    np.testing.assert_allclose(inputs(splits.train), expected, rtol=1e-6)
    np.testing.assert_allclose(
        inputs(splits.test), [[(55 - mean) / deviation, 0, 0, 0, 1]], rtol=1e-6
    )
    assert splits.train.classes == ("no", "yes")
    assert splits.train.labels.tolist() == [1, 0, 1, 0, -1]
    assert splits.train.groups == {"sex": ("f", "m", "f", "m", "m")}
    assert splits.train.ids == ("0", "1", "2", "3", "5")
    assert splits.test.ids == ("4",)


def test_preprocessing_says_how_inputs_were_made(tmp_path: Path) -> None:
    """Prevents a deployed student whose inputs nobody can make again."""
    splits = table(csv(tmp_path), features=["job", "age"], **WHOLE)
    job, age = splits.train.preprocessing["features"]
    assert job == {"name": "job", "values": ["baker", "cook"]}
    assert age["name"] == "age"
    np.testing.assert_allclose([age["mean"], age["deviation"]], [39, np.std([20, 30, 40, 70, 35])])


def test_the_statistics_are_those_of_train_without_validation(tmp_path: Path) -> None:
    """Prevents validation rows from shaping what they judge."""
    lines = [f"{i * i},{'ab'[i % 2]}" for i in range(50)]
    splits = table(csv(tmp_path, *lines, header="x,label"), validation=10, test=10)
    values = inputs(splits.train)
    assert len(values) == 30
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-6)
    raw = [int(id) ** 2 for id in splits.train.ids]
    expected = [((int(id) ** 2) - np.mean(raw)) / np.std(raw) for id in splits.validation.ids]
    np.testing.assert_allclose(inputs(splits.validation)[:, 0], expected, rtol=1e-5)


def test_parquet_and_csv_give_the_same_set(tmp_path: Path) -> None:
    """Prevents a store that is refused after a change of file format."""
    path = csv(tmp_path)
    rows = [line.split(",") for line in LINES]
    columns = dict(zip(HEADER.split(","), map(list, zip(*rows, strict=True)), strict=True))
    columns["age"] = [int(value) for value in columns["age"]]
    columns["owner"] = [value == "true" for value in columns["owner"]]
    pq.write_table(pa.table(columns), tmp_path / "people.parquet")
    one, other = table(path, **WHOLE), table(tmp_path / "people.parquet", **WHOLE)
    assert one.train.fingerprint == other.train.fingerprint
    assert one.train.labels.tolist() == other.train.labels.tolist()


def test_a_folder_and_paths_by_split_are_read_alike(tmp_path: Path) -> None:
    """Prevents the test file from being passed over."""
    train = csv(tmp_path, "1,a", "2,b", "3,a", header="x,label", name="train.csv")
    test = csv(tmp_path, "5,b", header="x,label", name="test.csv")
    one, other = table(tmp_path, validation=0), table({"train": train, "test": test}, validation=0)
    assert one.test.fingerprint == other.test.fingerprint
    assert one.train.ids == ("0", "1", "2")
    np.testing.assert_allclose(inputs(one.test), [[3 / np.std([1, 2, 3])]], rtol=1e-6)


def test_a_column_of_numbers_can_be_categories_and_an_id_column_names_rows(
    tmp_path: Path,
) -> None:
    """Prevents postal codes from being averaged, and ids from being learned from."""
    lines = ["7,10,a", "8,9,b", "9,10,a"]
    path = csv(tmp_path, *lines, header="key,code,label")
    train = table(path, ids="key", categorical=["code"], **WHOLE).train
    np.testing.assert_array_equal(inputs(train), [[1, 0], [0, 1], [1, 0]])
    assert train.ids == ("7", "8", "9")


def test_a_constant_column_becomes_zero(tmp_path: Path) -> None:
    """Prevents a division by zero."""
    train = table(csv(tmp_path, "4,1,a", "4,2,b", header="x,y,label"), **WHOLE).train
    np.testing.assert_array_equal(inputs(train)[:, 0], [0, 0])


def test_integers_that_turn_into_fractions_late_are_read(tmp_path: Path) -> None:
    """Prevents types guessed from the first megabyte of a file."""
    lines = [f"{i % 7},{'ab'[i % 2]}" for i in range(300_000)] + ["0.5,a"]
    train = table(csv(tmp_path, *lines, header="x,label"), **WHOLE).train
    assert len(train) == 300_001


@pytest.mark.parametrize(
    ("header", "lines", "labels", "classes"),
    [
        ("x,label", ["1,3", "2,1", "3,-1", "4,"], [1, 0, -1, -1], ("1", "3")),
        ("x,label", ["1,3.0", "2,1.0", "3,nan"], [1, 0, -1], ("1", "3")),
        ("x,label", ["1,true", "2,false"], [1, 0], ("False", "True")),
        ("x,label", ["1,NA", "2,UK"], [0, 1], ("NA", "UK")),
    ],
)
def test_labels_are_names_or_numbers_and_may_be_missing(
    tmp_path: Path, header: str, lines: list, labels: list, classes: tuple
) -> None:
    """Prevents missing labels from becoming a class, and a class "NA" from going missing."""
    train = table(csv(tmp_path, *lines, header=header), **WHOLE).train
    assert train.labels.tolist() == labels
    assert train.classes == classes


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["1,,a", "2,x,b"], {}, "'job' is empty in row 1 of train of people"),
        (["1,x,a", "nan,x,b"], {}, r"'age' is empty in row 2 .* and in 1 row\(s\)"),
        (["1,x,a", "inf,x,b"], {}, "'age' is infinite in row 2"),
        (["1,x,a", "2,y,b"], {"label": "lable"}, "no column 'lable'; it has age, job, label. Did"),
        (["1,x,a", "2,y,b"], {"features": ["agee"]}, "Did you mean 'age'?"),
        (["1,x,a", "2,y,b"], {"groups": ["sex"]}, "no column 'sex'"),
        (["1,x,a", "2,y,b"], {"splits": "part"}, "no column 'part'"),
        (["1,x,a", "2,y,b"], {"features": []}, "no columns to learn from beside 'label'"),
        (["1,x,a", "2,y,b"], {"classes": ["a", "c"]}, "label 'b' in row 1 .* is no class"),
        (["1,3,a", "2,?,b", "1,4,b"], {}, r"mixes numbers with text such as '\?'"),
        (["1,2020-01-02,a", "2,2020-01-03,b"], {}, "'job' of people is date.* neither numbers"),
        (["1,x,a", "2,x,b"], {"ids": "job"}, "the id 'x' appears twice in people.train"),
        (["1,x,0", "2,x,5"], {"classes": ["a", "b"]}, "label 5 in row 1 .* out of range"),
        (["1,x,", "2,y,"], {}, "has no labels and nothing names the classes"),
        (["1,x,1.5", "2,y,2"], {}, "the label in row 0 of train in people is 1.5"),
        (["1,x,7", "2,y,7"], {}, r"1 class\(es\) \['7'\]"),
        (["1,x,a", "2,y"], {}, "cannot be read as a table"),
        (["1e300,x,a", "-1e300,y,b"], {}, "numbers of column 'age' in people are too large"),
    ],
)
def test_what_is_wrong_is_told_with_its_row_and_column(
    tmp_path: Path, lines: list, options: dict, message: str
) -> None:
    """Prevents values that were filled in or misread unseen."""
    path = csv(tmp_path, *lines, header="age,job,label")
    with pytest.raises(DataError, match=message):
        table(path, **{**WHOLE, **options})


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([f"name {i}" for i in range(1001)], "'job' of people has 1001 different values"),
        ([str(i) for i in range(50)], "'job' of people holds numbers written as text"),
    ],
)
def test_names_and_numbers_as_text_are_no_categories(
    tmp_path: Path, texts: list, message: str
) -> None:
    """Prevents a thousand inputs from a column of names."""
    path = tmp_path / "people.parquet"
    numbers = [i % 2 for i in range(len(texts))]
    pq.write_table(pa.table({"job": texts, "label": numbers}), path)
    with pytest.raises(DataError, match=message):
        table(path, **WHOLE)
    assert len(table(path, categorical=["job"], **WHOLE).train) == len(texts)


def test_wrong_splits_are_told(tmp_path: Path) -> None:
    """Prevents a split that is silently left out."""
    lines = ["1,a,train", "2,b,trian"]
    with pytest.raises(DataError, match="column 'split' of people.csv says 'trian' in row 2"):
        table(csv(tmp_path, *lines, header="x,label,split"))
    with pytest.raises(DataError, match="says train in no row"):
        table(csv(tmp_path, "1,a,test", "2,b,test", header="x,label,split"))
    with pytest.raises(DataError, match=r"no train.csv or train.parquet in"):
        table(tmp_path)
    with pytest.raises(DataError, match=r"the splits given are \['tain'\]"):
        table({"tain": tmp_path / "people.csv"})
    csv(tmp_path, name="valid.csv")
    csv(tmp_path, name="val.csv")
    with pytest.raises(DataError, match="are both the validation split"):
        table(tmp_path)


def test_missing_empty_and_ambiguous_files_are_told(tmp_path: Path) -> None:
    """Prevents a traceback from inside Arrow."""
    with pytest.raises(DataError, match="no file .*absent.csv"):
        table(tmp_path / "absent.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="cannot be read as a table"):
        table(tmp_path / "empty.csv")
    (tmp_path / "bare.csv").write_text("x,label\n")
    with pytest.raises(DataError, match="bare.csv has no rows"):
        table(tmp_path / "bare.csv")
    (tmp_path / "twice.csv").write_text("x,x,label\n1,2,a\n")
    with pytest.raises(DataError, match="two columns named 'x'"):
        table(tmp_path / "twice.csv")
    (tmp_path / "latin.csv").write_bytes("größe,label\n1,a\n".encode("latin-1"))
    with pytest.raises(DataError, match="latin.csv cannot be read .* Give CSV in UTF-8"):
        table(tmp_path / "latin.csv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad.parquet cannot be read as a table"):
        table(tmp_path / "bad.parquet")
