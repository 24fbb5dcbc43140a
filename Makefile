# make demo   the first look: sets up .venv and shows pjka at work
# make engine builds pjproject for production (two minutes, once) and installs it into .venv
# make test   everything: sets up .venv and the machine, then lint, types and all tests

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: demo engine test lint

$(BIN)/pjka: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@

demo: $(BIN)/pjka
	$(BIN)/pjka --help

engine: $(BIN)/pjka
	$(BIN)/python engine/build.py

lint: $(BIN)/pjka
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest
