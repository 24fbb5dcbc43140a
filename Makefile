# make demo   the first look: sets up .venv and shows a dead connection being found
# make engine builds pjproject for production (two minutes, once) and installs it into .venv
# make test   everything: sets up .venv and the machine, then lint, types and all tests

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# most tests wait for something, so that more of them run than there are cores
PARALLEL ?= --numprocesses 3 --dist loadfile

.PHONY: demo engine machine lint test

$(BIN)/pjka: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

demo: $(BIN)/pjka
	$(BIN)/pjka demo

engine: $(BIN)/pjka
	$(BIN)/python engine/build.py

# Packages, Docker Engine and images for the tests that need them; without root those tests are skipped.
machine:
	@if [ "$$(id -u)" = 0 ]; then tests/hosts/prepare; else echo "not root: only tests that need no root will run"; fi

lint: $(BIN)/pjka
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A test that fails beside others, on a machine that they keep busy, is tried once more alone; both runs are shown.
# A run that was cut short is not.
test: lint engine machine
	PJKA_ENGINE=trial $(BIN)/pytest $(PARALLEL) tests/engine \
		$(foreach name,storm crowd call,--ignore tests/engine/test_$(name).py)
	$(BIN)/pytest $(PARALLEL) || { [ $$? -eq 1 ] && $(BIN)/pytest --last-failed --last-failed-no-failures none; }
