"""2,000 mutated recipes: each is a recipe or one sentence, and none is ever executed."""

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from limbeck.errors import RecipeError
from limbeck.recipe import Recipe

SENTINEL = Path(tempfile.gettempdir()) / "limbeck_executed_a_recipe"

BASES = (
    """name: base
data: {digits: {labelled: 100}}
teacher:
  ensemble:
    weights: [0.5, 0.5]
    members:
      - train: {student: {mlp: {hidden: [256]}}, training: {epochs: 60}}
      - estimator: {random_forest_classifier: {n_estimators: 30}}
student: {cnn: {channels: [8, 16], dropout: 0.1}}
objective: {soft_targets: {temperature: 4.0, weight: 0.9}, hard_labels: {}}
""",
    """data: {digits: {}}
teacher: {train: {student: {mlp: {hidden: [9]}}}}
annotate: {dtype: float16, top_k: 5, temperatures: [1.0, 4.0]}
student: {mlp: {hidden: [16]}}
objective: soft_targets
training:
  epochs: 60
  optimizer: {adamw: {learning_rate: 0.003, betas: [0.9, 0.99]}}
  schedule: {cosine: {warm_up: 0.05}}
  patience: null
""",
    """data: {digits: {validation: 0.2}}
teacher: {estimator: {svc: {probability: true}}}
views: {transform: {shift: {pixels: 2}}, count: 4}
student: {mlp: {hidden: [16]}}
objective: [dist: {temperature: 2.0}]
seed: 0
seeds: 2
output: runs/x
store: runs/y/knowledge.store
""",
)

TREES = tuple(json.dumps(yaml.safe_load(base)) for base in BASES)

NASTY_TEXT = (
    f'!!python/object/apply:os.system ["touch {SENTINEL}"]',
    f'!!python/object/new:pathlib.Path.touch ["{SENTINEL}"]',
    "!!python/name:os.system",
    "!!binary aGVsbG8=",
    "!!int x",
    "!!float 1e999",
    "!!bool maybe",
    "!!timestamp 2001-99-99",
    "&a [*a, *a]",
    "*a",
    "&b {x: &c [1, 1, 1]}",
    "<<: {a: 1}",
    "? [1, 2]\n: 3",
    "---",
    "...",
    "%YAML 1.1",
    "\x00",
    "\x1b[31m",
    "\u2028",
    "\ufeff",
    "\t",
    "- ",
    ": ",
    "{",
    "[" * 50,
    "'",
    '"\\x',
    "|",
    ">-",
    "9" * 5000,
    "-1",
    ".nan",
    ".inf",
    "1e400",
    "0x7fffffffffffffffffffffff",
    "190:20:30",
    "yes",
    "~",
    "null",
    "os.system",
    "torch.load",
    "limbeck.recipe.Recipe",
    "'my_file.py:build'",
    "'../../etc/passwd.py:x'",
    "'a.py:os.system'",
    "weight",
    "temprature",
    "xgb_classifier",
    "voting_classifier: {}",
    "onnx_model: {path: no.onnx}",
    "load: nowhere",
    "torch_module: {module: 'x.py:y', weights: w.safetensors}",
)

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**301),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["sgd", "digits", "mlp", "soft_targets", "a/b", "", "\x1b[2J", "x.py:f", "a.b"]
    ),
    st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.sampled_from(["sgd", "mlp", "x", "weight", "shift"]), st.none(), max_size=2),
)

CHANGES = (
    "training.epochs=5",
    "data=/no/such/path",
    "data={arrays: {path: x.npz}}",
    "seed=-3",
    "objective.soft_targets.temperature=2",
    "teacher.ensemble.members.0.train.seeds=5",
    "teacher.ensemble.members.9.load=x",
    "training.optimizer={sgd: {}}",
    f"name=!!python/object/apply:os.system ['touch {SENTINEL}']",
    "=",
    "a=b=c",
    "..=3",
    "seed",
    "data=\x00",
    "training.epochs.deeper=3",
    "store=runs/other/knowledge.store",
    "store=3",
)


@st.composite
def mutated_texts(draw: st.DrawFn) -> str:
    """A base recipe with pieces deleted, doubled, replaced or something nasty put in."""
    text = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 25)))
        put = draw(st.one_of(st.sampled_from(NASTY_TEXT), st.text(max_size=4), st.just("")))
        text = text[:start] + draw(st.sampled_from(["", text[start:end]])) + put + text[end:]
    return text


@st.composite
def mutated_trees(draw: st.DrawFn) -> str:
    """A base recipe with keys deleted, renamed or given values of another kind."""
    tree = json.loads(draw(st.sampled_from(TREES)))
    for _ in range(draw(st.integers(1, 3))):
        spots = list(walk(tree))
        where, key = spots[draw(st.integers(0, len(spots) - 1))]
        kind = draw(st.sampled_from(["delete", "rename", "value", "swap"]))
        if kind == "delete":
            del where[key]
        elif kind == "rename" and isinstance(where, dict):
            where[draw(st.sampled_from([f"{key}s", str(key)[:-1], "x", "weight"]))] = where.pop(key)
        elif kind == "swap":
            other, name = spots[draw(st.integers(0, len(spots) - 1))]
            where[key] = copy.deepcopy(other[name])
        else:
            where[key] = draw(VALUES)
        if not tree:
            break
    return json.dumps(tree)


def walk(value: Any) -> Any:
    """Every (container, key) of a tree."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in list(items):
        yield value, key
        if isinstance(child, (dict, list)):
            yield from walk(child)


@pytest.mark.parametrize("mutations", [300, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_mutated_recipe_is_a_recipe_or_one_sentence(mutations: int) -> None:
    """A traceback for a typo, or worse: YAML that runs a command."""

    @settings(
        max_examples=mutations,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        text=st.one_of(mutated_texts(), mutated_trees()),
        changes=st.lists(st.sampled_from(CHANGES), max_size=1),
    )
    @example(text=BASES[0], changes=[])
    @example(text="", changes=[])
    @example(text="[" * 1_000, changes=[])
    @example(text="a: &a [x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n", changes=[])
    def is_a_recipe_or_one_sentence(text: str, changes: list[str]) -> None:
        try:
            recipe = Recipe.parse(text, source="mutated.yaml").override(changes).check()
        except RecipeError as error:
            message = str(error)
            assert message.strip()
            assert message.isprintable(), message
        else:
            assert recipe.name
        assert not SENTINEL.exists()

    is_a_recipe_or_one_sentence()


@pytest.mark.parametrize("base", BASES)
def test_what_is_mutated_is_a_recipe(base: str) -> None:
    """Mutations of something that was broken all along would prove nothing."""
    assert Recipe.parse(base).check().data.name == "digits"


def test_aliases_that_multiply_end_in_a_sentence() -> None:
    """A recipe of nine short lines that takes all memory when expanded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    try:
        Recipe.parse("\n".join(lines))
    except RecipeError as error:
        assert "more than 5,000 values" in str(error)  # noqa: PT017
    else:
        raise AssertionError("the aliases were expanded")
