"""Whether other endpoints got slower, as stage 3 asks: the service's own log, before and since."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from emonk_ops.errors import UsageError
from emonk_ops.operations.judging import baseline
from emonk_ops.operations.shadow_neighbours import no_performance_degradation
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox
from tests.judging.test_other_endpoints import SHADOW, traffic

HOUR = timedelta(hours=1)
SOAK = SHADOW + HOUR  # it begins an hour behind the shadow


def tools_of(*, slower: float, n: int = 500, driver: str = "shadow") -> Toolbox:
    """An hour of calls before the shadow, two in it, the soak in the second."""
    world = InMemoryWorld(jobs=())
    world.store.record = (driver, 2)
    world.revisions[0] = replace(world.revisions[0], created_at=SHADOW)
    rng = random.Random(1)
    for begin, factor in ((SHADOW - HOUR, 1.0), (SHADOW, slower), (SOAK, slower)):
        world.log += traffic(rng, begin, n, slower=factor)
    env = Environment("qa", Target.SANDBOX, "p")
    memo = {"soak": SimpleNamespace(began_at=SOAK, until=SOAK + HOUR)}
    return Toolbox(env, InMemoryPorts(world), Path(), memo=memo)


def asked(*, slower: float, n: int = 500, driver: str = "shadow") -> Finding:
    return no_performance_degradation(tools_of(slower=slower, n=n, driver=driver))


def test_the_time_before_the_shadow_is_compared_and_not_the_shadow_with_itself() -> None:
    assert asked(slower=2.0).verdict is Verdict.FAIL
    # Without a shadow to be known of, the hour before the soak is all there is.
    assert asked(slower=2.0, driver="legacy").verdict is Verdict.PASS


def test_as_fast_as_before_is_a_pass_with_its_numbers() -> None:
    found = asked(slower=1.0)
    assert found.verdict is Verdict.PASS, found.summary
    facts = found.facts["other-endpoints"]
    assert (facts["n"], facts["n_before"]) == (500, 500)
    assert facts["before"] == [(SHADOW - HOUR).isoformat(), SHADOW.isoformat()]


def test_few_calls_are_inconclusive_and_say_how_much_longer() -> None:
    found = asked(slower=1.0, n=100)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.more_seconds is not None
    silent = asked(slower=1.0, n=0)
    assert silent.verdict is Verdict.ASK, "nothing can degrade there, and a person says so"
    assert "nobody called another endpoint" in silent.summary


def test_a_time_before_that_begins_in_the_shadow_is_refused() -> None:
    with pytest.raises(UsageError, match="is not before the shadow"):
        baseline.in_service(tools_of(slower=1.0), (SOAK, SOAK + HOUR), SHADOW)
