"""kill -9 of an injection at its journal writes, then `inject restore`: no fault is left.

`make crash` plays every point; otherwise two of each injection, drawn with a fixed seed.
"""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.injecting import LONGEST_SECONDS, Operator, on_firestore, sandbox

CRASHING = (sys.executable, str(Path(__file__).with_name("crashing_cli.py")))
ALL = os.environ.get("EMONK_CRASH_POINTS") == "all"
SEED = 20261124
FEW = 2
FAULTS = (("missed-ticks",), ("firestore-outage",), ("restart", "--mode", "drain"))


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with sandbox(tmp_path_factory.mktemp("crash-injections")) as found:
        yield on_firestore(found)


def crash(operator: Operator, words: tuple[str, ...], point: int) -> tuple[int, str]:
    """Type it and have it killed at that journal event (0: let it live)."""
    with operator.start("inject", *words, cli=(*CRASHING, str(point))) as process:
        _, err = process.communicate(timeout=LONGEST_SECONDS)
    return process.returncode, err


@pytest.mark.parametrize("words", FAULTS, ids=lambda words: words[0])
@pytest.mark.timeout(900)
def test_whenever_an_injection_is_killed_restore_leaves_no_fault(
    operator: Operator, words: tuple[str, ...]
) -> None:
    tools = operator.tools
    before = operator.bindings()
    jobs = {"heartbeat", "queue-report", "digest"}
    code, err = crash(operator, words, 0)
    assert code == 0, err
    (most,) = re.findall(r"journal events: (\d+)", err)
    every = list(range(1, int(most) + 1))
    assert len(every) >= 12
    for point in every if ALL else random.Random(SEED + len(words[0])).sample(every, FEW):
        code, err = crash(operator, words, point)
        assert code == -9, (point, err)
        operator.types("inject", "restore", "--all")
        assert not operator.types("inject", "restore")["restored"], point
        assert operator.bindings() == before, point
        job, state = tools.jobs.describe(), tools.service.driver()
        assert job is not None
        assert job.state == "ENABLED", point
        assert (state.driver, state.role) == ("cloud", "driving"), point
        assert jobs <= {str(one["id"]) for one in tools.service.list_jobs()}, point
        assert operator.types("inject", "bad-auth")["verdict"] == "PASS", point
