"""Every Python block in the README and docs runs, and their commands exist."""

import re
from pathlib import Path

import pytest

from limbeck import __version__
from limbeck.recipe import Recipe

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TRAIN = {"README.md", "int8.md"}
"""Pages whose blocks train for some seconds."""

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in BLOCK.findall(page.read_text()) if kind == language]


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=[pytest.mark.slow] if p.name in TRAIN else []) for p in PAGES],
    ids=[page.name for page in PAGES],
)
def test_the_python_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    """Prevents documentation that no longer works."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_recipes_of_a_page_are_valid(page, tmp_path):
    """Prevents a recipe in the documentation that `limbeck check` refuses."""
    for number, code in enumerate(blocks(page, "yaml")):
        path = tmp_path / f"recipe{number}.yaml"
        path.write_text(code)
        Recipe.load(path).check()


def test_the_changelog_knows_this_version():
    """Prevents a release without an entry."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "[Unreleased]" in text or f"[{__version__}]" in text
