"""Every study there is: it runs at smoke size, resumes, and fits the page and the command."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

import limbeck as lb
from limbeck.cli import main
from limbeck.errors import LimbeckError
from limbeck.studies import Study, imdb_table, measured, names, run_study, study_module
from limbeck.studies.page import main as write_page
from limbeck.studies.page import page
from limbeck.transfer_sets import Arrays, Splits


def quiet(_: str) -> None:
    pass


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_study_runs_at_smoke_size_and_a_second_time_computes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A study that breaks on the full size after an hour, or that a second start repeats."""
    result = run_study(name, "smoke", output=tmp_path, say=quiet)
    assert result["rows"]
    for row in result["rows"]:
        ours = row["ours"]
        assert math.isfinite(ours["mean"])
        assert math.isfinite(ours["sd"])
        assert ours["n"] >= 1
        assert (row["holds"] is None) == (row["wanted"] == "")
        assert row["why"] or row["holds"] is not False, row  # a note may stand beside any figure
        assert not (row["why"] and row["holds"]), row
    assert json.loads((tmp_path / f"{name}.json").read_text()) == result
    found = (tmp_path / "found.json").read_bytes()

    said: list[str] = []
    again = run_study(name, "smoke", output=tmp_path, say=said.append)
    assert again == result
    assert said == []
    assert (tmp_path / "found.json").read_bytes() == found

    figures = sorted(path.name for path in tmp_path.glob(f"{name}-*.svg"))
    assert figures
    text = page([result], {name: figures})
    assert f"## {name}" in text
    assert all(f"| {row['what']} |" in text for row in result["rows"])
    assert all(figure in text for figure in figures)


@pytest.mark.parametrize("name", names())
def test_a_study_begins_with_one_sentence_that_fits_a_list(name: str):
    """A list of studies whose lines run over, or say nothing."""
    first, second, *_ = (study_module(name).__doc__ or "").splitlines()
    assert first.endswith((".", "?"))
    assert second == ""
    assert 20 < len(first) <= 100


def test_the_command_lists_the_studies(capsys: pytest.CaptureFixture[str]):
    """A study that nobody finds."""
    assert main(["study"]) == 0
    printed = capsys.readouterr().out
    for name in names():
        assert name in printed


def test_the_command_names_the_nearest_study(capsys: pytest.CaptureFixture[str]):
    """A typo that ends in a traceback, or in a list to search through."""
    assert main(["study", "hinton-missing-clas"]) == 2
    printed = capsys.readouterr()
    assert "Did you mean 'hinton-missing-class'?" in " ".join((printed.out + printed.err).split())


def test_an_unknown_size_names_those_there_are(tmp_path: Path):
    """A typo in the size that runs for hours."""
    with pytest.raises(LimbeckError, match="size is 'tiny'. Use smoke, small, full"):
        run_study("hinton-ensemble", "tiny", output=tmp_path)


def test_a_missing_data_folder_is_an_error(tmp_path: Path):
    """A study that falls back to a download without a word."""
    with pytest.raises(LimbeckError, match="there is no folder .*nowhere"):
        run_study("hinton-ensemble", data=tmp_path / "nowhere", output=tmp_path)


def test_a_data_folder_without_the_data_set_is_an_error(tmp_path: Path):
    """A study that falls back to a download without a word."""
    study = Study("some-study", "full", tmp_path, data=tmp_path)
    with pytest.raises(LimbeckError, match="has no folder 'mnist', which the study 'some-study'"):
        study.images("mnist", "ylecun/mnist")


def test_some_of_the_images_are_taken_evenly_from_train_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A smaller size with other validation or test images, or with the first classes alone."""
    asked: list[object] = []

    def stored(place: object, *, validation: float) -> Splits:
        asked.append((place, validation))
        parts = [
            Arrays(torch.randn(n, 2), torch.arange(n) // (n // 2), classes="ab")
            for n in (40, 10, 8)
        ]
        return Splits(*parts)

    monkeypatch.setattr("limbeck.studies.study.hub_images", stored)
    (tmp_path / "mnist").mkdir()
    some = Study("s", "small", tmp_path, data=tmp_path).images("mnist", "hub/mnist", train=6)
    assert some.train.labels.bincount().tolist() == [3, 3]
    assert [len(part) for part in (some.validation, some.test) if part] == [10, 8]
    whole = Study("s", "full", tmp_path).images("mnist", "hub/mnist", validation=0)
    assert len(whole.train) == 40
    assert asked == [(tmp_path / "mnist", 0.1), ("hub/mnist", 0)]


def test_what_was_found_is_computed_again_only_for_other_settings(tmp_path: Path):
    """A figure of old settings in a new table."""
    calls: list[int] = []

    def make() -> tuple[int, float]:
        calls.append(len(calls))
        return (1, 0.5)

    study = Study("some-study", "smoke", tmp_path, say=quiet)
    assert study.once("step", make, epochs=1) == [1, 0.5]
    again = Study("some-study", "smoke", tmp_path, say=quiet)
    assert again.once("step", make, epochs=1) == [1, 0.5]
    assert calls == [0]
    again.once("step", make, epochs=2)
    assert calls == [0, 1]


def test_a_sure_teacher_is_annotated_without_a_word_and_once(tmp_path: Path):
    """A warning about T = 1 in a study that chooses T, and logits that are rounded."""
    module = torch.nn.Linear(3, 3)
    with torch.no_grad():
        module.weight.copy_(30 * torch.eye(3) + 0.1234567)
    data = Arrays(torch.eye(3), [0, 1, 2], classes="abc")
    study = Study("some-study", "smoke", tmp_path)
    store = study.annotate(lb.TorchModule(module), data, "sure")
    said, wanted = store.read(torch.arange(3)).logits[0], module(torch.eye(3)).detach()
    torch.testing.assert_close(said.log_softmax(1), wanted.log_softmax(1), atol=1e-5, rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["sure.store"]
    assert study.annotate(lb.TorchModule(module), data, "sure").fingerprint == store.fingerprint


def test_settings_may_have_any_name(tmp_path: Path):
    """A size with a field `seeds` or `best` that ends in a TypeError."""
    study = Study("some-study", "smoke", tmp_path, say=quiet)
    facts = {"seeds": 2, "best": 1, "candidates": 0}
    assert study.repeat("arm, seed", 3, lambda seed: 10 * seed, **facts) == [0, 10, 20]
    assert study.choose("arm, T", [2.0, 5.0], lambda t: -t, max, **facts) == 2.0


def test_every_seed_is_kept_under_its_own_name(tmp_path: Path):
    """A seed's figures taken for another's, or all computed again for one more."""
    study, calls = Study("some-study", "smoke", tmp_path, say=quiet), []
    assert study.repeat("arm, seed", 2, lambda seed: calls.append(seed) or seed) == [0, 1]
    assert study.repeat("arm, seed", 3, lambda seed: calls.append(seed) or seed) == [0, 1, 2]
    assert calls == [0, 1, 2]
    assert [key.split(" [")[0] for key in study.known["values"]] == [
        "arm, seed 0",
        "arm, seed 1",
        "arm, seed 2",
    ]


def test_the_best_candidate_is_the_first_of_equally_good_ones(tmp_path: Path):
    """A choice of the worst, or one that another measure of the same worth turns over."""
    study = Study("some-study", "smoke", tmp_path, say=quiet)
    errors = {1.0: 3.0, 2.5: 2.0, 4.0: 2.0}
    assert study.choose("arm, T", list(errors), errors.__getitem__, min) == 2.5
    assert study.choose("arm, T", list(errors), errors.__getitem__, max) == 1.0
    assert [key.split(" [")[0] for key in study.known["values"]] == [
        "arm, T=1",
        "arm, T=2.5",
        "arm, T=4",
    ]


def test_a_figure_has_the_sample_standard_deviation():
    """A spread that is too small for few seeds: of 1 and 3 it is the square root of 2."""
    assert measured([1.0, 3.0]).sd == pytest.approx(math.sqrt(2.0))
    assert measured([5.0]).sd == 0.0
    with pytest.raises(ValueError, match="no values to take the mean of"):
        measured([])


def test_the_page_shows_a_figure_with_its_own_study_and_names_what_has_no_result(tmp_path: Path):
    """Figures of phuong-lampert-images under phuong-lampert; a page that looks complete."""
    docs = Path(__file__).parent.parent.parent / "docs"
    folder = tmp_path / "studies"
    folder.mkdir()
    for name in ("phuong-lampert", "phuong-lampert-images"):
        shutil.copy(docs / "studies" / f"{name}.json", folder)
        (folder / f"{name}-some.svg").touch()
    write_page(folder, tmp_path / "studies.md")
    text = (tmp_path / "studies.md").read_text()
    images, rest = text.split("## phuong-lampert\n")
    assert "studies/phuong-lampert-images-some.svg" in images
    assert "studies/phuong-lampert-some.svg" in rest
    assert "phuong-lampert-images-some.svg" not in rest
    remaining = rest.split("## No result yet")[1]
    assert [name for name in names() if f"- `{name}`:" in remaining] == [
        name for name in names() if not name.startswith("phuong-lampert")
    ]


def test_the_page_of_studies_is_generated_from_the_committed_results(tmp_path: Path):
    """A figure on the page that no result has."""
    docs = Path(__file__).parent.parent.parent / "docs"
    write_page(docs / "studies", tmp_path / "studies.md")
    assert (tmp_path / "studies.md").read_text() == (docs / "studies.md").read_text()


def test_the_page_shows_what_a_study_concludes():
    """Prevents an answer that is worked out and then left in a file that nobody opens."""
    docs = Path(__file__).parent.parent.parent / "docs"
    result = json.loads((docs / "studies" / "phuong-lampert.json").read_text())
    assert "\n\nIt helps.\n\n| what |" in page([{**result, "conclusion": "It helps."}], {})


def test_the_question_of_two_classes_is_answered_by_the_intervals():
    """Prevents a gain whose interval holds 0, or a loss, from being told as an answer of yes."""
    gains = {"gru 4": [0.1, 1.0, 1.9], "cnn 4": [-0.5, 0.2, 0.9], "cnn 8": [-2.0, -1.5, -1.0]}
    text = imdb_table.conclusion({**gains, "cnn 4, unlabelled reviews too": [2.0, 2.5, 3.0]})
    assert "kept, 1 of 3 distilled students are surely ahead" in text
    assert "and 1 surely behind, by -1.50 to +1.00 points (+0.20 in the middle). Where" in text
    assert "set, 1 of 1 distilled students are surely ahead" in text
