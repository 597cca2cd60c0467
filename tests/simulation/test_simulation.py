"""Many instances of the real scheduler on virtual time, thousands of seeds; see `history.py`.

EMONK_SIMULATION_SEEDS sets how many; `python -m tests.simulation` runs them without pytest.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import emonk_ops.tick
from tests.simulation.defects import PLANTED, TIGHT
from tests.simulation.run import replay_line, simulate

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("EMONK_SIMULATION_SEEDS", "2000"))
CHUNK = 250
# Seeds that may pass before a defect is found: some ten times what it takes.
WITHIN = {
    "the fence stands still": 5,
    "the attempt is not counted at the claim": 5,
    "the store ignores preconditions": 20,
    "results are written without compare-and-set": 400,
    "an unclear claim counts as won": 200,
    "an unclear claim counts as lost": 200,
    "leases by the instance's wall clock": 20,
    "no lease check before the start": 2000,
}
# Each has to happen in the first seeds; what never happens is not tested.
HAPPENS = """
    crash freeze terminate outage step schedule pause resume cancel export import drive
    quiesce quiesced claims rescues executions succeeded failed released dead skipped coalesced
    stale once-granted once-refused death:-poison death:-crash death:-asked-to-end
"""
# What the engine is made of may wait and read time by its Clock alone. `ended` belongs to the
# shutdown, whose grace is real; the meter times calls and decides nothing by it.
ENGINE = "rounds running completion driver legacy_loop settlement tally handlers jobs scheduler"
BEYOND_THE_CLOCK = {
    "asyncio.sleep",
    "asyncio.wait_for",
    "asyncio.timeout",
    "real_seconds",
    "asyncio.to_thread",
    "time.monotonic",
}


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_the_promise(first: int) -> None:
    for seed in range(first, min(first + CHUNK, SEEDS)):
        told = simulate(seed)
        assert not told.violations, f"{told.violations[0]}\n{replay_line(seed)}"


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found(name: str) -> None:
    found = (seed for seed in range(WITHIN[name]) if simulate(seed, PLANTED[name]).violations)
    assert next(found, None) is not None


def test_leases_as_short_as_they_may_be_break_nothing_while_they_are_looked_at() -> None:
    assert not [seed for seed in range(200) if simulate(seed, TIGHT).violations]


def test_everything_that_may_happen_does() -> None:
    seen: Counter[str] = Counter()
    for seed in range(300):
        seen += simulate(seed).seen
    rare = {what: seen[what.replace("-", " ")] for what in HAPPENS.split()}
    assert not [what for what, count in rare.items() if not count], rare


@pytest.mark.parametrize("seed", [1, 7, 23])
def test_the_same_seed_gives_the_same_history(seed: int) -> None:
    here = simulate(seed, trace=True)
    assert len(here.trace) > 50
    assert simulate(seed, trace=True).digest == here.digest
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--digest"],
        cwd=ROOT,
        env={"PYTHONHASHSEED": str(seed + 1000)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert elsewhere.stdout.strip() == here.digest


def test_another_seed_gives_another_history() -> None:
    assert len({simulate(seed, trace=True).digest for seed in range(5)}) == 5


@pytest.mark.parametrize("module", ENGINE.split())
def test_the_engine_waits_by_its_clock_alone(module: str) -> None:
    path = Path(emonk_ops.tick.__path__[0]) / f"{module}.py"
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert not calls & BEYOND_THE_CLOCK
