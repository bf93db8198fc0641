"""README.md of a knowledge store, YAML first, as the hub reads it: a data set of answers."""

from limbeck.hub.card_parts import Origins, named, plain, rendered, shared, told
from limbeck.reporting.wording import count, percent
from limbeck.store.format import Field, Manifest

__all__ = ["data_card"]

WHAT = {
    "check": "16 bits of a hash of the example's id and input",
    "indices": "the classes kept, the most probable first",
    "logits": "logits of every class",
    "values": "logits of the classes kept",
    "rest": "for each temperature T, logsumexp(logits / T) of the classes dropped",
    "hidden": "a hidden feature",
}


def data_card(manifest: Manifest, origins: Origins, task: str) -> str:
    """README.md of a knowledge store as a data set."""
    subject, lost = manifest.subject, manifest.fidelity
    metadata = {
        "license": origins.licence,
        "task_categories": [task],
        "source_datasets": [origins.data.hub_id] if origins.data.hub_id else [],
        "tags": ["limbeck", "knowledge-distillation", "soft-targets"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "shard-*.arrow"}],
            }
        ],
    }
    return rendered(
        "data_card.md.jinja",
        **shared(origins, metadata),
        teachers=told(origins.teachers, manifest),
        transfer_set=plain(subject.transfer_set.name),
        examples=count(subject.transfer_set.examples),
        views=subject.views.count,
        columns=[column(field) for field in manifest.fields],
        classes=named(subject.classes),
        summary=(
            ("KL(teacher, stored), median", f"{lost.kl_p50:.1e} nats"),
            ("KL(teacher, stored), 99th percentile", f"{lost.kl_p99:.1e} nats"),
            ("rows whose first class is the teacher's", percent(lost.argmax_agreement)),
            *(
                (f"probability of the classes kept at T = {T:g}", percent(mass))
                for T, mass in zip(subject.temperatures, lost.mass_kept, strict=False)
            ),
        ),
    )


def column(field: Field) -> dict[str, str]:
    owner, _, rest = field.name.partition(".")
    what = WHAT.get(rest.partition(".")[0] or owner, "")
    sizes = ["tokens" if size < 0 else str(size) for size in field.shape]
    kind = f"{field.dtype} ({', '.join(sizes)})" if sizes else field.dtype
    if "tokens" in sizes:
        what += ", one item per " + ("token" if sizes.count("tokens") == 1 else "pair of tokens")
    return {"name": plain(field.name), "kind": kind, "what": what}
