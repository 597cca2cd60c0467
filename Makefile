# `make rehearse` and `make test` set up all they need in .venv: Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
POINTS ?= all
SEEDS ?= 10000

.PHONY: rehearse test lint format bench crash simulate clean

rehearse: $(READY)
	$(BIN)/emonk-ops rehearse

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	$(BIN)/python tests/bench/startup.py

# Kills the command line at journal writes and runs the same command again: POINTS=all or a number.
crash: $(READY)
	EMONK_CRASH_POINTS=$(POINTS) $(BIN)/python -m pytest tests/chaos/test_crash_points.py -q

# Runs the tick engine on virtual time; a seed that fails is printed with the line that replays it.
simulate: $(READY)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[service,test]'
	touch $(READY)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
