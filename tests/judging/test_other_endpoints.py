"""Latency and 5xx of the other endpoints: how often the ruling is wrong, and how soon it is right.

Three endpoints of unlike levels (20, 50 and 200 ms), log-normal latencies (sd 0.5), seeded.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from emonk_ops.operations.judging.other_endpoints import Windows, performance
from emonk_ops.operations.judging.traffic import (
    MOST_ENDPOINTS,
    MOST_KEPT,
    SLICE_LIMIT,
    SLICES,
    Stretch,
    Traffic,
    read_traffic,
    requests_query,
)
from emonk_ops.operations.judging.unpaired import Stratum, rate_difference, shift_between
from emonk_ops.operations.judging.verdicts import Ruling
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Verdict
from emonk_ops.settings import OPERATOR_AGENT, Environment, ServiceSettings, Target
from emonk_ops.testing import InMemoryWorld
from emonk_ops.testing.ports import InMemoryLogs

HOUR = timedelta(hours=1)
BEFORE = datetime(2026, 1, 5, tzinfo=UTC)
SHADOW = BEFORE + HOUR
WINDOWS = Windows((BEFORE, SHADOW), (SHADOW, SHADOW + HOUR))
LEVELS = {"/webhook": 0.2, "/fast": 0.02, "/users/{}": 0.05}
RUNS = 60


def request(
    at: datetime, path: str, seconds: float, status: int = 200, agent: str = "curl/8"
) -> LogEntry:
    http = {
        "requestUrl": f"https://agent.test{path}",
        "requestMethod": "GET",
        "status": status,
        "latency_seconds": seconds,
        "userAgent": agent,
    }
    own = {"type": "cloud_run_revision", "service_name": "emonk-agent"}
    name = f"{at.timestamp()}{path}"
    return LogEntry(at, name, "run.googleapis.com/requests", "INFO", "", {}, http, {}, own)


def traffic(
    rng: random.Random,
    begin: datetime,
    n: int,
    *,
    slower: float = 1.0,
    failing: float = 0.0,
    mix: Sequence[float] = (1, 1, 1),
    length: timedelta = HOUR,
) -> Iterator[LogEntry]:
    for _ in range(n):
        path = rng.choices(list(LEVELS), mix)[0]
        seconds = LEVELS[path] * slower * math.exp(rng.gauss(0, 0.5))
        status = 500 if rng.random() < failing else 200
        at = begin + length * rng.random()
        yield request(at, path.format(rng.randrange(99)), seconds, status)


def ruled(seed: int, n: int, *, slower: float = 1.0, failing: float = 0.0) -> Ruling:
    rng = random.Random(seed)
    shadow = traffic(rng, SHADOW, n, slower=slower, failing=failing)
    return performance([*traffic(rng, BEFORE, n), *shadow], WINDOWS, ServiceSettings())


def rates(n: int, **how: float) -> Counter[Verdict]:
    return Counter(ruled(seed, n, **how).verdict for seed in range(RUNS))


@pytest.mark.parametrize("n", [20, 60, 400])
def test_what_is_not_slower_never_fails(n: int) -> None:
    found = rates(n)
    assert found[Verdict.FAIL] == 0
    assert found[Verdict.PASS] >= 0.95 * RUNS if n == 400 else not found[Verdict.PASS]


@pytest.mark.parametrize(
    ("n", "slower", "least"), [(20, 2.0, 0.5), (60, 2.0, 0.95), (200, 1.5, 0.8), (400, 1.5, 0.98)]
)
def test_what_is_slower_is_found_and_never_passes(n: int, slower: float, least: float) -> None:
    found = rates(n, slower=slower)
    assert found[Verdict.PASS] == 0
    assert found[Verdict.FAIL] >= least * RUNS


def test_at_the_margin_itself_both_errors_are_rare() -> None:
    found = rates(400, slower=1.25)
    assert found[Verdict.PASS] <= 0.15 * RUNS
    assert found[Verdict.FAIL] <= 0.15 * RUNS


def test_one_in_twenty_failing_is_found_among_four_hundred() -> None:
    found = rates(400, failing=0.05)
    assert found[Verdict.FAIL] >= 0.9 * RUNS
    assert found[Verdict.PASS] == 0


def test_the_interval_holds_the_true_shift_as_often_as_it_says() -> None:
    rng, inside = random.Random(1), 0
    for _ in range(400):
        strata = [
            Stratum.of(
                [rng.gauss(level, 1) for _ in range(12)],
                [rng.gauss(level + 0.3, 1) for _ in range(9)],
            )
            for level in (0.0, 5.0)
        ]
        found = shift_between(strata)
        inside += found.low <= 0.3 <= found.high
    assert 0.87 <= inside / 400 <= 0.96


def test_the_shift_of_one_group_is_the_median_of_all_differences() -> None:
    one, two = [1.0, 4.0, 9.0, 2.5], [3.0, 5.5, 8.0]
    differences = sorted(b - a for a in one for b in two)
    middle = shift_between([Stratum.of(one, two)]).shift
    assert differences[5] - 1e-6 <= middle <= differences[6] + 1e-6


def test_another_mix_of_endpoints_is_no_change_of_latency() -> None:
    rng = random.Random(3)
    mixed = traffic(rng, SHADOW, 500, mix=(8, 1, 1))
    found = performance([*traffic(rng, BEFORE, 500), *mixed], WINDOWS, ServiceSettings())
    assert found.verdict is Verdict.PASS, found.summary


def test_a_time_before_that_differs_from_itself_proves_nothing() -> None:
    rng, half = random.Random(4), HOUR / 2
    noisy = [
        *traffic(rng, BEFORE, 300, length=half),
        *traffic(rng, BEFORE + half, 300, length=half, slower=2.0),
        *traffic(rng, SHADOW, 600, slower=3.0),
    ]
    found = performance(noisy, WINDOWS, ServiceSettings())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "differs so from itself (A/A)" in found.summary


def test_few_requests_say_how_many_more_it_takes() -> None:
    found = ruled(5, 60)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "more requests" in found.summary
    assert found.facts["more_seconds"] > 3_600
    few = [*traffic(random.Random(1), BEFORE, 40), *traffic(random.Random(2), SHADOW, 3)]
    told = performance(few, WINDOWS, ServiceSettings()).summary
    assert "needs about 17 more requests in the shadow" in told


def test_time_does_not_settle_what_only_more_of_the_time_before_would() -> None:
    rng = random.Random(9)
    found = performance(
        [*traffic(rng, BEFORE, 60), *traffic(rng, SHADOW, 4_000)], WINDOWS, ServiceSettings()
    )
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "cannot be compared with itself (A/A): needs about" in found.summary
    assert found.facts["more_seconds"] is None


def test_ticks_probes_and_calls_of_ours_are_named_and_do_not_count() -> None:
    at = SHADOW + HOUR / 2
    ours = [
        request(at, "/cron/tick", 0.1),
        request(at, "/admin/jobs?limit=1000", 0.1),
        request(at, "/admin", 0.1),
        request(at, "/health", 0.1),
        request(at, "/webhook", 0.1, 401, OPERATOR_AGENT),
    ]
    found = performance(ours, WINDOWS, ServiceSettings())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "nobody called another endpoint" in found.summary
    aside = {"ticks": 1, "admin": 2, "health probes": 1, "of emonk-ops": 1}
    assert found.facts["left_out"] == aside
    other = performance([request(at, "/administration", 0.1)], WINDOWS, ServiceSettings())
    assert other.facts["n"] == 1


def test_a_bounded_number_of_latencies_is_kept_whatever_comes() -> None:
    stretch = Stretch(BEFORE, SHADOW)
    kept = Traffic(ServiceSettings(), (stretch,), seed=0)
    rng = random.Random(6)
    kept.feed(traffic(rng, BEFORE, 5_000))
    kept.feed(request(BEFORE, f"/page-{number}", 0.1) for number in range(500))
    assert stretch.n == 5_500
    assert len(stretch.kinds) <= MOST_ENDPOINTS + 1
    assert "GET /users/* 2xx" in stretch.kinds
    assert max(len(one.values) for one in stretch.kinds.values()) == MOST_KEPT
    assert sum(one.n for one in stretch.kinds.values()) == 5_500


def test_a_busy_service_is_read_evenly_with_twelve_calls() -> None:
    world = InMemoryWorld(jobs=())
    step = HOUR / (2 * SLICES * SLICE_LIMIT)
    world.log[:] = [
        request(BEFORE + number * step, "/fast", 0.01) for number in range(2 * SLICES * SLICE_LIMIT)
    ]
    query = requests_query(Environment("qa", Target.SANDBOX, "p"))
    found = list(read_traffic(InMemoryLogs(world), query, BEFORE, SHADOW))
    assert len(found) == SLICES * SLICE_LIMIT
    per_slice = Counter(int((one.timestamp - BEFORE) / (HOUR / SLICES)) for one in found)
    assert set(per_slice.values()) == {SLICE_LIMIT}


def test_the_difference_of_rates_is_bounded_on_both_sides() -> None:
    low, high = rate_difference(0, 400, 20, 400)
    assert low < 0.05 < high
    assert low > 0.01
    assert rate_difference(0, 300, 0, 300)[1] < 0.01 < rate_difference(0, 200, 0, 200)[1]
    with pytest.raises(ValueError, match="both sides"):
        rate_difference(0, 0, 0, 5)
