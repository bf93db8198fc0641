"""`report`: a comparison, or a student alone, as one HTML file that opens offline, on a phone too.

Nothing is fetched, and the page's own policy forbids it: only the scripts whose hashes it names
run, and no address is reachable. Names from the user's data are text wherever they appear.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limbeck.errors import LimbeckError
from limbeck.reporting.contents import page_of
from limbeck.reporting.fitted import page_of_fit
from limbeck.reporting.page import Page
from limbeck.reporting.trained import page_of_trained

if TYPE_CHECKING:
    from limbeck.budgeting.result import Fit
    from limbeck.comparison import Comparison
    from limbeck.evaluation import Evaluation
    from limbeck.exporting import Export
    from limbeck.training import Run

__all__ = ["report", "report_fit", "report_trained"]


def report(comparison: "Comparison", path: str | Path, *, export: "Export | None" = None) -> Path:
    """Write a comparison as one self-contained HTML page, under 2 MB.

    The same comparison gives the same bytes.

    Args:
        comparison: What `compare` returned.
        path: Where the page goes; its folder is made, an older page there is replaced.
        export: What `export` returned, for a section on the deployed file.

    Returns:
        The path.

    Raises:
        LimbeckError: if the file cannot be written.

    Example:
        >>> report(comparison, "report.html")  # doctest: +SKIP
    """
    return written(page_of(comparison, export), Path(path))


def report_trained(
    run: "Run",
    evaluation: "Evaluation",
    path: str | Path,
    *,
    export: "Export | None" = None,
    recipe: str | Mapping[str, Any] | None = None,
) -> Path:
    """Write what a student that learned from labels alone is worth, as a page like `report`'s.

    There is no teacher and no twin to compare it with, so the page has no verdict.

    Args:
        run: The trained student.
        evaluation: What `evaluate` returned for it, on the test part.
        path: As for `report`.
        export: As for `report`.
        recipe: What it was made from, for a section on how to get the same again.

    Returns:
        The path.

    Raises:
        LimbeckError: if the file cannot be written.
    """
    return written(page_of_trained(run, evaluation, export, recipe), Path(path))


def report_fit(fit: "Fit", path: str | Path) -> Path:
    """Write what `fit` found as a page like `report`'s: the front first, then the winner.

    Args:
        fit: What `fit` returned.
        path: As for `report`.

    Returns:
        The path.

    Raises:
        LimbeckError: if the file cannot be written.
    """
    return written(page_of_fit(fit), Path(path))


def written(page: Page, path: Path) -> Path:
    """Write a page in one step: a kill leaves the old one or the new one."""
    text = rendered(page)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise LimbeckError(
            f"{path} cannot be written ({error.strerror}). Give a file name in a folder that can."
        ) from error
    return path


def rendered(page: Page) -> str:
    """The page as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("limbeck.reporting", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    scripts = {"library": chart_library(), "drawing": packaged("charts.js")}
    for text in scripts.values():
        assert "</script" not in text.lower()
        assert "<!--" not in text
    return environment.get_template("page.html.jinja").render(
        page=page,
        style=packaged("page.css"),
        script_hashes=[policy_hash(text) for text in scripts.values()],
        **scripts,
    )


def packaged(name: str) -> str:
    """A text file that lies beside this one."""
    return (files("limbeck.reporting") / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def chart_library() -> str:
    """Vega and what embeds it as one script, without its menu, whose links lead elsewhere."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def policy_hash(script: str) -> str:
    """How a content security policy names an inline script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
