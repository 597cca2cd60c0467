# `make rehearse` and `make test` set up all they need in .venv: Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
POINTS ?= all
SECONDS ?= 120
SEEDS ?= 10000
SECTIONS ?=
FAULTS ?=

.PHONY: rehearse test lint format reference bench judge crash chaos simulate diagnose clean

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

# docs/commands.md, from the commands themselves.
reference: $(READY)
	$(BIN)/emonk-ops help reference > docs/commands.md.new
	mv docs/commands.md.new docs/commands.md

# Other schedulers are measured too where they are: $(BIN)/pip install -e '.[bench]', PostgreSQL.
# SECTIONS="stored draining" runs only these.
bench: $(READY)
	$(BIN)/python -m tests.bench $(SECTIONS)

# The judge on more than a thousand simulated hours, and on 30 days of ticks from a file.
judge: $(READY)
	$(BIN)/python -m tests.bench judging analysis

# Kills the command line at journal writes and around and inside calls that change something, then
# types the next command; all takes hours, of which injections and rollbacks at stage 4 take one.
# POINTS=all or a number.
crash: $(READY)
	EMONK_CRASH_POINTS=$(POINTS) $(BIN)/python -m pytest tests/chaos/test_crash_points.py tests/chaos/test_crash_commands.py -q

# Kills, stops and lies to instances of the service on a job file, Google's Firestore emulator and the
# sandbox's Firestore, for SECONDS each: SEED=... repeats.
chaos: $(READY)
	EMONK_CHAOS_SECONDS=$(SECONDS) EMONK_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest tests/chaos/test_chaos.py -q -s

# Runs the tick engine on virtual time; a seed that fails is printed with the line that replays it.
simulate: $(READY)
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

# Plants faults in a sandbox, one after the other, and prints which cause was named first, whether
# --fix healed it, and what a healthy day got. FAULTS="drifted paused" plants only these.
diagnose: $(READY)
	$(BIN)/python -m tests.diagnosing $(FAULTS)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[service,test]'
	touch $(READY)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
