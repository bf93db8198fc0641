# `make demo` and `make test` do all of the set-up themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# tests whose stand-ins are, on purpose, not of the declared types
FAKES := --ignore=tests/cli --deselect=tests/test_experiment.py::test_training_and_annotating_never_read_the_test_part
TRIALS := tests/doctoring tests/store/test_durability.py tests/test_checkpoint.py tests/test_documents.py
TRIALS += tests/test_imdb_recipes.py tests/test_quantizing.py tests/test_recipe_mutations.py tests/test_texts_exported.py
# the tests start many processes; each would compile all modules again
unexport PYTHONDONTWRITEBYTECODE
HOOK := beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))

.PHONY: demo test test-types test-studies test-trials test-slow lint types clean

demo: $(READY)  ## distil scikit-learn's digits and print the verdict
	$(BIN)/limbeck run digits

test: $(READY)  ## the fast tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-types: $(READY)  ## the fast tests again, with every shape and type in a signature checked
	$(BIN)/python -m pytest -n 2 -m "not slow" --jaxtyping-packages="limbeck,$(HOOK)" $(FAKES)

test-studies: $(READY)  ## every study at smoke size
	$(BIN)/python -m pytest -n 2 -m slow tests/studies

test-trials: $(READY)  ## kills at many moments, thousands of mutations, little memory, longer exports
	$(BIN)/python -m pytest -n 2 -m slow $(TRIALS)

test-slow: $(READY)  ## the tests that take longer, on real data where it is there
	$(BIN)/python -m pytest -n 2 -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info < (3, 14); sys.exit(not ok and f"limbeck needs Python 3.10 to 3.13 and found {sys.version.split()[0]}; try: make demo PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(READY)

clean:
	rm -rf .venv runs
