"""Whether a store is about these teachers, these examples and these views; if not, what differs."""

from limbeck.store.format import Subject, TeacherRecord, ViewsRecord

__all__ = ["difference", "shown", "teachers_differ", "views_differ"]

Teachers = tuple[TeacherRecord, ...]

OF_TOKENS = ("hidden_tokens", "hidden_width", "projection_seed")


def difference(stored: Subject, wanted: Subject) -> str | None:
    """The first thing in which a store cannot serve a request, as the end of a sentence.

    Combine and weights count only where they are baked in: in a mix and in the choice of the kept
    classes. Names of the transfer set never count.
    """
    if differs := teachers_differ(stored.teachers, wanted.teachers):
        return differs
    if stored.classes != wanted.classes:
        return f"is about the classes {shown(stored.classes)}, not {shown(wanted.classes)}"
    if differs := views_differ(stored.views, wanted.views):
        return differs
    if stored.transfer_set.fingerprint != wanted.transfer_set.fingerprint:
        return (
            f"is about other data: {stored.transfer_set.name}, {stored.transfer_set.examples} "
            f"examples, where {wanted.transfer_set.name} with {wanted.transfer_set.examples} "
            "examples was asked for, with other ids, inputs or preprocessing"
        )
    if stored.views.probe != wanted.views.probe:
        return "is about inputs that are rendered differently today"
    baked = stored.keep == "mix" or stored.top_k is not None
    options = ["top_k", "keep", "dtype", "temperatures", "hidden"]
    options += ["hidden_dtype", *OF_TOKENS] if stored.hidden else []
    for name in options + (["combine", "weights"] if baked else []):
        old, new = getattr(stored, name), getattr(wanted, name)
        if old != new:
            all_of = "all" if name in OF_TOKENS else None
            return (
                f"has {name} {all_of if old is None else old}, not {all_of if new is None else new}"
            )
    return None


def teachers_differ(stored: Teachers, wanted: Teachers) -> str | None:
    """Which teacher is another one."""
    if len(stored) != len(wanted):
        return f"holds the answers of {len(stored)} teachers, not {len(wanted)}"
    for number, (old, new) in enumerate(zip(stored, wanted, strict=True)):
        if None not in (old.tokenizer, new.tokenizer) and old.tokenizer != new.tokenizer:
            return (
                f"holds the answers of a teacher with another tokenizer: '{old.name}' read the "
                f"texts with a tokenizer or a max_length that '{new.name}' has not"
            )
        if old.fingerprint != new.fingerprint:
            which = f"teacher {number + 1} of {len(stored)}, " if len(stored) > 1 else ""
            return (
                f"holds another teacher's answers: {which}'{old.name}' has other weights, "
                f"configuration or preprocessing than '{new.name}'"
            )
    for old, new in zip(stored, wanted, strict=True):
        if old.name != new.name:
            return f"calls '{old.name}' the teacher that is now called '{new.name}'"
    return None


def views_differ(stored: ViewsRecord, wanted: ViewsRecord) -> str | None:
    """In what the augmentation is another one."""
    for name, what in (("count", "views"), ("transform", "transform"), ("seed", "seed of views")):
        old, new = getattr(stored, name), getattr(wanted, name)
        if old != new:
            return f"was annotated with other views: its {what} is {old}, not {new}"
    return None


def shown(classes: tuple[str, ...]) -> str:
    """The first few class names, and how many there are."""
    listed = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    return f"[{listed}] ({len(classes)})"
