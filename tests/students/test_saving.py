"""A saved student comes back as it was, or is refused."""

import copy
import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.fingerprint import module_digest
from limbeck.students import Student, cnn, from_file, load, mlp, save
from limbeck.types import Batch


def trained_cnn() -> Student:
    """A student whose batch-norm statistics have moved."""
    student = cnn((1, 8, 8), [4], 3, dropout=0.2).fresh(7)
    student.classes, student.input_shape = ("a", "ü", "c"), (1, 8, 8)
    student.hidden = ("layer1",)
    student.module(torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    return student


def test_weights_buffers_and_description_survive(tmp_path: Path) -> None:
    """Batch-norm statistics that are lost ruin a student's accuracy without an error."""
    student = trained_cnn()
    save(student, tmp_path / "student")
    again = load(tmp_path / "student")
    assert module_digest(again.module) == module_digest(student.module)
    assert float(again.module.block1.norm.num_batches_tracked) == 1
    assert (again.classes, again.input_shape) == (student.classes, student.input_shape)
    assert (again.hidden, again.architecture) == (student.hidden, student.architecture)
    assert not again.module.training


def test_a_loaded_student_answers_the_same(tmp_path: Path) -> None:
    """What is evaluated must be what was trained."""
    student = trained_cnn()
    student.module.eval()
    batch = Batch(torch.arange(4), torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64))
    again = load(save(student, tmp_path))
    assert torch.equal(again.outputs(batch).logits, student.outputs(batch).logits)


def test_a_loaded_student_starts_from_its_weights_with_every_seed(tmp_path: Path) -> None:
    """Training it further from new random weights would throw away what it knows, quietly."""
    again = load(save(trained_cnn(), tmp_path))
    assert module_digest(again.fresh(5).module) == module_digest(trained_cnn().module)


def test_frozen_layers_are_frozen_again(tmp_path: Path) -> None:
    """A student trained further that moves the layers it was to leave alone, without a word."""
    layers = [nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)]
    save(Student(nn.Sequential(*layers), frozen=("0", "1")), tmp_path)
    given = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    thawed = Student(copy.deepcopy(given))
    for module in (given, thawed, Student(given, frozen=("2",))):
        again = load(tmp_path, module=module)
        assert again.frozen == ("0", "1")
        assert torch.equal(again.module[0].weight, layers[0].weight)
        for student in (again, again.fresh(3)):
            student.train()
            assert [p.requires_grad for p in student.module.parameters()] == [False] * 4 + [
                True
            ] * 2
            assert [layer.training for layer in student.module] == [False, False, True]
    assert all(p.requires_grad for p in [*given.parameters(), *thawed.module.parameters()])


def test_a_student_saved_before_frozen_layers_were_written_down_is_read(tmp_path: Path) -> None:
    """Teachers of earlier runs that are trained anew."""
    save(mlp(4, [3], 2), tmp_path)
    path = tmp_path / "student.json"
    facts = json.loads(path.read_text())
    del facts["frozen"]
    path.write_text(json.dumps(facts))
    assert load(tmp_path).frozen == ()


def test_saving_twice_writes_the_same_bytes(tmp_path: Path) -> None:
    """A resumed run's student is compared byte by byte."""
    for name in ("one", "two"):
        save(trained_cnn(), tmp_path / name)
    for file in ("student.safetensors", "student.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_nothing_but_the_two_files_is_left(tmp_path: Path) -> None:
    """Temporary files must not pile up."""
    save(save_and_return(tmp_path), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "student.json",
        "student.safetensors",
    ]


def save_and_return(folder: Path) -> Student:
    student = mlp(4, [3], 2)
    save(student, folder)
    return student


def test_shared_weights_can_be_saved(tmp_path: Path) -> None:
    """safetensors refuses tensors that share memory, as tied layers do."""
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    module[1].weight = module[0].weight
    save(Student(module), tmp_path)
    again = load(tmp_path, module=nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)))
    assert torch.equal(again.module[1].weight, module[0].weight)


def test_a_bare_module_comes_back_only_into_a_module(tmp_path: Path) -> None:
    """Its code is not in the folder, and must not be guessed."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    save(Student(module), tmp_path)
    with pytest.raises(LimbeckError, match=r"made from a module.*load\('.*', module=...\)"):
        load(tmp_path)
    again = load(tmp_path, module=nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    assert module_digest(again.module) == module_digest(module)


def test_a_file_named_in_a_saved_student_is_never_run_by_itself(tmp_path: Path) -> None:
    """A downloaded folder could name any file on the disk."""
    marker = tmp_path / "ran"
    source = "from torch import nn\ndef build():\n    return nn.Linear(4, 2)\n"
    (tmp_path / "model.py").write_text(source)
    student = from_file(f"{tmp_path}/model.py:build")
    save(student, tmp_path / "saved")
    (tmp_path / "model.py").write_text(f"open({str(marker)!r}, 'w')\n{source}")
    with pytest.raises(LimbeckError, match="code runs only where you name it.*from_file"):
        load(tmp_path / "saved")
    assert not marker.exists()
    again = load(tmp_path / "saved", module=student)
    assert module_digest(again.module) == module_digest(student.module)
    assert again.architecture == student.architecture


def test_loading_into_a_student_leaves_that_student_alone(tmp_path: Path) -> None:
    """It may be another run's starting point."""
    template = mlp(4, [3], 2)
    before = module_digest(template.module)
    save(template.fresh(9), tmp_path)
    load(tmp_path, module=template)
    assert module_digest(template.module) == before


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """The most likely mistake is a wrong path."""
    with pytest.raises(LimbeckError, match="no saved student at .*nowhere .no student.json."):
        load(tmp_path / "nowhere")


def test_missing_weights_are_told(tmp_path: Path) -> None:
    """Half a folder was copied."""
    save(mlp(4, [3], 2), tmp_path)
    (tmp_path / "student.safetensors").unlink()
    with pytest.raises(LimbeckError, match="student.safetensors cannot be read: No such file"):
        load(tmp_path)


def test_every_flipped_byte_of_the_weights_is_noticed(tmp_path: Path) -> None:
    """A damaged weight predicts plausibly."""
    save(mlp(4, [3], 2), tmp_path)
    path = tmp_path / "student.safetensors"
    content = path.read_bytes()
    for position in range(0, len(content), 37):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(LimbeckError, match="is not the file that student.json beside it"):
            load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "{",
        '{"format": "1"}',
        '{"format": 1, "architecture": {}, "hidden": 3, "classes": [], "input_shape": [], '
        '"weights_sha256": ""}',
        '{"format": 1, "architecture": {}, "hidden": [3], "classes": [], "input_shape": [], '
        '"weights_sha256": ""}',
        '{"format": 1, "architecture": {}, "hidden": [], "classes": [], "input_shape": ["8"], '
        '"weights_sha256": ""}',
        '{"format": 1, "architecture": {}, "hidden": [], "classes": [], "input_shape": [], '
        '"frozen": "0", "weights_sha256": ""}',
    ],
)
def test_a_damaged_description_is_told(tmp_path: Path, text: str) -> None:
    """A traceback out of the json module helps nobody."""
    save(mlp(4, [3], 2), tmp_path)
    (tmp_path / "student.json").write_text(text)
    with pytest.raises(LimbeckError, match="student.json is damaged or cannot be read"):
        load(tmp_path)


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    """An old limbeck must not half understand a new file."""
    save(mlp(4, [3], 2), tmp_path)
    path = tmp_path / "student.json"
    facts = json.loads(path.read_text()) | {"format": 2, "limbeck": "9.0"}
    path.write_text(json.dumps(facts))
    with pytest.raises(LimbeckError, match="has format 2, .* reads up to 1. Use limbeck 9.0"):
        load(tmp_path)


def test_weights_of_another_model_are_told_by_name(tmp_path: Path) -> None:
    """Missing keys that are skipped leave random weights in the student."""
    save(Student(nn.Sequential(nn.Linear(4, 2))), tmp_path)
    message = "another model than the student: missing: '1.weight', '1.bias'. Build the model"
    with pytest.raises(LimbeckError, match=message):
        load(tmp_path, module=nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)))
    message = "missing: 'weight', 'bias'; unexpected: '0.bias', '0.weight'"
    with pytest.raises(LimbeckError, match=message):
        load(tmp_path, module=nn.Linear(4, 2))


def test_weights_of_another_shape_are_told(tmp_path: Path) -> None:
    """The layer and both shapes say what was changed."""
    save(Student(nn.Linear(4, 2)), tmp_path)
    message = r"has 'weight' of shape \(2, 4\) and the student \(3, 4\)"
    with pytest.raises(LimbeckError, match=message):
        load(tmp_path, module=nn.Linear(4, 3))


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A full or read-only disk must end in a sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LimbeckError, match="cannot be saved in .*Choose a folder"):
        save(mlp(4, [3], 2), tmp_path / "file")


def test_a_failed_write_keeps_the_old_student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk space must not cost the student that was there."""
    student = mlp(4, [3], 2)
    save(student, tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LimbeckError, match="No space left on device"):
        save(student.fresh(1), tmp_path)
    monkeypatch.undo()
    assert module_digest(load(tmp_path).module) == module_digest(student.module)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_layer_that_a_saved_student_does_not_have_is_told(tmp_path: Path) -> None:
    """A description edited by hand must not fail in the training loop."""
    save(mlp(4, [3], 2), tmp_path)
    path = tmp_path / "student.json"
    text = path.read_text()
    for layers in ("hidden", "frozen"):
        path.write_text(text.replace(f'"{layers}": [],', f'"{layers}": ["layr1"],'))
        with pytest.raises(LimbeckError, match="no layer 'layr1'"):
            load(tmp_path)
