from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.scheduler_v1 import types
from hypothesis import given
from hypothesis import strategies as st

from emonk_ops.sandbox.scheduler.errors import Refusal
from emonk_ops.sandbox.scheduler.outcomes import answered
from emonk_ops.sandbox.scheduler.retries import backoff_before, may_retry
from emonk_ops.sandbox.scheduler.slots import check_schedule, dispatch_offset, next_slot

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "*/5 * * * *",
        "0,30 9-17 * JAN-MAR,DEC MON-FRI",
        "10-50/20 0 1,15 * *",
        "0 0 * * 7",
        " 0  0 * * SUN ",
    ],
)
def test_a_unix_cron_schedule_is_taken(schedule: str) -> None:
    check_schedule(schedule, "Etc/UTC")


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "* * L * *",
        "* * ? * *",
        "* * * * 1#2",
        "* * 15W * *",
        "5/15 * * * *",
        "* * * jan *",
        "* * * * FRI-MON",
        "*/0 * * * *",
    ],
)
def test_anything_else_is_an_invalid_schedule(schedule: str) -> None:
    with pytest.raises(Refusal, match=r"^Schedule or time zone is invalid\.$"):
        check_schedule(schedule, "UTC")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "utc+1", "\x00"])
def test_an_unknown_zone_is_an_invalid_schedule(zone: str) -> None:
    with pytest.raises(Refusal, match="Schedule or time zone is invalid"):
        check_schedule("* * * * *", zone)


def test_a_slot_follows_the_wall_clock_of_its_zone() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert next_slot("0 12 * * *", "Europe/Paris", before) == datetime(2026, 3, 29, 10, tzinfo=UTC)


def test_a_date_that_never_comes_has_no_slot() -> None:
    assert next_slot("0 0 30 2 *", "UTC", NOON) is None


@given(
    st.integers(1, 59),
    st.integers(0, 2 * 365 * 86_400).map(lambda s: NOON + timedelta(seconds=s)),
)
def test_the_next_slot_is_the_first_one_later(step: int, after: datetime) -> None:
    slot = next_slot(f"*/{step} * * * *", "UTC", after)
    assert slot is not None
    assert slot > after
    minute = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while minute.minute % step:
        minute += timedelta(minutes=1)
    assert slot == minute


@given(st.integers(), st.floats(0, 5), st.floats(0, 5))
def test_an_offset_is_within_its_range_and_the_same_again(
    seed: int, low: float, more: float
) -> None:
    offset = dispatch_offset(NOON, "job", seed, (low, low + more))
    assert offset == dispatch_offset(NOON, "job", seed, (low, low + more))
    assert low - 0.001 <= offset.total_seconds() <= low + more + 0.001


def _retry(**fields: Any) -> Any:
    return types.RetryConfig.pb(types.RetryConfig(**fields))


def test_backoff_doubles_then_grows_evenly_up_to_its_maximum() -> None:
    retry = _retry(
        min_backoff_duration=timedelta(seconds=10),
        max_backoff_duration=timedelta(seconds=300),
        max_doublings=3,
    )
    pauses = [backoff_before(retry, count).total_seconds() for count in range(8)]
    assert pauses == [10, 20, 40, 80, 160, 240, 300, 300]


@pytest.mark.parametrize(
    ("count", "seconds", "retries", "elapsed", "expected"),
    [
        (0, 0, 0, 0, False),
        (2, 0, 1, 9999, True),
        (2, 0, 2, 0, False),
        (0, 60, 5, 59, True),
        (0, 60, 5, 61, False),
        (2, 60, 1, 61, True),
        (2, 60, 3, 59, True),
        (2, 60, 2, 61, False),
    ],
)
def test_retries_end_when_every_limit_given_is_reached(
    count: int, seconds: int, retries: int, elapsed: int, expected: bool
) -> None:
    retry = _retry(retry_count=count, max_retry_duration=timedelta(seconds=seconds))
    assert may_retry(retry, retries, timedelta(seconds=elapsed)) is expected


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, "OK"),
        (204, "OK"),
        (304, "UNKNOWN"),
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (418, "FAILED_PRECONDITION"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_only_2xx_acknowledges(status: int, code: str) -> None:
    outcome = answered(status)
    assert outcome.code == code
    assert outcome.succeeded is (200 <= status < 300)
    assert outcome.debug_info.endswith(f"= {status}")
