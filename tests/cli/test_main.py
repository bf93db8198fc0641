"""The command line: what it prints, and how it ends."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import limbeck
from limbeck.cli import main
from limbeck.cli.endings import ending
from limbeck.cli.main import VERBS
from limbeck.errors import LimbeckError, StoreError
from limbeck.recipe import Recipe

NAMES = [verb.__name__ for verbs in VERBS.values() for verb in verbs]
HEAVY = ["torch", "sklearn", "pyarrow", "altair", "accelerate", "onnx", "numpy"]

SMALL = """\
name: small
data: {digits: {labelled: 60}}
teacher: {train: {student: {mlp: {hidden: [12]}}, training: {epochs: 2}}}
student: {mlp: {hidden: [6]}}
objective: {soft_targets: {temperature: 2.0}}
training: {epochs: 2, batch_size: 256}
seeds: 2
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a small recipe in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    Path("small.yaml").write_text(SMALL)
    return tmp_path


def child(*arguments: str, code: str = "") -> "subprocess.CompletedProcess[str]":
    source = code or "import sys; from limbeck.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", source, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    """`limbeck --help` that takes as long as importing torch."""
    code = (
        "import sys; from limbeck.cli import main; code = main(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    answer = child(code=code)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in answer.stdout for name in NAMES)


def test_recipes_are_listed_and_copied_without_anything_heavy(tmp_path: Path) -> None:
    """Seconds of waiting for a list of four names."""
    code = (
        "import sys; from limbeck.cli import main; main(['recipes'])\n"
        f"main(['copy', 'digits', {str(tmp_path / 'mine.yaml')!r}])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    answer = child(code=code)
    assert answer.stdout.splitlines()[-1] == "[]", answer.stderr
    assert "mnist_ensemble" in answer.stdout
    assert (tmp_path / "mine.yaml").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that only its author can use."""
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    examples = text.partition("Examples:")[2].partition("\n\n")[0].strip().splitlines()
    assert examples
    assert examples[0].strip().startswith(f"limbeck {name}")
    assert "\\b" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug report without one."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"limbeck {limbeck.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu", "digits"], r"No such command 'rnu'. Did you mean 'run'"),
        (["run"], r"Missing argument"),
        (["run", "--epochs", "3", "digits"], r"No such option: --epochs"),
        (["run", "digts"], r"no recipe file 'digts'.*Did you mean 'digits'"),
        (["check", "small.yaml", "training.epoch=3"], r"no key 'epoch'. Did you mean 'epochs'"),
        (["distill", "small.yaml", "data={arrays: {path: no.npz}}"], r"there is nothing at"),
        (["copy", "digts"], r"no shipped recipe 'digts'. Did you mean 'digits'"),
        (["copy", "digits", "small.yaml"], r"small.yaml is there already. Give another name"),
        (["objectives", "soft_target"], r"no objective 'soft_target'. Did you mean 'soft_targets'"),
        (["show", "nowhere"], r"no knowledge store at nowhere"),
        (["verify", "nowhere"], r"no knowledge store at nowhere"),
        (["predict", "no.onnx", "no.npz"], r"no.onnx"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """A traceback for a typo."""
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert re.search(message, told)
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LimbeckError("the data\nis empty."), 2, "^error: the data is empty.$"),
        (
            FileNotFoundError(2, "No such file", "x.npz"),
            2,
            "there is no file x.npz. Check the path",
        ),
        (PermissionError(13, "denied", "x.npz"), 2, "x.npz may not be read or written by you"),
        (OSError(errno.ENOSPC, "No space left"), 2, "no space is left on the disk"),
        (OSError(errno.EIO, "Input/output error", "x"), 2, "x: Input/output error. Check the path"),
        (MemoryError(), 2, "there is not enough memory for this"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: ..."), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, "^interrupted. What was done is kept; give the same command"),
        (ZeroDivisionError("x"), 1, "this is a fault in limbeck. Please report it"),
        (ValueError("x"), 1, "this is a fault in limbeck. Please report it"),
    ],
)
def test_every_ending_has_its_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    """A script that cannot tell a full disk from a bug."""
    assert ending(error) == code
    told = capsys.readouterr().err.strip()
    assert re.search(message, told)
    assert (len(told.splitlines()) == 1) == (code != 1)
    assert ("ZeroDivisionError" in told) == isinstance(error, ZeroDivisionError)


def test_a_refusal_by_one_of_our_constructors_is_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A plain ValueError of limbeck's own with a traceback, as if it were a bug."""
    from limbeck.optimization import SGD

    with pytest.raises(ValueError, match="learning_rate") as caught:
        SGD(learning_rate=-1)
    assert ending(caught.value) == 2
    assert capsys.readouterr().err.startswith("error: learning_rate is -1; it must be positive")


def test_check_prints_the_recipe_with_its_changes(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change that was mistyped and nobody saw."""
    assert main(["check", "small.yaml", "training.epochs=9"]) == 0
    printed = capsys.readouterr().out
    assert "# small.yaml is valid; it writes to runs/small" in printed
    assert Recipe.parse(printed).training.epochs == 9
    assert not Path("runs").exists()


def test_a_recipe_is_taken_step_by_step(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step that does not say where its result is."""
    assert main(["annotate", "small.yaml"]) == 0
    assert "knowledge store: runs/small/knowledge.store" in capsys.readouterr().out
    assert main(["distill", "small.yaml"]) == 0
    said = capsys.readouterr()
    assert "student: runs/small/student" in said.out
    assert "knowledge store: reused" in said.err
    assert main(["show", "runs/small/knowledge.store"]) == 0
    assert "digits.train" in capsys.readouterr().out
    assert main(["verify", "runs/small/knowledge.store", "small.yaml"]) == 0
    assert "256 examples asked again: all answers as stored" in capsys.readouterr().out
    assert "\x1b" not in said.out + said.err


def test_a_damaged_store_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`limbeck verify` that ends with 0 on a store with a flipped bit."""
    main(["annotate", "small.yaml"])
    shard = next(Path("runs/small/knowledge.store").glob("*.arrow"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    capsys.readouterr()
    assert main(["verify", "runs/small/knowledge.store"]) == 2
    told = capsys.readouterr().err
    assert re.search(rf"1 of 1 shards .* first {shard.name}. Copy the store again", told)


def test_an_exported_student_predicts_without_torch(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deployment that needs the library it was to get rid of."""
    assert main(["export", "small.yaml"]) == 0
    assert "student.onnx" in capsys.readouterr().out
    assert main(["export", "small.yaml"]) == 0
    again = capsys.readouterr()
    assert "ONNX file: reused" in again.err
    np.savez("rows.npz", inputs=np.zeros((3, 1, 8, 8), np.float32))
    code = (
        "import sys; from limbeck.cli import main\n"
        "code = main(['predict', 'runs/small/student.onnx', 'rows.npz'])\n"
        "assert main(['predict', 'runs/small/student.onnx', 'rows.npz', '--to', 'p.csv']) == 0\n"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    answer = child(code=code)
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert lines[0] == "row,label,probability"
    assert re.fullmatch(r"2,\d,[01]\.\d{4}", lines[3])
    assert len(Path("p.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_a_run_ends_with_the_verdict_and_where_everything_is(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A long run whose result has to be searched for."""
    assert main(["run", "small.yaml"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"The distilled student (BEATS|TIES|LOSES)", printed)
    for file in ("runs/small/report.html", "runs/small/student.onnx", "runs/small/student"):
        assert f" {file}\n" in printed
        assert Path(file).exists()
    assert main(["report", "small.yaml"]) == 0
    assert "report: runs/small/report.html" in capsys.readouterr().out


def test_objectives_are_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A name in a recipe without a word on what it does."""
    assert main(["objectives"]) == 0
    assert "soft_targets" in capsys.readouterr().out
    assert main(["objectives", "soft_targets"]) == 0
    card = capsys.readouterr().out
    assert "temperature: float = 4.0" in card
    assert "arxiv.org/abs/1503.02531" in card


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(here: Path) -> None:
    """A wall of traceback after Ctrl-C, and no word on whether the work is lost."""
    command = [sys.executable, "-m", "limbeck.cli", "distill", "small.yaml"]
    process = subprocess.Popen(
        [*command, "training.epochs=1000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs ignore Ctrl-C, and so would their children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 100
    while not Path("runs/small/recipe.yaml").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    told = interrupted(process)
    assert process.returncode == 130
    assert "interrupted. What was done is kept; give the same command again" in told
    assert "Traceback" not in told


def interrupted(process: "subprocess.Popen[str]") -> str:
    """What it tells after Ctrl-C; pressed again where an import of another library swallowed it."""
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        try:  # pressed again while Python ends, it would kill what has been told already
            return process.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.communicate()[1]


def test_errors_of_the_store_are_limbecks_own() -> None:
    """An error class that the command line does not know."""
    assert issubclass(StoreError, LimbeckError)


def test_a_sweep_prints_its_table_and_writes_figures(here: Path, capsys) -> None:
    """A choice that nobody can look at again."""
    assert main(["sweep", "small.yaml", "objective.soft_targets.temperature=1,4", "seed=0..1"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"objective.soft_targets.temperature +validation accuracy +sd +n", printed)
    assert "best on validation: objective.soft_targets.temperature=" in printed
    assert Path("runs/small/sweep.json").is_file()
    assert Path("runs/small/sweep.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sweep", "small.yaml"], "nothing has several values to sweep over"),
        (["sweep", "small.yaml", "data.digits.labelled=5,9"], "is the same for all"),
        (["sweep", "small.yaml", "objective.soft_targets.temprature=1,2"], "Did you mean"),
        (["sweep", "small.yaml", "seed=3..1"], "the range 3..1 has no values"),
    ],
)
def test_a_mistaken_sweep_ends_in_a_sentence(here: Path, capsys, arguments, sentence) -> None:
    """A traceback for a typo."""
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert "Traceback" not in told
