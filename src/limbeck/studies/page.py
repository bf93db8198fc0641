"""The page of all studies: published figures beside ours, from the committed results.

python -m limbeck.studies.page docs/studies docs/studies.md
"""

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from limbeck.studies.studying import names, study_module
from limbeck.studies.table import Figure

__all__ = ["page", "table"]

HEAD = """# Studies

Published experiments, reproduced with `limbeck study NAME`. This page is generated from the
results in `docs/studies/` by `python -m limbeck.studies.page docs/studies docs/studies.md`.
"""


def page(results: Sequence[Mapping[str, Any]], figures: Mapping[str, Sequence[str]]) -> str:
    """The page in Markdown.

    Args:
        results: What `run_study` returned, one per study.
        figures: Of each study by name, the paths of its figures from where the page lies.
    """
    sections = [section(r, figures.get(r["study"], ())) for r in results]
    return "\n".join([HEAD, *sections, *remaining({r["study"] for r in results})])


def remaining(done: Collection[str]) -> list[str]:
    """What is to be run yet, so that nobody takes the page for all there is."""
    missing = [name for name in names() if name not in done]
    if not missing:
        return []
    lines = [
        f"- `{name}`: {(study_module(name).__doc__ or '').splitlines()[0]}" for name in missing
    ]
    return ["## No result yet", "", *lines, ""]


def section(result: Mapping[str, Any], figures: Sequence[str]) -> str:
    """One study: its story, what it concludes, its table, why a row does not hold, its figures."""
    name = result["study"]
    versions = result["versions"]
    lines = [f"## {name}", "", (study_module(name).__doc__ or "").strip(), ""]
    lines += [
        f"Size `{result['size']}`, {result['seconds'] / 60:.0f} min with torch {versions['torch']} "
        f"on {versions['processor']}, {versions['threads']} threads.",
        "",
        *([result["conclusion"], ""] if result.get("conclusion") else []),
        table(result["rows"]),
        "",
    ]
    lines += [f"- {row['what']}: {row['why']}" for row in result["rows"] if row["why"]]
    lines += [f"![{name}]({path})" for path in figures]
    return "\n".join(lines).rstrip() + "\n"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | published | ours | wanted | holds |", "|---|---|---|---|---|"]
    for row in rows:
        holds = {True: "yes", False: "**no**", None: ""}[row["holds"]]
        ours = Figure(**row["ours"])
        lines.append(f"| {row['what']} | {row['published']} | {ours} | {row['wanted']} | {holds} |")
    return "\n".join(lines)


def main(folder: Path, target: Path) -> None:
    """Write the page from a folder of results."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    drawn: dict[str, list[str]] = {r["study"]: [] for r in results}
    for path in sorted(folder.glob("*.svg")):
        # of studies whose names begin alike the longest: phuong-lampert-images-curves.svg
        owners = [name for name in drawn if path.name.startswith(f"{name}-")]
        if owners:
            drawn[max(owners, key=len)].append(f"{folder.name}/{path.name}")
    target.write_text(page(results, drawn), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
