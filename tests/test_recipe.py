"""Recipes: what they read as, and the one sentence they end in where they are wrong."""

from pathlib import Path

import pytest

from limbeck import objectives
from limbeck.errors import RecipeError
from limbeck.optimization import SGD, Cosine
from limbeck.recipe import Recipe
from limbeck.recipe.naming import snake_case
from limbeck.recipe.plans import Ensembled, Fitted, Loaded, Scored, Trained
from limbeck.recipes import shipped, summary
from limbeck.transfer_sets import Shift

TEXT = """\
# a comment
name: mine
data: {digits: {labelled: 100}}
teacher:
  ensemble:
    combine: arithmetic
    weights: [1, 2, 3]
    members:
      - train: {student: {mlp: {hidden: [256]}}, training: {epochs: 60}, seeds: 2}
      - estimator: {random_forest_classifier: {n_estimators: 30, random_state: 0}}
student: {mlp: {hidden: [16]}}
objective:
  soft_targets: {temperature: 4.0, weight: 0.9}
  hard_labels: {weight: 0.1}
annotate: {dtype: float32}
views: {transform: {shift: {pixels: 1}}, count: 2}
training:
  epochs: 7
  batch_size: 64
  optimizer: {sgd: {learning_rate: 3e-2}}
  schedule: {cosine: {warm_up: 0.05}}
seeds: 4
"""


def edited(old: str, new: str) -> Recipe:
    assert old in TEXT
    return Recipe.parse(TEXT.replace(old, new), source="recipe.yaml")


def test_a_recipe_reads_as_typed_values() -> None:
    """Settings that look right in YAML and reach the training as something else."""
    recipe = Recipe.parse(TEXT)
    assert recipe.name == "mine"
    assert recipe.data.name == "digits"
    assert recipe.data.arguments == {"labelled": 100}
    assert recipe.student.arguments == {"hidden": (16,)}
    assert recipe.annotate == {"dtype": "float32"}
    assert recipe.training.epochs == 7
    assert recipe.training.optimizer == SGD(learning_rate=0.03)
    assert recipe.training.schedule == Cosine(warm_up=0.05)
    assert recipe.views is not None
    assert recipe.views.build().transform == Shift(pixels=1)
    assert recipe.seeds == 4
    assert recipe.output == Path("runs/mine")


def test_the_weights_of_the_terms_are_the_factors_of_the_sum() -> None:
    """A weight that is dropped, or given to the other term."""
    built = Recipe.parse(TEXT).build_objective()
    assert built == 0.9 * objectives.SoftTargets(4.0) + 0.1 * objectives.HardLabels()
    single = edited(
        "soft_targets: {temperature: 4.0, weight: 0.9}\n  hard_labels: {weight: 0.1}", "dist: {}"
    )
    assert single.build_objective() == objectives.Dist()


def test_a_list_of_terms_can_hold_one_objective_twice() -> None:
    """Hints from two layers, of which YAML's keys would keep one."""
    term = "hints: {teacher_layer: a, student_layer: b}"
    recipe = edited(
        "\n  soft_targets: {temperature: 4.0, weight: 0.9}\n  hard_labels: {weight: 0.1}",
        f" [{term}, {term}, soft_targets]",
    )
    assert [piece.name for _, piece in recipe.objective] == ["hints", "hints", "soft_targets"]


def test_the_teacher_reads_as_a_plan() -> None:
    """An ensemble whose members or weights are lost on the way."""
    teacher = Recipe.parse(TEXT).teacher
    assert isinstance(teacher, Ensembled)
    assert teacher.arguments == {"combine": "arithmetic", "weights": (1.0, 2.0, 3.0)}
    trained, fitted = teacher.members
    assert isinstance(trained, Trained)
    assert trained.training.epochs == 60
    assert trained.seeds == 2
    assert isinstance(fitted, Fitted)
    assert fitted.estimator.arguments == {"n_estimators": 30, "random_state": 0}


def test_files_are_named_relative_to_the_recipe(tmp_path: Path) -> None:
    """A recipe that only works from the folder it happens to be started in."""
    (tmp_path / "net.py").write_text("def build():\n    raise RuntimeError('never called')\n")
    (tmp_path / "w.safetensors").touch()
    (tmp_path / "t.onnx").touch()
    (tmp_path / "saved").mkdir()
    start = TEXT.index("      - train")
    members = """\
      - torch_module: {module: "net.py:build", weights: w.safetensors, hidden: [layer2]}
      - onnx_model: {path: t.onnx}
      - load: saved
"""
    text = TEXT[:start] + members + TEXT[TEXT.index("student: {mlp: {hidden: [16]") :]
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    teacher = Recipe.load(path).check().teacher
    assert isinstance(teacher, Ensembled)
    module, onnx, saved = teacher.members
    assert isinstance(module, Scored)
    assert isinstance(onnx, Scored)
    assert isinstance(saved, Loaded)
    assert module.module == "net.py:build"
    assert module.piece.arguments == {
        "weights": tmp_path / "w.safetensors",
        "hidden": ("layer2",),
    }
    assert onnx.piece.arguments == {"path": tmp_path / "t.onnx"}
    assert saved.path == tmp_path / "saved"


def test_checking_a_recipe_does_not_run_the_users_file(tmp_path: Path) -> None:
    """`limbeck check` of a downloaded recipe that runs the code beside it."""
    (tmp_path / "net.py").write_text("print(1 / 0)\ndef build(): ...\n")
    text = TEXT.replace("{mlp: {hidden: [16]}}", '{"net.py:build": {width: 3}}')
    recipe = Recipe.parse(text, folder=tmp_path).check()
    assert recipe.student.name == "net.py:build"
    assert recipe.student.arguments == {"width": 3}


def test_overrides_change_values_add_keys_and_reach_into_lists() -> None:
    """A change on the command line that is taken and has no effect."""
    changes = [
        "training.epochs=5",
        "seed=3",
        "objective.soft_targets.temperature=2",
        "teacher.ensemble.members.0.train.seeds=1",
        "teacher.ensemble.weights=null",
        "training.optimizer={adamw: {learning_rate: 1e-3}}",
        "training.patience=4",
        "annotate=",
    ]
    recipe = Recipe.parse(TEXT).override(changes)
    assert recipe.training.epochs == 5
    assert recipe.seed == 3
    assert recipe.objective[0][1].arguments == {"temperature": 2.0}
    assert isinstance(recipe.teacher, Ensembled)
    assert isinstance(recipe.teacher.members[0], Trained)
    assert recipe.teacher.members[0].seeds == 1
    assert recipe.training.patience == 4
    assert recipe.annotate == {}
    assert Recipe.parse(TEXT).training.epochs == 7


def test_data_replaces_the_path_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`data=PATH` that goes to another key, or is looked for beside the recipe."""
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    hub = Recipe.load("mnist_hinton")
    assert hub.data.arguments["path"] == "ylecun/mnist"
    assert hub.override(["data=here"]).check().data.arguments["path"] == tmp_path / "here"
    assert hub.override(["data=me/mine"]).check().data.arguments["path"] == "me/mine"
    below = "data={hub_images: {path: me/mine/config}}"
    assert hub.override([below]).check().data.arguments["path"] == "me/mine/config"
    other = hub.override(["data={digits: {labelled: 10}}"])
    assert other.data.name == "digits"


def test_a_recipe_survives_the_way_through_its_own_yaml() -> None:
    """A run folder whose recipe.yaml is not the experiment that was run."""
    recipe = Recipe.parse(TEXT).override(["training.optimizer.sgd.learning_rate=1e-7"])
    again = Recipe.parse(recipe.as_yaml())
    assert again == recipe
    assert again.training.optimizer.learning_rate == 1e-7


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "temperature: 4.0",
            "temprature: 4.0",
            r"recipe.yaml, line 13: objective has no key 'temprature'. Did you mean 'temperature'",
        ),
        (
            "{mlp: {hidden: [16]}}",
            "{mpl: {}}",
            r"line 11: student has no 'mpl'. Did you mean 'mlp'",
        ),
        ("epochs: 7", "epochs: 0", "line 18: training: epochs is 0; it must be 1 or more"),
        ("epochs: 7", "epochs: 7.5", "line 18: training.epochs is 7.5; it needs a whole number"),
        ("epochs: 7", "epochs: yes", "line 18: training.epochs is true; it needs a whole number"),
        ("{sgd:", "{sdg:", r"line 20: training.optimizer has no 'sdg'. Did you mean 'sgd'"),
        ("3e-2", "-1", "line 20: sgd: learning_rate is -1.0; it must be positive"),
        ("{sgd: {learning_rate: 3e-2}}", "{sgd: {}, adamw: {}}", "names sgd and adamw; .*Keep one"),
        ("{sgd: {learning_rate: 3e-2}}", "[1]", r"is a list; it needs keys|needs one name"),
        ("warm_up: 0.05", "warm_up: lots", "line 21: cosine.warm_up is 'lots'; it needs a number"),
        ("digits: {", "digit: {", r"line 3: data has no 'digit'. Did you mean 'digits'"),
        ("[16]", "16", r"student.hidden is 16; it needs a list such as \[1, 2\]"),
        ("[16]", "[16, x]", r"student.hidden\[1\] is 'x'; it needs a whole number"),
        ("{hidden: [16]}", "{}", "student needs 'hidden'. Add 'hidden: ...' to it"),
        ("arithmetic", "aritmetic", "line 6: ensemble.combine is 'aritmetic'.*Did you mean"),
        ("[1, 2, 3]", "[1, 2]", "line 7: there are 2 weights for 3 teachers"),
        ("seeds: 2", "seeds: 0", "line 9: seeds is 0; train 1 to 1000 teachers"),
        ("random_forest_", "random_forrest_", "line 10: .*Did you mean 'random_forest_classifier'"),
        ("n_estimators", "estimators", r"line 10: estimator has no key 'estimators'"),
        ("- train:", "- trian:", r"line 9: an ensemble has no 'trian'. Did you mean 'train'"),
        ("weight: 0.9", "weight: -1", "line 13: objective.weight is -1.0; it needs a number of 0"),
        ("pixels: 1", "pixels: 0", "line 16: shift: Shift has pixels=0"),
        ("shift", "shft", "line 16: views.transform has no 'shft'. Did you mean 'shift'"),
        ("dtype: float32", "dtype: int8", "line 15: annotate.dtype is 'int8'; it needs 'float16'"),
        ("seeds: 4", "seeds: 0", "line 22: seeds is 0; a verdict needs 2 to 1000"),
        ("seeds: 4", "seed: -1", "line 22: seed is -1; it needs a number from 0"),
        ("name: mine", "name: ../x", "line 2: name is '../x'; it needs letters"),
        ("name: mine", "nmae: mine", "line 2: the recipe has no key 'nmae'. Did you mean 'name'"),
        ("name: mine", "- mine", "is not YAML|needs keys"),
        ("seeds: 4", "seeds: 4\nseeds: 5", "line 23: the key 'seeds' is there twice"),
        ("seeds: 4", "seeds: !!python/name:os.system x", "line 22: the tag .* is not allowed"),
        ("seeds: 4", "seeds: &a 4\nseed: *b", "line 23: this is not YAML: found undefined alias"),
        ("seeds: 4", "1: 4", "line 22: the key 1 is not a word"),
        ("seeds: 4", "seeds: " + "9" * 5000, "line 22: .* is not of the kind 'int'"),
        ("student: {mlp: {hidden: [16]}}\n", "", "has no 'student'. Add 'student: ...' to it"),
        (
            "{mlp: {hidden: [16]}}",
            "{torch.nn.Linear: {}}",
            "inside a package, which a recipe cannot",
        ),
        ("{mlp: {hidden: [16]}}", '{"no.py:f": {}}', "line 11: there is no file no.py"),
        ("{mlp: {hidden: [16]}}", '{"no.py:f()": {}}', "is not of the form 'my_file.py:function'"),
        ("soft_targets: {temperature: 4.0, weight: 0.9}", "soft_targets: 4", "objective is 4; it"),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, message: str) -> None:
    """A typo that is ignored, or ends in a traceback through limbeck's insides."""
    with pytest.raises(RecipeError, match=message) as caught:
        edited(old, new)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=3", "'training.epoch=3': training has no key 'epoch'. Did you mean"),
        ("seed", "this is not a change. Write it as key=value"),
        ("=3", "this is not a change"),
        ("data=x.npz", "this recipe's data is digits, which comes with limbeck and has no path"),
        ("data={arrays: {path: no.npz}}", "there is nothing at '.*no.npz', which 'path' names"),
        ("teacher={load: nowhere}", "there is nothing at '.*nowhere', which 'path' names"),
        ("teacher.ensemble.members.7.load=x", "'7' is not in this list of 2; count from 0"),
        ("training.epochs.deeper=3", "'deeper' leads into 7, which has no keys"),
        ("training=[", "'training=.*: this is not YAML"),
        ("teacher={train: {student: mlp}}", "student needs 'hidden'"),
        ("teacher={train: {student: {mlp: {hidden: [3]}}, seeds: 3}}", "train makes 3 teachers"),
        ("teacher={ensemble: {}}", "ensemble needs a list of members"),
        ("teacher={ensemble: {members: []}}", "the ensemble has 0 teachers; it needs 1 to 1000"),
        ("teacher={train: {}}", "train needs a student"),
        ("teacher={torch_module: {}}", "torch_module needs a module"),
        ("teacher={torch_module: {module: torch.nn.Linear}}", "it needs a function that builds it"),
        ("teacher={lode: x}", "teacher has no 'lode'. Did you mean 'load'"),
    ],
)
def test_a_wrong_change_is_told_with_the_change(change: str, message: str) -> None:
    """An error that blames line 12 of a file for a word on the command line."""
    with pytest.raises(RecipeError, match=message):
        Recipe.parse(TEXT).override([change]).check()


def test_a_missing_recipe_names_the_nearest_shipped_one(tmp_path: Path) -> None:
    """`limbeck run digts` that says FileNotFoundError."""
    with pytest.raises(RecipeError, match="no recipe file 'digts' .*Did you mean 'digits'"):
        Recipe.load("digts")
    with pytest.raises(RecipeError, match="no recipe file"):
        Recipe.load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(RecipeError, match="cannot be read: .*Give a YAML file in UTF-8"):
        Recipe.load(tmp_path / "latin.yaml")


def test_a_users_file_without_the_function_is_told(tmp_path: Path) -> None:
    """AttributeError after the teachers have been trained."""
    (tmp_path / "net.py").write_text("def other(): ...\n")
    with pytest.raises(RecipeError, match="defines no function 'build'. It defines: other"):
        Recipe.parse(TEXT.replace("{mlp: {hidden: [16]}}", '{"net.py:build": {}}'), folder=tmp_path)
    (tmp_path / "net.py").write_text("def build(:\n")
    with pytest.raises(RecipeError, match="net.py cannot be read as Python"):
        Recipe.parse(TEXT.replace("{mlp: {hidden: [16]}}", '{"net.py:build": {}}'), folder=tmp_path)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe_is_valid_short_and_explained(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recipe that a renamed parameter has broken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "imdb_teacher" / "student").mkdir(parents=True)
    path = shipped()[name]
    assert len(path.read_text().splitlines()) <= 25
    assert summary(path).endswith(".")
    recipe = Recipe.load(name).check()
    assert recipe.name == name
    assert recipe.output == Path("runs") / name


def test_paths_of_a_shipped_recipe_start_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A teacher that is looked for among the installed files, and none that says who makes it."""
    monkeypatch.chdir(tmp_path)
    made_by = "nothing at 'runs/imdb_teacher/student'.*Make it with: limbeck run imdb_teacher"
    with pytest.raises(RecipeError, match=made_by):
        Recipe.load("imdb_gru").check()
    mine = Path("mine/student")
    mine.mkdir(parents=True)
    changes = [f"teacher.load.path={mine}", f"student.text_gru.embedding_from={mine}"]
    with pytest.raises(RecipeError, match=made_by):
        Recipe.load("imdb_gru").override(changes[:1]).check()
    teacher = Recipe.load("imdb_gru").override(changes).check().teacher
    assert isinstance(teacher, Loaded)
    assert teacher.path.samefile(mine)


def test_a_recipe_in_another_folder_names_its_teacher_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sub/sub/saved`: the recipe's folder counted twice."""
    monkeypatch.chdir(tmp_path)
    Path("sub/saved").mkdir(parents=True)
    Path("sub/mine.yaml").write_text(
        "data: digits\nteacher: {load: saved}\nstudent: {mlp: {hidden: [4]}}\nobjective: dist\n"
    )
    recipe = Recipe.load("sub/mine.yaml")
    teacher = recipe.check().teacher
    assert isinstance(teacher, Loaded)
    assert teacher.path == Path("sub/saved")
    Path("sub/saved").rmdir()
    with pytest.raises(RecipeError, match="nothing at 'sub/saved'"):
        Recipe.load("sub/mine.yaml").check()


def test_a_configuration_in_place_of_a_model_is_no_path() -> None:
    """`limbeck check` that asks whether a mapping is a file."""
    config = "{model_type: bert, hidden_size: 8}"
    change = f"student={{transformers_classifier: {{model: {config}}}}}"
    assert Recipe.parse(TEXT).override([change]).check().student.arguments["model"]


def test_names_are_snake_case_as_people_write_it() -> None:
    """`adam_w`, `s_g_d` and `k_neighbors` spelled so that nobody finds them."""
    names = "HardLabels SGD AdamW LinearSVC KNeighborsClassifier OneCycle XGBClassifier GaussianNB"
    expected = (
        "hard_labels sgd adamw linear_svc k_neighbors_classifier one_cycle xgb_classifier "
        "gaussian_nb"
    )
    assert [snake_case(name) for name in names.split()] == expected.split()


def test_the_keys_of_xgboosts_classifier_are_its_parameters() -> None:
    """XGBoost hides its parameters behind keywords, so that every key would be refused."""
    pytest.importorskip("xgboost")
    start = TEXT.index("      - train")
    end = TEXT.index("\nstudent: ")
    text = TEXT[:start] + "      - estimator: {xgb_classifier: {max_depth: 2}}" + TEXT[end:]
    text = text.replace("    weights: [1, 2, 3]\n", "")
    teacher = Recipe.parse(text).teacher
    assert isinstance(teacher, Ensembled)
    assert isinstance(teacher.members[0], Fitted)
    assert teacher.members[0].estimator.arguments == {"max_depth": 2}
    with pytest.raises(RecipeError, match="no key 'max_dept'. Did you mean 'max_depth'"):
        Recipe.parse(text.replace("max_depth", "max_dept"))
