"""The suite can fail: each defect that is planted is found, and the same events without it are not.

A storm without a finding says something only as long as these pass.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from emonk_ops.tick.emulator import Emulator
from tests.chaos.checker import violations
from tests.chaos.defects import ALL
from tests.chaos.fleet import Timing
from tests.chaos.scenarios import AIMED_AT, Scenario
from tests.chaos.storm import Run, run_on
from tests.chaos.violations import Violation

pytestmark = pytest.mark.anyio
TIMING = Timing(lease=1.8, handler_timeout=0.9, margin=0.4, tick_budget=1.5)
# Skewed clocks make sense only where the store has a clock of its own.
TIMES = 3
ON_FIRESTORE = ("own-wall-clock", "precondition")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def firestore(request: pytest.FixtureRequest) -> str:
    emulator: Emulator = request.getfixturevalue("firestore_emulator")
    return emulator.address


def test_every_defect_has_a_scenario() -> None:
    assert set(ALL) == set(AIMED_AT)


@pytest.mark.parametrize("defect", [name for name in ALL if name != "own-wall-clock"])
async def test_a_planted_defect_is_found_on_a_job_file(tmp_path: Path, defect: str) -> None:
    await find(tmp_path, defect, None)


@pytest.mark.parametrize("defect", ON_FIRESTORE)
async def test_a_planted_defect_is_found_on_firestore(
    tmp_path: Path, defect: str, firestore: str
) -> None:
    await find(tmp_path, defect, firestore)


async def test_the_same_events_without_a_defect_break_nothing(tmp_path: Path) -> None:
    for defect, (scenario, _) in AIMED_AT.items():
        if defect not in ON_FIRESTORE:
            folder = tmp_path / defect
            folder.mkdir()
            found = await survived(folder, scenario, None)
            assert not found, f"{scenario.__name__}: {', '.join(map(str, found))}"


@pytest.mark.parametrize("defect", ON_FIRESTORE)
async def test_the_same_events_without_a_defect_break_nothing_on_firestore(
    tmp_path: Path, defect: str, firestore: str
) -> None:
    scenario, _ = AIMED_AT[defect]
    found = await survived(tmp_path, scenario, firestore)
    assert not found, ", ".join(map(str, found))


async def find(folder: Path, defect: str, firestore: str | None) -> None:
    """Play the scenario until the checker finds the defect; on a busy machine one time may fail."""
    scenario, rule = AIMED_AT[defect]
    found: list[Violation] = []
    async with run_on(folder, secrets.token_hex(4), TIMING, firestore) as run:
        run.fleet.defect = defect
        for _ in range(TIMES):
            await begin(run)
            await scenario(run)
            await run.population.look()
            found = violations(run.history)
            if rule in {one.rule for one in found}:
                return
    raise AssertionError(f"{defect} was not found: {', '.join(map(str, found))}")


async def survived(folder: Path, scenario: Scenario, firestore: str | None) -> list[Violation]:
    """What the checker finds after the scenario and the SIGTERM of both instances."""
    async with run_on(folder, secrets.token_hex(4), TIMING, firestore) as run:
        await begin(run)
        await scenario(run)
        run.fleet.disarm()
        await run.fleet.end()
        await run.population.look()
        return violations(run.history)


async def begin(run: Run) -> None:
    """Both instances run, and every slot from here on has to be accounted for."""
    for name in ("a", "b"):
        if name not in run.fleet.members or not run.fleet.members[name].alive:
            await run.fleet.start(name)
    await run.settle()
