"""Where teachers and data are from, as their folders say."""

from pathlib import Path

import pytest

from limbeck.hub import Source, source_of
from limbeck.hub.sources import front_matter

CARD = "---\nlanguage: en\nlicense: apache-2.0\ntags:\n- x\n---\n# Title\nlicense: mit\n"


def test_a_folder_with_a_card_tells_its_licence(tmp_path: Path) -> None:
    """Publishing under another licence than the teacher allows."""
    folder = tmp_path / "bert"
    folder.mkdir()
    assert source_of(folder) == Source("bert", None, None)
    (folder / "README.md").write_text(CARD)
    assert source_of(folder) == Source("bert", None, "apache-2.0")
    (folder / "train.parquet").write_bytes(b"")
    assert source_of(folder / "train.parquet") == Source("train.parquet", None, "apache-2.0")


def test_a_folder_of_the_hubs_cache_is_known_by_its_id(tmp_path: Path) -> None:
    """A link to a model that is called like the folder, and is another one."""
    for kind in ("models", "datasets"):
        folder = tmp_path / f"{kind}--some-one--the.model" / "snapshots" / "0123abc"
        folder.mkdir(parents=True)
        (folder / "README.md").write_text(CARD)
        assert source_of(folder) == Source("some-one/the.model", "some-one/the.model", "apache-2.0")


def test_an_id_of_the_hub_is_one_and_another_name_is_not() -> None:
    """A missing folder that is published as somebody's repository."""
    assert source_of("stanfordnlp/imdb") == Source("stanfordnlp/imdb", "stanfordnlp/imdb")
    assert source_of("nyu-mll/glue/sst2") == Source("nyu-mll/glue", "nyu-mll/glue")
    assert source_of("gone.npz") == Source("gone.npz")
    assert source_of("/gone/teacher") == Source("teacher")
    assert source_of(Source("mine")) == Source("mine")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Title\n",
        "---\nlicense: mit\n",
        "---\n[\n---\n",
        "---\n- a\n---\n",
        "\ufeffx",
        "---\n---",
    ],
)
def test_a_card_without_yaml_says_nothing(tmp_path: Path, text: str) -> None:
    """A traceback from somebody else's file."""
    (tmp_path / "README.md").write_text(text)
    assert front_matter(tmp_path / "README.md") == {}
    (tmp_path / "README.md").write_bytes(b"\xff\xfe---")
    assert front_matter(tmp_path / "README.md") == {}
    assert front_matter(tmp_path / "none.md") == {}


def test_a_list_of_licences_is_not_taken_for_one(tmp_path: Path) -> None:
    """YAML that the hub would refuse."""
    (tmp_path / "README.md").write_text("---\nlicense:\n- mit\n- other\n---\n")
    assert source_of(tmp_path).licence is None
