"""Chaos: several instances on one store, killed, stopped, lied to, and judged by their history.

EMONK_CHAOS_SECONDS is how long each of the three storms lasts, EMONK_CHAOS_SEED repeats the choices
of one (its interleavings are the machine's), EMONK_CHAOS_FIRESTORE is another Firestore's address
on loopback, EMONK_CHAOS_CLAIM_MODE=transaction has the instances claim by transactions.
`make chaos SECONDS=600` is the long run.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import pytest

from tests.chaos.checker import violations
from tests.chaos.figures import figures
from tests.chaos.fleet import Timing
from tests.chaos.storm import run_on, storm

pytestmark = pytest.mark.anyio
SECONDS = float(os.environ.get("EMONK_CHAOS_SECONDS", "20"))
SEED = os.environ.get("EMONK_CHAOS_SEED") or secrets.token_hex(4)
FIRESTORE = os.environ.get("EMONK_CHAOS_FIRESTORE", "")
CLAIM_MODE = os.environ.get("EMONK_CHAOS_CLAIM_MODE", "batch")
NAMES = ("a", "b", "c")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.timeout(SECONDS + 300)
async def test_nothing_is_lost_or_done_twice_on_a_job_file(tmp_path: Path) -> None:
    await weather(tmp_path, None)


@pytest.mark.timeout(SECONDS + 300)
async def test_nothing_is_lost_or_done_twice_on_firestore(
    tmp_path: Path, firestore_address: str
) -> None:
    await weather(tmp_path, FIRESTORE or firestore_address)


async def weather(folder: Path, firestore: str | None) -> None:
    # A transaction waits for two seconds or more for a lock that a dead process left behind.
    timing = Timing(lease=15) if CLAIM_MODE == "transaction" else Timing()
    async with run_on(folder, SEED, timing, firestore) as run:
        run.fleet.claim_mode = CLAIM_MODE
        history = await storm(run, NAMES, SECONDS)
    found, happened = violations(history), figures(history)
    print(f"seed {SEED}, {SECONDS:g} s: {json.dumps(happened)}")  # noqa: T201 - shown with -s
    said = "\n".join(str(one) for one in found[:40])
    assert not found, f"EMONK_CHAOS_SEED={SEED}, in {folder}: {len(found)} violations\n{said}"
    assert happened["executions"] > SECONDS
    assert happened["deaths"] + happened["stops"] > len(NAMES)
