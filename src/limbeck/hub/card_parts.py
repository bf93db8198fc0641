"""What the cards of a student and of a knowledge store share: where they come from, in Markdown.

Names from the user's data stand in code spans, so that no name becomes markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

import limbeck
from limbeck.hub.sources import Source
from limbeck.reporting.wording import count
from limbeck.store.format import Manifest

__all__ = ["Origins", "named", "plain", "rendered", "shared", "task_of", "told"]

MOST_CLASSES = 50
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Origins:
    """What a student, or a store, comes from.

    Attributes:
        name: Of the folder on the hub.
        teachers: In the order of the ensemble.
        data: Where the examples are from.
        licence: Of what is published, as the hub writes it; "unknown" if nobody said.
    """

    name: str
    teachers: Sequence[Source]
    data: Source
    licence: str

    @property
    def sentence(self) -> str:
        """The licence in words."""
        others = [*self.teachers, self.data]
        stated = "; ".join(f"{code(s.name)}: {s.licence or NOT_STATED}" for s in others)
        if self.licence == "unknown":
            return f"Not chosen yet. What this comes from has its own licences: {stated}."
        return f"{self.licence}. What this comes from has its own licences: {stated}."


def shared(origins: Origins, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What both cards say."""
    kept = {name: value for name, value in metadata.items() if value not in ([], None)}
    return {
        "metadata": yaml.safe_dump(kept, sort_keys=False, allow_unicode=True),
        "name": origins.name,
        "data": linked(origins.data, "datasets/"),
        "licence_sentence": origins.sentence,
        "version": limbeck.__version__,
    }


def task_of(texts: bool, input_shape: Sequence[int]) -> str:
    """What the hub calls the task of a classifier of such inputs."""
    if texts:
        return "text-classification"
    return "image-classification" if len(input_shape) == 3 else "tabular-classification"


def told(sources: Sequence[Source], manifest: Manifest | None) -> list[dict[str, str]]:
    """The teachers: where they are from, or at least what the store calls them."""
    records = () if manifest is None else manifest.subject.teachers
    if len(sources) != len(records):
        if sources:
            return [linked(source) for source in sources]
        sources = [Source(record.name) for record in records]
    pairs = zip(sources, records, strict=True)
    return [{**linked(s), "fingerprint": record.fingerprint[:12]} for s, record in pairs]


def linked(source: Source, kind: str = "") -> dict[str, str]:
    name = code(source.name)
    link = f"[{name}](https://huggingface.co/{kind}{source.hub_id})" if source.hub_id else name
    licence = source.licence or NOT_STATED
    return {"name": source.name, "linked": link, "licence": licence, "fingerprint": ""}


def named(classes: Sequence[str]) -> str:
    """The classes, or the first of many."""
    more = len(classes) - MOST_CLASSES
    listed = ", ".join(code(name) for name in classes[:MOST_CLASSES])
    return listed + (f" and {count(more)} more" if more > 0 else "")


def plain(text: str) -> str:
    """A name as it can stand in a code span, in a table too."""
    return " ".join(str(text).split()).replace("`", "'").replace("|", "\\|")


def code(text: str) -> str:
    return f"`{plain(text)}`"


def rendered(template: str, **values: Any) -> str:
    """A template of this package, filled in; every value that it names has to be there."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("limbeck.hub", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
