"""A student on disk: student.safetensors and student.json, never a pickle.

student.json holds the architecture as a recipe states it, the hidden layers, the frozen ones, what
a pruned student loses (its zeros stay zero when it is trained further), the class names, the
input's shape, and the SHA-256 of the weights' file. A student of texts has tokenizer.json beside
them, and its length and SHA-256 in student.json, which is written last, so that a kill in between
is noticed when the student is loaded.
"""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

import limbeck
from limbeck.errors import LimbeckError
from limbeck.students.architecture import from_architecture
from limbeck.students.capture import check_layers
from limbeck.students.pruned import Pruning
from limbeck.students.student import Student
from limbeck.students.user_function import is_reference
from limbeck.students.weights import fill
from limbeck.transfer_sets.tokenization import Tokenization

__all__ = ["FORMAT", "description", "load", "save"]

FORMAT = 1
"""The number of student.json's format."""

OF_PRUNING = {"sparsity", "structured"}


def save(student: Student, folder: str | Path) -> Path:
    """Write a student's weights, buffers and description; each file appears whole or not at all.

    Raises:
        LimbeckError: if the folder cannot be written.
    """
    import safetensors.torch

    folder = Path(folder)
    state = student.module.state_dict()
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    weights = safetensors.torch.save(tensors)
    facts: dict[str, Any] = {
        "format": FORMAT,
        "limbeck": limbeck.__version__,
        "architecture": student.architecture,
        "hidden": list(student.hidden),
        "frozen": list(student.frozen),
        **({} if student.pruning is None else {"pruning": asdict(student.pruning)}),
        "classes": list(student.classes),
        "input_shape": list(student.input_shape),
        "parameters": student.parameters_count(),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if student.tokenization is not None:
            facts["tokenization"] = save_tokenization(student.tokenization, folder)
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        replace_file(folder / "student.safetensors", weights)
        replace_file(folder / "student.json", text.encode())
    except OSError as error:
        raise LimbeckError(
            f"the student cannot be saved in {folder}: {error.strerror or error}. Choose a folder "
            "that can be written, with space left."
        ) from error
    return folder


def load(folder: str | Path, *, module: nn.Module | Student | None = None) -> Student:
    """The student that `save` wrote, in evaluation mode on the CPU.

    Trained further, it starts from the saved weights with every seed, and its frozen layers stay
    as they are.

    Args:
        folder: With student.safetensors and student.json.
        module: The model to put the weights into, where limbeck cannot build it: a student made
            from a module, or by a function in a user's file. Code that a saved file names is
            never run by itself.

    Raises:
        LimbeckError: if a file is missing, damaged, of a newer format or of another model.
    """
    folder = Path(folder)
    facts = description(folder)
    weights = folder / "student.safetensors"
    try:
        intact = hashlib.sha256(weights.read_bytes()).hexdigest() == facts["weights_sha256"]
    except OSError as error:
        raise LimbeckError(
            f"{weights} cannot be read: {error.strerror or error}. Save the student again."
        ) from error
    if not intact:
        raise LimbeckError(
            f"{weights} is not the file that student.json beside it describes: it is damaged, or "
            "saving was interrupted. Save the student again."
        )
    student = rebuilt(facts, folder) if module is None else wrapped(module, facts)
    if "frozen" in facts:
        student = refrozen(student, tuple(facts["frozen"]))
    fill(student.module, weights, whose="student")
    check_layers(student.module, facts["hidden"])
    student.hidden = tuple(facts["hidden"])
    student.classes = tuple(facts["classes"])
    student.input_shape = tuple(facts["input_shape"])
    student.tokenization = load_tokenization(facts.get("tokenization"), folder)
    student.pruning = None if "pruning" not in facts else Pruning(**facts["pruning"])
    student.build = None
    student.module.eval()
    return student


def description(folder: Path) -> dict[str, Any]:
    """What student.json says, its form checked; cheap, as no weights are read.

    Raises:
        LimbeckError: if it is missing, damaged or of a newer format.
    """
    path = folder / "student.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LimbeckError(
            f"no saved student at {folder} (no student.json). Save one with "
            "limbeck.students.save(student, folder), or correct the path."
        ) from error
    except (OSError, ValueError) as error:
        raise LimbeckError(f"{path} is damaged or cannot be read. Save it again.") from error
    damaged = LimbeckError(f"{path} is damaged or cannot be read. Save it again.")
    if not isinstance(facts, dict) or type(facts.get("format")) is not int:
        raise damaged
    if facts["format"] > FORMAT:
        raise LimbeckError(
            f"{path} has format {facts['format']}, and this limbeck {limbeck.__version__} reads up "
            f"to {FORMAT}. Use limbeck {facts.get('limbeck', 'that wrote it')} or newer."
        )
    lists = {"hidden": str, "classes": str, "input_shape": int}
    lists |= {"frozen": str} if "frozen" in facts else {}
    tokenization = facts.get("tokenization")
    well_formed = (
        isinstance(facts.get("architecture"), dict)
        and set(facts.get("pruning", OF_PRUNING)) == OF_PRUNING
        and (tokenization is None or {"max_length", "sha256"} == set(tokenization))
        and isinstance(facts.get("weights_sha256"), str)
        and all(isinstance(facts.get(key), list) for key in lists)
        and all(type(value) is kind for key, kind in lists.items() for value in facts[key])
    )
    if not well_formed:
        raise damaged
    return facts


def save_tokenization(tokenization: Tokenization, folder: Path) -> dict[str, Any]:
    """Write tokenizer.json; what student.json says of it."""
    content = tokenization.save(folder).read_bytes()
    return {
        "max_length": tokenization.max_length,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def load_tokenization(facts: dict[str, Any] | None, folder: Path) -> Tokenization | None:
    """The saved tokenization, if there is one, or a LimbeckError if it is another."""
    if facts is None:
        return None
    path = folder / "tokenizer.json"
    try:
        intact = hashlib.sha256(path.read_bytes()).hexdigest() == facts["sha256"]
    except OSError as error:
        raise LimbeckError(
            f"{path} cannot be read: {error.strerror or error}. Save the student again."
        ) from error
    if not intact:
        raise LimbeckError(
            f"{path} is not the tokenizer that student.json beside it describes: its tokens would "
            "mean other words. Save the student again."
        )
    return Tokenization(path, max_length=facts["max_length"])


def rebuilt(facts: dict[str, Any], folder: Path) -> Student:
    """The untrained student that limbeck itself can build from the description."""
    architecture = facts["architecture"]
    if not architecture:
        raise LimbeckError(
            f"the student in {folder} was made from a module, which limbeck cannot build. Give it: "
            f"load('{folder}', module=...)"
        )
    name = next(iter(architecture))
    if is_reference(name):
        raise LimbeckError(
            f"the student in {folder} was built by {name}; code runs only where you name it. Give "
            f"the model: load('{folder}', module=from_file('{name}', {architecture[name]}))"
        )
    return from_architecture(architecture)


def wrapped(module: nn.Module | Student, facts: dict[str, Any]) -> Student:
    if isinstance(module, Student):
        return module.fresh(0)
    return Student(module, architecture=facts["architecture"])


def refrozen(student: Student, frozen: tuple[str, ...]) -> Student:
    """The student with just these layers frozen; a module that the user gave is copied first."""
    if frozen == student.frozen:
        return student
    for path in student.frozen:
        student.module.get_submodule(path).requires_grad_(True)
    return Student(student.module, architecture=student.architecture, frozen=frozen)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, sync it, and rename it over the old one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
