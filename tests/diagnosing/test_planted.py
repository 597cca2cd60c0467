"""Planted faults get their right first cause; EMONK_LONG=1 plants them all, after a whole day."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.diagnosing.faults import FAULTS, Fault
from tests.diagnosing.rounds import played
from tests.diagnosing.ward import Ward, ward

LONG = bool(os.environ.get("EMONK_LONG"))
CHOSEN = [one for one in FAULTS if LONG or one.always]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    with ward(tmp_path_factory.mktemp("ward")) as one:
        yield one


@pytest.mark.timeout(300)
def test_a_healthy_service_has_nothing_wrong(found: Ward) -> None:
    """Before anything is planted, and over a day in the long run."""
    window = timedelta(hours=24 if LONG else 2)
    found.passes(window)
    code, data = found.types("diagnose", "--window", f"{window.total_seconds():.0f}s")
    assert (code, data["causes"]) == (0, [])
    assert data["conclusion"].startswith("nothing wrong found, in ")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", CHOSEN, ids=lambda one: one.name)
def test_a_planted_fault_is_named_first_and_healed(fault: Fault, found: Ward) -> None:
    one = played(fault, found)
    assert one.right, (one.named, one.lines)
    assert one.healed is not False, one.lines
    assert one.mistyped == ()
